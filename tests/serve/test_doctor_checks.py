"""The doctor's checks one by one: what it believes, what misbehaves, and the probe."""

from collections.abc import Callable, Iterator
from ipaddress import ip_network
from threading import Event
from time import time
from typing import TYPE_CHECKING, Any

import httpx2
import msgspec
import pytest
from django.core import signing
from pytest_django import Settings

from chat.web import probe
from chatsite.doctor import bounded, proxy
from chatsite.doctor.findings import Check, Finding, ok
from tests.harness.site import Site

if TYPE_CHECKING:
    from tests.conftest import StartSite


FORGED = "203.0.113.9"


# --- What is believed of a client -------------------------------------------------


def judged(settings: Settings, url: str, trusted: str, **seen: Any) -> Finding:
    settings.TRUSTED_PROXIES = [ip_network(trusted)] if trusted else []
    settings.PORT = 8000
    host = httpx2.URL(url)
    return next(proxy.check({"scheme": host.scheme, "host": host.host, **seen}, host))


@pytest.mark.parametrize(
    ("url", "trusted", "peer", "client", "forwarded", "level", "text"),
    [
        ("http://a.example", "", FORGED, FORGED, FORGED, "FAIL", "--no-proxy-headers"),
        (
            "http://a.example",
            "10.0.0.0/8",
            "10.0.0.1",
            FORGED,
            f"{FORGED}, 10.1.1.1",
            "FAIL",
            "from 10.1.1.1, which TRUSTED_PROXIES names",
        ),
        (
            "http://a.example",
            "127.0.0.1",
            "127.0.0.1",
            FORGED,
            f"{FORGED}, 127.0.0.1",
            "warn",
            "run doctor on another machine",
        ),
        (
            "http://127.0.0.1:8000",
            "127.0.0.1",
            "127.0.0.1",
            FORGED,
            FORGED,
            "warn",
            "asked past the proxy",
        ),
        (
            "http://a.example",
            "127.0.0.1",
            "127.0.0.1",
            "127.0.0.1",
            "",
            "FAIL",
            "Have the proxy say it",
        ),
        ("http://a.example", "", None, "0.0.0.0", FORGED, "FAIL", "Set TRUSTED_PROXIES=127.0.0.1"),
        (
            "http://127.0.0.1:9000",
            "",
            "127.0.0.1",
            "127.0.0.1",
            FORGED,
            "FAIL",
            "no proxy, give doctor the PORT",
        ),
        (
            "http://a.example",
            "127.0.0.1",
            None,
            "198.51.100.7",
            "198.51.100.7",
            "ok",
            "this machine is 198.51.100.7",
        ),
        (
            "http://a.example:8000",
            "",
            "198.51.100.7",
            "198.51.100.7",
            FORGED,
            "ok",
            "this machine is 198.51.100.7",
        ),
    ],
    ids=[
        "uvicorn believes",
        "too wide",
        "appended",
        "past the proxy",
        "kept back",
        "socket",
        "another port",
        "good",
        "no proxy",
    ],
)
def test_what_the_site_saw_is_judged(
    settings: Settings,
    url: str,
    trusted: str,
    peer: str | None,
    client: str,
    forwarded: str,
    level: str,
    text: str,
) -> None:
    finding = judged(settings, url, trusted, peer=peer, client=client, forwarded_for=forwarded)
    assert (finding.level, text in str(finding)) == (level, True), str(finding)


# --- A check that misbehaves ------------------------------------------------------


def test_a_check_that_breaks_or_hangs_keeps_what_it_found_and_is_a_line_itself() -> None:
    forever = Event()

    def checking(then: Callable[[], object]) -> Check:
        def check() -> Iterator[Finding]:
            yield ok("part", "so far")
            then()

        return check

    broken = list(bounded.run("part", checking(lambda: {"": 0}["x"]), 5))
    assert [str(finding) for finding in broken] == [
        "ok    part: so far",
        "FAIL  part: the check itself broke (KeyError). Please report this.",
    ]
    hanging = [str(finding) for finding in bounded.run("part", checking(forever.wait), 0.2)]
    forever.set()
    assert hanging[0] == "ok    part: so far"
    assert hanging[1].startswith("FAIL  part: no end after")


def test_a_finding_is_one_line_whatever_a_driver_says() -> None:
    assert (
        str(ok("database", "connection failed:\n\tis it  running?\n"))
        == "ok    database: connection failed: is it running?"
    )


# --- The probe --------------------------------------------------------------------


def ask(site: Site, token: str) -> httpx2.Response:
    return httpx2.get(
        f"{site.url}/api/probe",
        headers={"Authorization": f"Bearer {token}"},
        timeout=10,
        trust_env=False,
    )


def test_the_probe_is_not_there_without_a_token_of_this_site(site: Site) -> None:
    other = signing.dumps([0], salt="chat.setup")
    foreign = signing.dumps([0], key="z" * 50, salt="chat.web.probe")
    unknown = httpx2.get(f"{site.url}/api/no-such-thing", trust_env=False)
    for token in ("none", "x:y:z", other, foreign):
        answer = ask(site, token)
        assert (answer.status_code, answer.json()) == (404, unknown.json())


def test_a_token_of_the_probe_is_good_for_a_minute(
    monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    now = time()
    monkeypatch.setattr("django.core.signing.time.time", lambda: now - probe.MAX_AGE_SECONDS - 5)
    old = probe.make_token([0])
    monkeypatch.undo()
    assert ask(site, old).status_code == 404
    assert ask(site, probe.make_token([0])).status_code == 200


def test_the_probe_says_what_it_saw_and_ends(site: Site) -> None:
    answer = ask(site, probe.make_token([0, 0]))
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["x-accel-buffering"] == "no"
    first, *frames = answer.text.split("\n\n")
    seen = msgspec.json.decode(first.partition("data: ")[2])
    assert seen == {
        "peer": "127.0.0.1",
        "client": "127.0.0.1",
        "scheme": "http",
        "host": f"127.0.0.1:{site.port}",
        "forwarded_for": "",
    }
    assert frames == [
        'event: frame\ndata: {"after":0}',
        'event: frame\ndata: {"after":0}',
        "data: [DONE]",
        "",
    ]


def test_a_probe_does_not_hold_up_a_stop(start_site: "StartSite") -> None:
    site = start_site()
    headers = {"Authorization": f"Bearer {probe.make_token([60])}"}
    with httpx2.stream(
        "GET", f"{site.url}/api/probe", headers=headers, timeout=30, trust_env=False
    ) as answer:
        body = answer.iter_text()
        assert next(body).startswith("event: seen")
        site.terminate()
        assert "".join(body) == ""
        site.process.wait(8)
