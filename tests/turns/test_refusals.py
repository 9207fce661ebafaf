"""Every refusal of the API on a running site: status, code, body, and that it costs nothing."""

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest

from chat.models import ChatModel, Quota
from tests.harness.client import Client
from tests.harness.footprint import NOTHING, footprint
from tests.harness.invalid_bodies import INVALID
from tests.harness.refusals import assert_refused, post
from tests.harness.site import Site
from tests.harness.turns import talk
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.harness.people import Person


# --- 400 -----------------------------------------------------------------------------


def test_every_invalid_body_is_400_and_costs_nothing(carol: "Person", upstream: Upstream) -> None:
    before = len(upstream.requests())
    for name, (body, word) in INVALID.items():
        answer = post(carol.client, body)
        limit = "model" if name == "model empty" else None
        assert_refused(answer, 400, "invalid_request", word=word, limit=limit)
    assert footprint(carol.requester) == NOTHING
    assert len(upstream.requests()) == before


@pytest.mark.parametrize("slug", ["no-such-model", "gpt\u0000", "x" * 5000, "GPT-4O-MINI"])
def test_an_unknown_model_is_400_and_named(carol: "Person", slug: str) -> None:
    for body in ({"content": "hi"}, {"messages": [{"role": "user", "content": "hi"}]}):
        assert_refused(
            post(carol.client, {**body, "model": slug}),
            400,
            "invalid_request",
            limit="model",
            word="model",
        )
    assert footprint(carol.requester) == NOTHING


def test_a_forbidden_or_disabled_model_is_400_like_an_unknown_one(
    carol: "Person", upstream: Upstream
) -> None:
    allowed = ChatModel.objects.create(slug=f"allowed-{uuid4().hex}")
    forbidden = ChatModel.objects.create(slug=f"forbidden-{uuid4().hex}")
    disabled = ChatModel.objects.create(slug=f"disabled-{uuid4().hex}", enabled=False)
    carol.quota.models.set([allowed, disabled])
    messages = {
        assert_refused(
            post(carol.client, {"content": "hi", "model": slug}),
            400,
            "invalid_request",
            limit="model",
        )["message"]
        for slug in (forbidden.slug, disabled.slug, "no-such-model")
    }
    assert len(messages) == 1
    assert footprint(carol.requester) == NOTHING
    assert talk(carol, model=allowed.slug)["model"] == allowed.slug
    for model in (allowed, forbidden, disabled):
        model.delete()


def test_a_parent_that_is_a_prompt_is_400(carol: "Person") -> None:
    start = talk(carol)
    before = footprint(carol.requester)
    body = {"content": "hi", "conversation": start["conversation"], "parent": start["message"]}
    assert_refused(post(carol.client, body), 400, "invalid_request", word="parent")
    assert footprint(carol.requester) == before


@pytest.mark.parametrize("cursor", ["x", "-1", "1.5", "1 ", "٣", "9" * 30, "0x1"])
def test_a_garbage_cursor_is_400(carol: "Person", cursor: str) -> None:
    answer = talk(carol)["answer"]
    if cursor.isascii() and cursor == cursor.strip():
        assert_refused(
            carol.client.get(f"/api/answers/{answer}/stream", headers={"Last-Event-ID": cursor}),
            400,
            "invalid_request",
            limit="after",
        )
    assert_refused(
        carol.client.get(f"/api/answers/{answer}/stream", params={"after": cursor}),
        400,
        "invalid_request",
        limit="after",
    )


def test_a_host_that_is_not_ours_is_400(carol: "Person") -> None:
    assert_refused(
        post(carol.client, {"content": "hi"}, headers={"Host": "evil.example"}),
        400,
        "invalid_request",
    )


# --- 401, 403, 405, 415 ---------------------------------------------------------------


def test_whoever_is_not_signed_in_is_401_everywhere(site: Site) -> None:
    with Client(site.url) as stranger:
        assert_refused(post(stranger, {"content": "hi"}), 401, "not_signed_in")
        assert_refused(post(stranger, b"rubbish"), 401, "not_signed_in")
        assert_refused(stranger.get(f"/api/answers/{uuid4()}/stream"), 401, "not_signed_in")
        assert_refused(stranger.stop(str(uuid4())), 401, "not_signed_in")
        assert_refused(stranger.get("/api/limits"), 401, "not_signed_in")


