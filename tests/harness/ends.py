"""What every end of an answer has in common."""

from chat.models import Usage
from tests.harness.answers import ledger, message, wait_until
from tests.harness.client import Client, Stream
from tests.harness.upstream import DEFAULT_TEXT, Upstream


def whole(stream: Stream) -> Stream:
    """The stream, read to its end."""
    with stream:
        stream.read()
    return stream


def check_end(
    stream: Stream,
    client: Client,
    upstream: Upstream,
    status: str,
    code: str = "",
    *,
    finish: str | None = None,
) -> Usage:
    """Checks what every end has in common; returns the ledger row, for what differs."""
    _check_last_events(stream, status, code, finish)
    answer = message(stream)
    assert (answer.status, answer.content, answer.error_code, answer.finish_reason) == (
        status,
        stream.text,
        code,
        finish or "",
    )
    row = ledger(stream)
    assert (row.outcome, row.model) == (status, answer.model)
    assert stream.named("done")[0]["usage"] == {
        "prompt_tokens": row.prompt_tokens,
        "completion_tokens": row.completion_tokens,
        "estimated": row.estimated,
    }
    wait_until(lambda: upstream.running(message(str(answer.parent_id)).content) == 0)
    check_slot_is_free(client)
    return row


def _check_last_events(stream: Stream, status: str, code: str, finish: str | None) -> None:
    names = [event.name for event in stream.events]
    assert names[0] == "start"
    assert names[-2:] == ["done", "message"]
    assert stream.ended
    assert names.count("done") == 1
    assert [error["code"] for error in stream.named("error")] == ([code] if code else [])
    if code:
        assert names[-3] == "error"
    (done,) = stream.named("done")
    assert (done["status"], done["finish_reason"]) == (status, finish)


def check_slot_is_free(client: Client) -> None:
    """For a person with one slot: their next turn passes."""
    with client.chat(content="Next, please") as following:
        assert following.status == 200
        assert whole(following).text == DEFAULT_TEXT


def figures(row: Usage) -> tuple[int, int, bool]:
    """Prompt tokens, completion tokens, and whether they are an estimate."""
    return row.prompt_tokens, row.completion_tokens, row.estimated
