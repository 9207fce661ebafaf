"""The page of running answers: whose, how far, on which worker; and a Stop for every worker."""

import re
from collections.abc import Iterator
from time import monotonic
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import redis as redis_py
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from redis.backoff import NoBackoff
from redis.retry import Retry

from chat import redis_client
from chat.models import Usage
from tests.harness import wire
from tests.harness.answers import client_of_worker, ledger, other_worker, owner_pid, wait_until
from tests.harness.client import Stream
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.upstream import Upstream
from tests.harness.visitor import visitor

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.usefixtures("static_files")
RUNNING = "/admin/chat/usage/running/"
STOP = f"{RUNNING}stop/"
REFRESHED_MS = 3500
WORDS = "some words that came " * 10


def staff(person: Person, *permissions: str) -> Person:
    User.objects.filter(pk=person.user.pk).update(is_staff=True)
    person.user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return person


@pytest.fixture
def operator(alice: Person) -> Person:
    return staff(alice, "view_usage", "stop_answers")


@pytest.fixture
def running(bob: Person, site2: Site, upstream: Upstream) -> Iterator[Stream]:
    """Yields an answer of Bob's that has some words and stands still."""
    key = upstream.script([wire.role(), *wire.text(WORDS), wire.Stall()])
    with bob.client_on(site2).chat(content=key) as stream:
        stream.until("delta")
        yield stream


def row_of(text: str, answer: str) -> str:
    found = re.search(rf'<tr data-answer="{answer}">(.*?)</tr>', text, re.DOTALL)
    assert found, text
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found[1]))


def history(operator: Person) -> list[str]:
    return [entry.get_change_message() for entry in LogEntry.objects.filter(user=operator.user)]