def test_a_session_that_is_made_up_or_over_is_401(site: Site, alice: "Person") -> None:
    with Client(site.url) as client:
        client.http.cookies.set("sessionid", "0" * 32)
        assert_refused(post(client, {"content": "hi"}), 401, "not_signed_in")
    client = alice.client_on(site)
    alice.user.is_active = False
    alice.user.save()
    assert_refused(post(client, {"content": "hi"}), 401, "not_signed_in")


@pytest.mark.parametrize(
    "headers", [{"X-CSRFToken": ""}, {"X-CSRFToken": "x" * 32}, {"Origin": "https://evil.example"}]
)
def test_a_post_without_our_token_or_from_elsewhere_is_403(
    carol: "Person", upstream: Upstream, headers: dict[str, str]
) -> None:
    key = upstream.key()
    assert_refused(post(carol.client, {"content": key}, headers=headers), 403, "csrf_failed")
    assert_refused(
        carol.client.post(f"/api/answers/{uuid4()}/stop", headers=headers), 403, "csrf_failed"
    )
    assert (footprint(carol.requester), upstream.requests(key)) == (NOTHING, [])


def test_whom_no_quota_names_is_403_while_there_is_no_default(carol: "Person") -> None:
    carol.quota.users.clear()
    default = Quota.objects.filter(is_default=True)
    pk = default.get().pk
    default.update(is_default=False)
    try:
        assert_refused(post(carol.client, {"content": "hi"}), 403, "forbidden")
        assert footprint(carol.requester) == NOTHING
    finally:
        Quota.objects.filter(pk=pk).update(is_default=True)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/api/chat", "POST"),
        ("PUT", "/api/chat", "POST"),
        ("DELETE", "/api/chat", "POST"),
        ("POST", f"/api/answers/{UUID(int=0)}/stream", "GET"),
        ("GET", f"/api/answers/{UUID(int=0)}/stop", "POST"),
        ("POST", "/api/limits", "GET"),
    ],
)
def test_a_wrong_method_is_405_and_says_which_is_right(
    carol: "Person", method: str, path: str, allowed: str
) -> None:
    answer = carol.client.http.request(method, path, headers={"X-CSRFToken": carol.client.csrf})
    assert_refused(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "multipart/form-data; boundary=x",
    ],
)
def test_another_content_type_is_415(carol: "Person", kind: str) -> None:
    assert_refused(
        post(carol.client, {"content": "hi"}, headers={"Content-Type": kind}),
        415,
        "unsupported_media_type",
    )
    assert footprint(carol.requester) == NOTHING


def test_json_with_a_charset_is_json(carol: "Person") -> None:
    answer = post(
        carol.client, {"content": "hi"}, headers={"Content-Type": "application/json; charset=utf-8"}
    )
    assert answer.status_code == 200


# --- 404 ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/api/",
        "/api/nothing",
        "/api/chat/",
        "/api/answers/1/stream",
        "/api/answers//stop",
        f"/api/answers/{UUID(int=0)}",
    ],
)
def test_an_address_that_is_none_is_404_as_json(carol: "Person", path: str) -> None:
    assert_refused(carol.client.get(path), 404, "not_found")


def test_what_does_not_exist_is_404_and_costs_nothing(carol: "Person") -> None:
    start = talk(carol)
    conversation, nothing = start["conversation"], str(uuid4())
    before = footprint(carol.requester)
    for body in (
        {"content": "hi", "conversation": nothing},
        {"content": "hi", "conversation": None, "parent": nothing},
        {"content": "hi", "parent": start["answer"]},
        {"content": "hi", "conversation": conversation, "parent": nothing},
        {"conversation": conversation, "regenerate": nothing},
        {"conversation": conversation, "regenerate": start["message"]},
        {"conversation": nothing, "regenerate": start["answer"]},
    ):
        assert_refused(post(carol.client, body), 404, "not_found")
    assert_refused(carol.client.get(f"/api/answers/{start['message']}/stream"), 404, "not_found")
    assert_refused(carol.client.stop(start["message"]), 404, "not_found")
    assert_refused(carol.client.stop(nothing), 404, "not_found")
    assert footprint(carol.requester) == before


def test_an_answer_of_another_conversation_of_ones_own_is_404(carol: "Person") -> None:
    one, other = talk(carol), talk(carol)
    before = footprint(carol.requester)
    assert_refused(
        post(
            carol.client,
            {"content": "hi", "conversation": one["conversation"], "parent": other["answer"]},
        ),
        404,
        "not_found",
    )
    assert_refused(
        post(carol.client, {"conversation": one["conversation"], "regenerate": other["answer"]}),
        404,
        "not_found",
    )
    assert footprint(carol.requester) == before
