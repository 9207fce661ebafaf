"""Branches of a conversation, and what of it is sent upstream."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from django.db.models import F

from chat.models import ChatModel, Conversation, Message, Usage
from tests.harness import wire
from tests.harness.answers import ledger, message
from tests.harness.client import Client
from tests.harness.ends import whole
from tests.harness.people import Person
from tests.harness.running import Running
from tests.harness.site import Site
from tests.harness.turns import said
from tests.harness.upstream import DEFAULT_TEXT, Upstream

if TYPE_CHECKING:
    from tests.conftest import MakeUser


# --- Branches ---------------------------------------------------------------------


def sent(upstream: Upstream, key: str) -> list[tuple[str, str]]:
    """Roles and texts of the last request whose prompt contains the key."""
    return [
        (entry["role"], entry["content"]) for entry in upstream.requests(key)[-1].body["messages"]
    ]


def test_turn_without_parent_follows_the_answer_created_last(
    alice: Person, upstream: Upstream
) -> None:
    one, two = upstream.script(wire.answer("A1")), upstream.key()
    first = said(alice, one)
    second = said(alice, two, conversation=first.events[0].data["conversation"])
    assert message(str(message(second).parent_id)).parent_id == message(first).id
    assert sent(upstream, two) == [("user", one), ("assistant", "A1"), ("user", two)]


def test_messages_are_in_the_order_of_their_turns_though_the_clock_was_set_back(
    alice: Person, upstream: Upstream
) -> None:
    one, two = upstream.script(wire.answer("A1"), wire.answer("A2")), upstream.key()
    first = said(alice, one)
    conversation = first.events[0].data["conversation"]
    Message.objects.filter(conversation=conversation).update(
        created=F("created") + timedelta(hours=1)
    )
    again = whole(alice.client.chat(conversation=conversation, regenerate=first.answer))
    assert message(again).created > message(first).created
    said(alice, two, conversation=conversation)
    assert sent(upstream, two) == [("user", one), ("assistant", "A2"), ("user", two)]


def test_regenerate_makes_a_sibling(alice: Person, upstream: Upstream) -> None:
    key = upstream.script(wire.answer("A1"), wire.answer("A2"))
    first = said(alice, key)
    again = whole(
        alice.client.chat(
            conversation=first.events[0].data["conversation"], regenerate=first.answer
        )
    )
    assert again.text == "A2"
    assert again.events[0].data["message"] == first.events[0].data["message"]
    assert message(again).parent_id == message(first).parent_id
    assert message(first).content == "A1"
    assert sent(upstream, key) == [("user", key)]
    assert Usage.objects.filter(user=alice.user).count() == 2


def test_prompt_is_edited_by_naming_an_older_answer_as_parent(
    alice: Person, upstream: Upstream
) -> None:
    one, two, edited = (
        upstream.script(wire.answer("A1")),
        upstream.script(wire.answer("A2")),
        upstream.key(),
    )
    first = said(alice, one)
    conversation = first.events[0].data["conversation"]
    said(alice, two, conversation=conversation)
    branch = said(alice, edited, conversation=conversation, parent=first.answer)
    assert message(str(message(branch).parent_id)).parent_id == message(first).id
    assert sent(upstream, edited) == [("user", one), ("assistant", "A1"), ("user", edited)]


def test_parent_null_begins_the_conversation_anew(alice: Person, upstream: Upstream) -> None:
    first, key = said(alice, "Hello"), upstream.key()
    branch = said(alice, key, conversation=first.events[0].data["conversation"], parent=None)
    assert message(str(message(branch).parent_id)).parent_id is None
    assert message(branch).conversation_id == message(first).conversation_id
    assert sent(upstream, key) == [("user", key)]


def test_parent_must_be_an_answer_of_the_conversation(alice: Person) -> None:
    first, other = said(alice, "Hello"), said(alice, "Hello")
    conversation = first.events[0].data["conversation"]
    for parent, status in (
        (other.answer, 404),
        (str(uuid4()), 404),
        (first.events[0].data["message"], 400),
    ):
        with alice.client.chat(
            content="Hello", conversation=conversation, parent=parent
        ) as refused:
            assert refused.status == status
    with alice.client.chat(content="Hello", conversation=None, parent=first.answer) as refused:
        assert refused.status == 404


def test_branch_that_still_runs_is_busy(running: Running) -> None:
    with running.begin() as stream:
        conversation = stream.events[0].data["conversation"]
        attempts: list[dict[str, Any]] = [
            {"content": "more"},
            {"content": "more", "parent": stream.answer},
            {"regenerate": stream.answer},
        ]
        for fields in attempts:
            with running.person.client.chat(conversation=conversation, **fields) as refused:
                assert (refused.status, refused.json()["error"]["code"]) == (
                    409,
                    "conversation_busy",
                )
    assert Message.objects.filter(conversation=conversation).count() == 2


def test_branch_beside_a_running_answer_is_allowed(running: Running) -> None:
    first = said(running.person, "Hello")
    conversation = first.events[0].data["conversation"]
    with running.begin(conversation=conversation) as stream:
        for parent in (first.answer, None):
            assert (
                said(running.person, "beside", conversation=conversation, parent=parent).text
                == DEFAULT_TEXT
            )
        running.gate.open()
        assert whole(stream).text == "Hello, wörld."


def test_answer_without_text_is_not_sent_upstream_but_its_prompt_is(
    alice: Person, upstream: Upstream
) -> None:
    failing, key = upstream.script(wire.refused(400)), upstream.key()
    first = said(alice, failing)
    assert message(first).status == "failed"
    said(alice, key, conversation=first.events[0].data["conversation"])
    assert sent(upstream, key) == [("user", f"{failing}\n\n{key}")]


# --- What is sent upstream ------------------------------------------------------------


@pytest.fixture
def model(request: pytest.FixtureRequest) -> ChatModel:
    """A model of the test's own."""
    return ChatModel.objects.create(
        slug=f"model-{uuid4()}", max_output_tokens=123, **getattr(request, "param", {})
    )


