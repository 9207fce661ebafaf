"""The chat page on a bad network, and in front of a model that makes one wait."""

import re
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from playwright.sync_api import Page, Route, expect

from chat.models import ChatModel, Message
from tests.harness import wire
from tests.harness.answers import wait_until
from tests.harness.chat_page import ask, ended, open_chat, source, stored_answer, wait_until_live
from tests.harness.cuttable import CuttableNetwork
from tests.harness.environment import Environment
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import MakeUser, StartApart


@pytest.fixture(scope="module")
def patient(environment: Environment, db_ready: None) -> "Iterator[Site]":
    """A site that waits for its readers, and for its model, longer than any test takes."""
    site = environment.start_site(RESUME_GRACE_SECONDS="60", UPSTREAM_IDLE_SECONDS="60")
    yield site
    site.stop()


def open_through(network: CuttableNetwork, page: Page, site: Site, person: Person) -> None:
    page.context.add_cookies(person.cookies(site))
    page.goto(network.url + "/")
    wait_until_live(page)


# --- Lost connections -----------------------------------------------------------


def test_what_was_written_while_the_network_was_away_is_shown_once_it_is_back(
    patient: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    away, back = wire.Gate(), wire.Gate()
    key = upstream.script(
        [
            wire.role(),
            *wire.text("before, "),
            away,
            *wire.text("“meanwhile” 👋🏽, "),
            back,
            *wire.text("after"),
            *wire.answer()[1:],
        ]
    )
    with CuttableNetwork(patient.port) as network:
        open_through(network, page, patient, alice)
        ask(page, key)
        expect(page.locator("[data-body]")).to_contain_text("before")
        network.cut()
        away.open()
        expect(page.locator("[data-progress-text]")).to_have_text("Reconnecting…")
        back.wait_until_reached()
        network.mend()
        expect(page.locator("[data-body]")).to_contain_text("meanwhile", timeout=20_000)
        expect(page.locator("[data-progress-text]")).to_have_text("")
        back.open()
        ended(page)
    assert source(page) == stored_answer(page).content == "before, “meanwhile” 👋🏽, after"
    assert len(upstream.requests(key)) == 1


COME_BACK = "sign => (sign === 'online' ? window : document).dispatchEvent(new Event(sign))"
# Pauses between attempts have fractions of a millisecond, by their random part; they are noted, and
# last as long as the test says.
NOTE_PAUSES = """
    window.pauses = [];
    const real = window.setTimeout;
    window.setTimeout = (act, ms, ...rest) => {
      if (Number.isInteger(ms ?? 0)) return real(act, ms, ...rest);
      window.pauses.push(ms);
      return real(act, %d, ...rest);
    };"""


def test_sixty_breaks_in_one_answer_lose_nothing_and_double_nothing(
    patient: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    pieces = [f"{number} é👋\r\n\n  - [x] ‮abc‬ " for number in range(150)]
    paced: wire.Script = [
        step for piece in pieces for step in (*wire.text(piece), wire.Pause(0.02))
    ]
    key = upstream.script([wire.role(), *paced, *wire.answer()[1:]])
    page.add_init_script(NOTE_PAUSES % 5)
    with CuttableNetwork(patient.port) as network:
        open_through(network, page, patient, alice)
        ask(page, key)
        expect(page.locator("[data-body]")).to_contain_text("0 é")
        # In the headers, in the first event, and anywhere in the text.
        network.cut_after(*(700 + number * 97 % 1500 for number in range(60)))
        expect(page.locator(".answer")).to_have_attribute("data-status", "complete", timeout=30_000)
        assert network.cuts == 60
    assert source(page) == stored_answer(page).content == "".join(pieces)
    assert len(upstream.requests(key)) == 1


def test_pauses_between_attempts_grow_and_are_partly_random(
    patient: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script([wire.role(), *wire.text("so far"), gate, *wire.answer()[1:]])
    page.add_init_script(NOTE_PAUSES % 5)
    with CuttableNetwork(patient.port) as network:
        open_through(network, page, patient, alice)
        ask(page, key)
        expect(page.locator("[data-body]")).to_have_text("so far")
        network.cut()
        wait_until(lambda: page.evaluate("pauses.length") >= 8)
        network.mend()
        gate.open()
        ended(page)
    pauses = page.evaluate("pauses")[:8]
    longest = [min(15_000, 500 * 2**failures) for failures in range(8)]
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, longest, strict=True))
    assert len({round(pause / most, 4) for pause, most in zip(pauses, longest, strict=True)}) > 4


def test_a_short_break_is_not_worth_telling(
    patient: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script([wire.role(), *wire.text("so far"), gate, *wire.answer()[1:]])
    with CuttableNetwork(patient.port) as network:
        open_through(network, page, patient, alice)
        ask(page, key)
        expect(page.locator("[data-body]")).to_have_text("so far")
        page.evaluate("""() => {
            window.said = [];
            const progress = document.querySelector(".answer [data-progress-text]");
            const observer = new MutationObserver(() => said.push(progress.textContent));
            observer.observe(progress, { childList: true, subtree: true });
        }""")
        with page.expect_request("**/stream?after=*"):
            network.cut()
            network.mend()
        gate.open()
        ended(page)
    assert "Reconnecting…" not in page.evaluate("said")


def test_a_connection_that_says_nothing_any_more_is_given_up(
    patient: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script(
        [wire.role(), *wire.text("so far, "), gate, *wire.text("so good"), *wire.answer()[1:]]
    )
    page.clock.install()
    with CuttableNetwork(patient.port) as network:
        open_through(network, page, patient, alice)
        ask(page, key)
        expect(page.locator("[data-body]")).to_have_text("so far,")
        network.silence()
        gate.open()
        # Three pings of the site's have not come.
        with page.expect_request("**/stream?after=*"):
            page.clock.fast_forward(46_000)
            page.clock.fast_forward(1_000)
        ended(page)
    assert source(page) == "so far, so good"
    assert len(upstream.requests(key)) == 1


@pytest.mark.parametrize("sign", ["online", "visibilitychange"])
def test_a_laptop_that_wakes_up_does_not_wait_for_a_connection_that_died_in_its_sleep(
    patient: Site, alice: Person, page: Page, upstream: Upstream, sign: str
) -> None:
    gate = wire.Gate()
    key = upstream.script(
        [wire.role(), *wire.text("so far, "), gate, *wire.text("so good"), *wire.answer()[1:]]
    )
    page.clock.install()
    with CuttableNetwork(patient.port) as network:
        open_through(network, page, patient, alice)
        ask(page, key)
        expect(page.locator("[data-body]")).to_have_text("so far,")
        network.silence()
        page.clock.fast_forward(21_000)
        # By itself it would be given up after 24 s more.
        with page.expect_request("**/stream?after=*", timeout=10_000):
            page.evaluate(COME_BACK, sign)
        gate.open()
        ended(page)
    assert source(page) == "so far, so good"
    assert len(upstream.requests(key)) == 1


@pytest.mark.parametrize("sign", ["online", "visibilitychange"])
def test_a_reader_who_is_back_does_not_wait_for_the_next_attempt(
    patient: Site, alice: Person, page: Page, upstream: Upstream, sign: str
) -> None:
    gate = wire.Gate()
    key = upstream.script(
        [wire.role(), *wire.text("so far, "), gate, *wire.text("so good"), *wire.answer()[1:]]
    )
    page.add_init_script(NOTE_PAUSES % 3_600_000)
    with CuttableNetwork(patient.port) as network:
        open_through(network, page, patient, alice)
        ask(page, key)
        expect(page.locator("[data-body]")).to_have_text("so far,")
        network.cut()
        wait_until(lambda: page.evaluate("pauses.length") == 1)
        network.mend()
        gate.open()
        page.evaluate(COME_BACK, sign)
        ended(page)
    assert source(page) == "so far, so good"


def test_stop_pressed_without_a_network_stops_when_it_is_back(
    patient: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    key = upstream.script([wire.role(), *wire.text("so far"), wire.Stall()])
    failed: list[str] = []
    page.on("requestfailed", lambda request: failed.append(request.url))
    with CuttableNetwork(patient.port) as network:
        open_through(network, page, patient, alice)
        ask(page, key)
        expect(page.locator("[data-body]")).to_have_text("so far")
        network.cut()
        page.click("[data-stop]")
        while sum(url.endswith("/stop") for url in failed) < 4:
            page.wait_for_event("requestfailed")
        network.mend()
        expect(page.locator(".answer")).to_have_attribute("data-status", "stopped", timeout=20_000)
    assert source(page) == stored_answer(page).content == "so far"


def test_words_of_a_killed_worker_that_were_never_saved_are_not_copied_either(
    start_apart: "StartApart", alice: Person, page: Page, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script(
        [wire.role(), *wire.text("saved, "), gate, *wire.text("and lost"), wire.Stall()]
    )
    apart = start_apart(alice)
    page.context.add_cookies([{"name": "sessionid", "value": apart.session, "url": apart.site.url}])
    page.goto(apart.site.url)
    wait_until_live(page)
    ask(page, key)
    expect(page.locator("[data-body]")).to_have_text("saved,")
    answer = page.locator(".answer").get_attribute("data-answer") or ""
    wait_until(lambda: apart.mirrored(answer) == b"saved, ")
    apart.valkey.pause()
    gate.open()
    expect(page.locator("[data-body]")).to_have_text("saved, and lost")
    apart.site.kill9()
    apart.valkey.stop()
    apart.valkey.start()
    apart.site.start()
    expect(page.locator(".answer")).to_have_attribute("data-status", "failed", timeout=30_000)
    assert apart.answer(answer) == ("failed", "", "worker_lost")
    expect(page.locator("[data-body]")).to_have_text("")
    assert source(page) == ""


def test_a_prompt_that_is_sent_again_because_no_word_came_back_is_asked_once(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    key = upstream.script(wire.answer("only once"))
    with CuttableNetwork(site.port) as network:
        open_through(network, page, site, alice)
        network.cut_after(*[0] * 100)  # the browser tries again by itself, too
        ask(page, key)
        expect(page.locator("[data-alert]")).to_contain_text("cannot be reached", timeout=40_000)
        assert page.input_value("#content") == key
        network.cut_after()
        page.press("#content", "Enter")
        ended(page)
    assert source(page) == "only once"
    assert len(upstream.requests(key)) == 1
    assert stored_answer(page).conversation.messages.count() == 2


def test_a_page_of_somebody_elses_in_the_place_of_the_answer_is_as_good_as_no_network(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    key = upstream.script(wire.answer("only once"))
    page.add_init_script(NOTE_PAUSES % 20)
    open_chat(page, site, alice)
    page.route(
        "**/api/chat",
        lambda route: route.fulfill(
            content_type="text/html", body="<h1>Welcome to our hotel!</h1>"
        ),
    )
    ask(page, key)
    expect(page.locator("[data-alert]")).to_contain_text("cannot be reached")
    assert page.input_value("#content") == key
    page.unroute("**/api/chat")
    page.press("#content", "Enter")
    ended(page)
    assert source(page) == "only once"


# --- Waiting for the model --------------------------------------------------------


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


def test_an_answer_that_nobody_could_read_does_not_say_that_one_stopped_it(
    site: Site, alice: Person, page: Page, upstream: Upstream
) -> None:
    key = upstream.script([wire.role(), *wire.text("so far"), wire.Stall()])
    with CuttableNetwork(site.port) as network:
        open_through(network, page, site, alice)
        ask(page, key)
        expect(page.locator("[data-body]")).to_have_text("so far")
        network.cut()
        upstream.wait_for_close(upstream.requests(key)[0])
        network.mend()
        expect(page.locator("[data-note]")).to_contain_text("nobody was connected", timeout=20_000)
