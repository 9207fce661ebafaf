"""The chat page on a bad network."""

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.harness import wire
from tests.harness.answers import wait_until
from tests.harness.chat_page import ask, ended, open_chat, source, stored_answer, wait_until_live
from tests.harness.cuttable import CuttableNetwork
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.conftest import StartApart


def open_through(network: CuttableNetwork, page: Page, site: Site, person: Person) -> None:
    page.context.add_cookies(person.cookies(site))
    page.goto(network.url + "/")
    wait_until_live(page)


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
    wait_until(lambda: apart.text_in_redis(answer) == b"saved, ")
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
    body = "<h1>Welcome to our hotel!</h1>"
    page.route("**/api/chat", lambda route: route.fulfill(content_type="text/html", body=body))
    ask(page, key)
    expect(page.locator("[data-alert]")).to_contain_text("cannot be reached")
    assert page.input_value("#content") == key
    page.unroute("**/api/chat")
    page.press("#content", "Enter")
    ended(page)
    assert source(page) == "only once"


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