def test_upstream_is_asked_to_stream_with_usage_and_a_limit(
    alice: Person, upstream: Upstream, model: ChatModel
) -> None:
    key = upstream.key()
    said(alice, key, model=model.slug)
    assert upstream.requests(key)[0].body == {
        "model": model.slug,
        "messages": [{"role": "user", "content": key}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": 123,
    }


@pytest.mark.parametrize("model", [{"legacy_max_tokens": True}], indirect=True)
def test_server_of_the_older_kind_is_sent_max_tokens(
    alice: Person, upstream: Upstream, model: ChatModel
) -> None:
    key = upstream.key()
    said(alice, key, model=model.slug)
    body = upstream.requests(key)[0].body
    assert body["max_tokens"] == 123
    assert "max_completion_tokens" not in body


def test_smaller_limit_of_the_quota_is_sent(
    make_user: "MakeUser", upstream: Upstream, model: ChatModel
) -> None:
    key = upstream.key()
    said(make_user("alice", max_output_tokens=45), key, model=model.slug)
    assert upstream.requests(key)[0].body["max_completion_tokens"] == 45


@pytest.mark.parametrize("model", [{"system_prompt": "Be brief."}], indirect=True)
def test_system_prompts_of_model_and_conversation_stand_first(
    alice: Person, upstream: Upstream, model: ChatModel
) -> None:
    one, two, plain = upstream.script(wire.answer("A1")), upstream.key(), upstream.key()
    first = said(alice, one, model=model.slug)
    assert sent(upstream, one) == [("system", "Be brief."), ("user", one)]
    conversation = first.events[0].data["conversation"]
    Conversation.objects.filter(id=conversation).update(system_prompt="Speak Latin.")
    said(alice, two, conversation=conversation)
    assert sent(upstream, two) == [
        ("system", "Be brief.\n\nSpeak Latin."),
        ("user", one),
        ("assistant", "A1"),
        ("user", two),
    ]
    whole(alice.client.chat(messages=[{"role": "user", "content": plain}], model=model.slug))
    assert sent(upstream, plain) == [("system", "Be brief."), ("user", plain)]


def test_conversation_keeps_the_model_it_began_with(
    alice: Person, upstream: Upstream, model: ChatModel
) -> None:
    key = upstream.key()
    first = said(alice, "Hello", model=model.slug)
    second = said(alice, key, conversation=first.events[0].data["conversation"])
    assert upstream.requests(key)[0].body["model"] == model.slug
    assert (second.events[0].data["model"], message(second).model, ledger(second).model) == (
        model.slug,
    ) * 3


def test_prompt_reaches_the_upstream_exactly(alice: Person, upstream: Upstream) -> None:
    key = upstream.key()
    prompt = f'  {key}\r\n\u2028🙂 "\\" \n'
    first = said(alice, prompt)
    assert upstream.requests(key)[0].prompt == prompt
    assert message(str(message(first).parent_id)).content == prompt


def test_answer_that_passes_the_limit_it_was_given_is_closed_there(
    make_user: "MakeUser", upstream: Upstream
) -> None:
    key = upstream.script([*wire.text(*["a word as long as no token is "] * 5), wire.Stall()])
    stream = said(make_user("alice", max_output_tokens=4), key)
    assert stream.text.startswith("a word as long")
    assert stream.named("done")[0]["finish_reason"] == "length"
    upstream.wait_for_close(upstream.requests(key)[0])
    assert ledger(stream).completion_tokens >= 5


def test_session_cookie_with_a_nul_is_no_session(site: Site) -> None:
    with Client(site.url) as client:
        response = client.get("/api/limits", headers={"Cookie": r'sessionid="\000aaaaaaaaaaaa"'})
    assert (response.status_code, response.json()["error"]["code"]) == (401, "not_signed_in")