def test_a_running_answer_is_shown_on_every_worker(
    operator: Person, bob: Person, site2: Site, running: Stream
) -> None:
    pid, tokens = owner_pid(running), -(-len(WORDS) // 4)
    for worker in site2.worker_pids():
        client = client_of_worker(operator, site2, worker)
        wait_until(lambda client=client: f"about {tokens}" in client.get(RUNNING).text)
        row = row_of(client.get(RUNNING).text, running.answer)
        assert re.search(
            rf" {bob.user.username} .*gpt-4o-mini .*\d+ seconds? .*about {tokens} .*:{pid} .*Stop",
            row,
        )
        assert "no sign of life" not in row


@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_stop_reaches_the_worker_that_runs_it(
    operator: Person, bob: Person, site2: Site, upstream: Upstream, running: Stream, where: str
) -> None:
    owner = owner_pid(running)
    client = client_of_worker(
        operator, site2, owner if where == "here" else other_worker(site2, owner)
    )
    begun = monotonic()
    answer = client.post(STOP, data={"answer": running.answer})
    assert answer.status_code == 302
    running.read()
    assert monotonic() - begun < 2
    assert running.events[-2].data["status"] == "stopped"
    assert ledger(running).outcome == "stopped"
    page = client.get(RUNNING).text
    assert "1 answer is stopped." in page
    assert running.answer not in page
    assert history(operator) == [f"Stopped the running answer of {bob.user.username}."]


def test_stop_all_ends_the_answers_of_all_workers(
    operator: Person, bob: Person, site2: Site, upstream: Upstream
) -> None:
    key = upstream.script([wire.role(), *wire.text("so"), wire.Stall()])
    streams = [client_of_worker(bob, site2, pid).chat(content=key) for pid in site2.worker_pids()]
    for stream in streams:
        stream.until("delta")
    assert len({owner_pid(stream) for stream in streams}) == 2
    client = operator.client_on(site2)
    assert client.post(STOP, data={"all": "1"}).status_code == 302
    for stream in streams:
        stream.read()
        assert ledger(stream).outcome == "stopped"
    assert len(history(operator)) >= 2


def test_whoever_may_only_look_stops_nothing(
    alice: Person, bob: Person, site2: Site, running: Stream
) -> None:
    looker = staff(alice, "view_usage").client_on(site2)
    row = row_of(looker.get(RUNNING).text, running.answer)
    assert "Stop" not in row
    for data in ({"answer": running.answer}, {"all": "1"}):
        assert looker.post(STOP, data=data).status_code == 403
    nobody = staff(alice, "view_quota", "view_user").client_on(site2)
    assert nobody.get(RUNNING).status_code == 403
    stranger = bob.client_on(site2)
    assert [
        stranger.get(RUNNING).status_code,
        stranger.post(STOP, data={"all": "1"}).status_code,
    ] == [302, 302]
    assert ledger(running).outcome == "running"
    assert history(alice) == []


def test_stopping_needs_a_press_on_the_button(operator: Person) -> None:
    client = visitor(operator.user, enforce_csrf_checks=True)
    assert client.get(STOP).status_code == 405
    assert client.post(STOP, {"all": "1"}).status_code == 403


def test_stopping_what_has_ended_is_said_and_no_error(operator: Person, site2: Site) -> None:
    client = operator.client_on(site2)
    for answer in (str(uuid4()), "nonsense", "\0"):
        assert client.post(STOP, data={"answer": answer}).status_code == 302
        assert "It had ended already." in client.get(RUNNING).text
    assert history(operator) == []


def test_a_stateless_answer_is_shown_and_stopped_like_any_other(
    operator: Person, bob: Person, site2: Site, upstream: Upstream
) -> None:
    key = upstream.script([wire.role(), *wire.text(WORDS), wire.Stall()])
    with bob.client_on(site2).chat({"messages": [{"role": "user", "content": key}]}) as stream:
        stream.until("delta")
        client = operator.client_on(site2)
        wait_until(
            lambda: (
                f"about {-(-len(WORDS) // 4)} " in row_of(client.get(RUNNING).text, stream.answer)
            )
        )
        client.post(STOP, data={"answer": stream.answer})
        stream.read()
    assert ledger(stream).outcome == "stopped"


@pytest.fixture
def lost(bob: Person) -> Iterator[Usage]:
    key = f"u:{bob.user.pk}"
    row = Usage.objects.create(
        answer=uuid4(),
        user=bob.user,
        owner_key=key,
        limit_key=key,
        model="m",
        worker=f"gone:17:{uuid4().hex[:8]}",
    )
    yield row
    row.delete()


def test_an_answer_whose_worker_is_lost_is_told_as_such(operator: Person, lost: Usage) -> None:
    row = row_of(visitor(operator.user).get(RUNNING).content.decode(), str(lost.answer))
    assert "gone:17 no sign of life" in row


def test_the_page_says_when_redis_does_not_answer(
    operator: Person, lost: Usage, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = redis_py.Redis(host="127.0.0.1", port=1, retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(redis_client, "client", lambda: away)
    text = visitor(operator.user).get(RUNNING).content.decode()
    assert "Redis does not answer" in text
    assert "no sign of life" not in row_of(text, str(lost.answer))


def test_the_page_keeps_itself_fresh_and_the_focus_where_it_is(
    operator: Person, bob: Person, site2: Site, upstream: Upstream, running: Stream, page: "Page"
) -> None:
    page.context.add_cookies(operator.cookies(site2))
    page.clock.install()
    page.goto(site2.url + RUNNING)
    stop = page.locator(f'tr[data-answer="{running.answer}"] button')
    stop.focus()
    key = upstream.script([wire.role(), *wire.text("so"), wire.Stall()])
    with bob.client_on(site2).chat(content=key) as second:
        second.until("delta")
        other = page.locator(f'tr[data-answer="{second.answer}"]')
        page.clock.run_for(REFRESHED_MS)
        other.wait_for()
        assert stop.evaluate("button => button === document.activeElement")
        bob.client_on(site2).stop(second.answer)
        page.clock.run_for(REFRESHED_MS)
        other.wait_for(state="detached")
        assert stop.evaluate("button => button === document.activeElement")
    bob.client_on(site2).stop(running.answer)
    page.clock.run_for(REFRESHED_MS)
    stop.wait_for(state="detached")
    assert page.evaluate("document.activeElement.closest('[data-table]') !== null")
