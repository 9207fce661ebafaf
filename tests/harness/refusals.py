"""Refusals of the API: a turn as it is posted, and the shape that every refusal has."""

import json
from typing import Any

from tests.harness.client import Client

JSON = {"Content-Type": "application/json"}


def assert_refused(
    answer: Any,
    status: int,
    code: str,
    *,
    retry_after: range | None = None,
    limit: str | None = None,
    word: str = "",
) -> dict[str, Any]:
    """The answer is the refusal, in exactly the shape of the contract; returns its `error`."""
    headers = answer.headers
    body = answer.json()
    assert set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    got = getattr(answer, "status_code", None) or answer.status
    assert (got, error["code"]) == (status, code), error
    assert set(error) == {"code", "message"} | ({"retry_after"} if retry_after else set()) | (
        {"limit"} if limit else set()
    )
    assert isinstance(error["message"], str)
    assert word in error["message"]
    assert error.get("limit") == limit
    assert headers["content-type"] == "application/json"
    assert headers["cache-control"] == "no-store"
    assert ("retry-after" in headers) == (retry_after is not None)
    if retry_after is not None:
        assert headers["retry-after"] == str(error["retry_after"])
        assert error["retry_after"] in retry_after
    return error


def post(client: Client, body: bytes | dict[str, Any], **options: Any) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(
        "/api/chat", content=content, headers={**JSON, **options.pop("headers", {})}, **options
    )
