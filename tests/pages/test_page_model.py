"""The chat page in front of a model that makes one wait, stands in for another or breaks off."""

import re
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from playwright.sync_api import Page, Route, expect

from chat.models import ChatModel, Message
from tests.harness import wire
from tests.harness.chat_page import ask, ended, open_chat, stored_answer
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.conftest import MakeUser


def test_a_turn_that_meets_a_restarting_server_is_sent_again_by_the_page(
    site: Site, alice: Person, page: Page
) -> None:
    refused: list[str] = []

    def drain_once(route: Route) -> None:
        # The word of a worker that was told to stop; a browser's connection to one that is cannot
        # be held for a test.
        if refused:
            return route.continue_()
        body: Any = route.request.post_data_json
        refused.append(body["turn"])
        error = {"code": "draining", "message": "This server is restarting.", "retry_after": 1}
        return route.fulfill(status=503, headers={"Retry-After": "1"}, json={"error": error})

    open_chat(page, site, alice)
    page.route("**/api/chat", drain_once)
    ask(page, "hello")
    ended(page)
    assert [
        str(message.turn)
        for message in Message.objects.filter(conversation__user=alice.user, turn__isnull=False)
    ] == refused
    expect(page.locator("[data-alert]")).to_be_hidden()


def test_a_busy_model_is_said_with_a_countdown_that_goes_when_text_comes(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script(
        wire.refused(429, retry_after="2"),
        [wire.role(), *wire.text("here"), gate, *wire.answer()[1:]],
    )
    open_chat(page, site, alice)
    ask(page, key)
    progress = page.locator("[data-progress-text]")
    expect(progress).to_have_text(re.compile(r"The model is busy\. Trying again in [23] s…"))
    expect(progress).to_have_text("The model is busy. Trying again in 1 s…")
    expect(page.locator("[data-announcer]")).to_contain_text("The model is busy.")
    expect(page.locator("[data-body]")).to_have_text("here")
    expect(progress).to_have_text("")
    gate.open()
    ended(page)
    expect(page.locator("[data-note]")).to_have_text("")


def test_a_model_that_stands_in_is_named(
    site: Site, make_user: "MakeUser", page: Page, upstream: Upstream
) -> None:
    stand_in = ChatModel.objects.create(slug="stand-in-model")
    first = ChatModel.objects.create(slug="overrun-model", fallback=stand_in)
    gate = wire.Gate()
    # Longer than any turn would wait.
    key = upstream.script(
        wire.refused(429, retry_after="3600"), [wire.HEADERS, gate, *wire.answer("from the other")]
    )
    open_chat(page, site, make_user("fay", models=[first, stand_in]))
    page.select_option("#model", "overrun-model")
    ask(page, key)
    expect(page.locator("[data-progress-text]")).to_have_text(
        "The model is busy. Asking stand-in-model instead…"
    )
    gate.open()
    ended(page)
    expect(page.locator("[data-usage]")).to_have_text("stand-in-model · 7 tokens")
    page.reload()
    expect(page.locator("[data-usage]")).to_have_text("stand-in-model · 7 tokens")
    first.delete()
    stand_in.delete()


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (
            [wire.role(), *wire.text("so far"), wire.Cut()],
            "This answer broke off. The connection to the model was lost.",
        ),
        (wire.refused(400), "No answer came. The model's server refused the request."),
        (
            wire.refused(400, code="context_length_exceeded"),
            "No answer came. The prompt is too long for the model.",
        ),
        (
            wire.refused(400, code="content_filter"),
            "No answer came. The provider's content filter refused this prompt.",
        ),
        (wire.answer("long", reason="length"), "The answer has reached its length limit."),
        (
            wire.answer("short", reason="content_filter"),
            "The provider's content filter has cut this answer short.",
        ),
    ],
    ids=["cut", "refused", "prompt too long", "prompt filtered", "length", "filtered"],
)
def test_how_an_answer_ended_is_said_alike_at_once_and_after_a_reload(
    site: Site, alice: Person, page: Page, upstream: Upstream, script: wire.Script, says: str
) -> None:
    key = upstream.script(script)
    open_chat(page, site, alice)
    ask(page, key)
    note = page.locator("[data-note]")
    expect(note).to_contain_text(says)
    said = note.inner_text()
    page.reload()
    expect(note).to_have_text(said)


TRIMMED = (
    "The oldest messages were left out: the conversation is longer than what can be sent at once."
)


@pytest.mark.parametrize(
    "context_tokens", [100, 100_000], ids=["by our estimate", "when the upstream finds it too long"]
)
def test_a_conversation_longer_than_the_model_can_read_says_so_at_once_and_after_a_reload(
    site: Site, make_user: "MakeUser", page: Page, upstream: Upstream, context_tokens: int
) -> None:
    model = ChatModel.objects.create(slug=f"short-{uuid4()}", context_tokens=context_tokens)
    person = make_user(models=[model])
    scripts = (
        [wire.answer("fine")]
        if context_tokens == 100
        else [wire.refused(400, code="context_length_exceeded"), wire.answer("fine")]
    )
    first, second = upstream.script(wire.answer("one")), upstream.script(*scripts)
    open_chat(page, site, person)
    ask(page, first + " x" * 150)
    ended(page)
    expect(page.locator("[data-note]")).to_have_text("")
    ask(page, second)
    expect(page.locator("[data-note]").last).to_have_text(TRIMMED)
    expect(page.locator("[data-announcer]")).to_contain_text(TRIMMED)
    ended(page)
    assert [message["content"] for message in upstream.requests(second)[-1].body["messages"]] == [
        second
    ]
    page.reload()
    expect(page.locator("[data-note]")).to_have_text(["", TRIMMED])
    assert stored_answer(page).trimmed == 2
