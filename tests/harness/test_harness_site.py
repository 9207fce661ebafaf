"""The site processes, the client and the people that other tests stand on."""

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page

from chat.models import Quota
from tests.harness.client import Client
from tests.harness.environment import API_KEY
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.sse import Decoder
from tests.harness.upstream import Upstream
from tests.harness.valkey import Valkey

if TYPE_CHECKING:
    from tests.conftest import MakeUser, StartSite


def test_site_answers_and_its_output_is_kept(site: Site) -> None:
    with Client(site.url) as client:
        assert client.get("/healthz").status_code == 200
    assert "Uvicorn running" in site.log()


def test_two_workers_are_two_processes(site2: Site) -> None:
    assert len(set(site2.worker_pids())) == 2
    assert site2.process.pid not in site2.worker_pids()


@pytest.mark.parametrize("workers", [1, 2])
def test_site_ends_cleanly_on_sigterm_and_leaves_no_process(
    start_site: "StartSite", workers: int
) -> None:
    site = start_site(workers=workers)
    pids = site.worker_pids()
    site.stop()
    assert not any(os.path.exists(f"/proc/{pid}") for pid in pids)


def test_site_that_cannot_start_says_why(start_site: "StartSite") -> None:
    with pytest.raises(AssertionError, match="RESUME_GRACE_SECONDS"):
        start_site(RESUME_GRACE_SECONDS="soon")


def test_killed_worker_is_gone_and_replaced(start_site: "StartSite") -> None:
    site = start_site(workers=2)
    killed = site.worker_pids()[0]
    site.kill9(killed)
    site.wait_for_workers(without=killed)
    assert killed not in site.worker_pids()


def test_people_have_accounts_and_quotas_of_their_own(
    alice: Person, bob: Person, make_user: "MakeUser"
) -> None:
    carol = make_user("carol", requests="10/m", concurrent_streams=1)
    assert len({alice.user.pk, bob.user.pk, carol.user.pk}) == 3
    assert Quota.objects.for_requester(carol.requester) == carol.quota
    assert Quota.objects.for_requester(alice.requester) == alice.quota
    assert alice.user.check_password(alice.password)


def test_persons_client_is_signed_in_on_any_site(alice: Person, site2: Site) -> None:
    for client in (alice.client, alice.client_on(site2)):
        assert client.get("/api/limits").status_code == 200


def test_form_signs_in_too(alice: Person, site: Site) -> None:
    with Client(site.url) as client:
        assert client.sign_in(alice.user.username, alice.password).status_code == 302
        assert client.get("/api/limits").status_code == 200


def test_chat_streams_events_from_the_upstream(alice: Person, upstream: Upstream) -> None:
    key = upstream.key()
    with alice.client.chat(content=f"Hello {key}", conversation=None, parent=None) as stream:
        events = stream.read()
    assert (stream.status, stream.ended, stream.rest) == (200, True, b"")
    assert events[0].name == "start"
    assert stream.text == "Hello from the fake model."
    assert upstream.requests(key)[0].headers["authorization"] == f"Bearer {API_KEY}"


def test_streams_of_one_client_run_side_by_side(alice: Person, upstream: Upstream) -> None:
    texts: list[str] = []
    client = alice.client

    def ask() -> None:
        with client.chat(content="Hello", conversation=None, parent=None) as stream:
            stream.read()
            texts.append(stream.text)

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert texts == ["Hello from the fake model."] * 5


def test_valkey_of_a_tests_own_can_be_stopped_and_started_empty(
    start_valkey: Callable[[], Valkey],
) -> None:
    import redis

    valkey = start_valkey()
    with redis.Redis.from_url(valkey.url) as client:
        client.set("key", "value")
        valkey.stop()
        with pytest.raises(redis.ConnectionError):
            client.get("key")
        valkey.start()
        assert client.get("key") is None


def test_page_of_a_signed_in_browser_is_theirs(page: Page, alice: Person, site: Site) -> None:
    page.context.add_cookies(alice.cookies(site))
    answer = page.goto(f"{site.url}/api/limits")
    assert answer is not None
    assert answer.status == 200


def test_browser_sees_the_site_and_async_tests_still_run(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/healthz")
    assert page.inner_text("body").strip() == "ok"


async def test_async_test_runs_after_the_browser(upstream: Upstream) -> None:
    assert upstream.port


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_decoder_reads_events_from_bytes_cut_anywhere(size: int) -> None:
    delta = 'event: delta\nid: 4\ndata: {"text":"é\\n"}\n\n'
    data = f": hi\r\n\r\n{delta}data: [DONE]\n\ndata: half".encode()
    decoder = Decoder()
    events = [
        event
        for start in range(0, len(data), size)
        for event in decoder.feed(data[start : start + size])
    ]
    assert [event.name for event in events] == ["comment", "delta", "message"]
    assert (events[1].id, events[1].data["text"], events[2].is_end) == ("4", "é\n", True)
    assert decoder.rest == b"data: half"


def test_decoder_refuses_a_field_that_is_none() -> None:
    with pytest.raises(ValueError, match="no field"):
        Decoder().feed(b"dta: x\n\n")
