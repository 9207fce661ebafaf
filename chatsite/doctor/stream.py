"""Checks that a stream arrives through the public address as it is sent."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import httpx2
import msgspec
from django.urls import reverse

from chat.answers.live_answer import PING_SECONDS
from chat.upstream.event_stream import EventDecoder
from chat.web.probe import make_token
from chatsite.doctor.findings import Finding, fail, ok, warn

PART = "stream"
# From the range for documentation (RFC 5737): no client has it, so a site that sees it has believed
# the header.
FORGED_ADDRESS = "203.0.113.9"
_PAUSES = [0.5, 0.5, 0.5]
_MARGIN_SECONDS = 10.0


@dataclass
class Reading:
    """Holds one probe as it arrived.

    `arrivals` are in seconds since its first event; `silent_for` is the silence, in seconds, before
    it was over.
    """

    status: int
    headers: httpx2.Headers
    arrivals: list[float] = field(default_factory=list)
    seen: dict[str, Any] = field(default_factory=dict)
    ended: bool = False
    silent_for: float = 0.0


def read(client: httpx2.Client, pauses: list[float]) -> Reading:
    """Returns a probe with these pauses (seconds), read to its end or to where it is cut."""
    headers = {
        "Authorization": f"Bearer {make_token(pauses)}",
        "Accept-Encoding": "gzip",
        "X-Forwarded-For": FORGED_ADDRESS,
    }
    timeout = max(pauses) + _MARGIN_SECONDS
    with client.stream("GET", reverse("api_probe"), headers=headers, timeout=timeout) as response:
        reading = Reading(response.status_code, response.headers)
        if response.status_code == 200:
            _read_events(response, reading)
    return reading


def _read_events(response: httpx2.Response, reading: Reading) -> None:
    decoder = EventDecoder()
    begin = last = monotonic()
    try:
        for data in response.iter_bytes():
            for event in decoder.feed(data):
                last = monotonic()
                begin = begin if reading.arrivals else last
                _note(event, last - begin, reading)
    except (httpx2.TransportError, httpx2.DecodingError):
        pass  # cut, which `ended` says
    reading.silent_for = monotonic() - last


def _note(event: bytes, at: float, reading: Reading) -> None:
    if event == b"[DONE]":
        reading.ended = True
        return
    if not reading.arrivals:
        with contextlib.suppress(msgspec.DecodeError):
            reading.seen = msgspec.json.decode(event)
    reading.arrivals.append(at)


def check(client: httpx2.Client) -> tuple[list[Finding], dict[str, Any]]:
    """Returns what is wrong with a short stream, and what the site saw of the request.

    The latter is empty where the stream did not come.
    """
    reading = read(client, _PAUSES)
    if refusal := _refusal(reading):
        return [refusal], {}
    return (
        list(_judged(reading)) or [ok(PART, "frames arrive one by one, uncompressed")],
        reading.seen,
    )


def _refusal(reading: Reading) -> Finding | None:
    if reading.status == 404:
        return fail(
            PART,
            "the site does not know this command's token",
            "Run doctor with the settings of the site at that address: SECRET_KEY, DATA_DIR.",
        )
    if reading.status != 200 or not reading.seen:
        return fail(
            PART,
            f"the probe answers {reading.status} without a stream",
            "Have the proxy pass /api/ on as it is; see the site's log.",
        )
    return None


def _judged(reading: Reading) -> Iterator[Finding]:
    if not reading.ended:
        yield fail(
            PART,
            "it is cut before its end",
            "See the proxy's log and its time limits (proxy_read_timeout 75s;).",
        )
    elif reading.arrivals[-1] < sum(_PAUSES) / 2:
        yield fail(
            PART,
            "frames arrive all at once",
            "Switch buffering off: proxy_buffering off; (deploy/nginx.conf).",
        )
    if encoding := reading.headers.get("Content-Encoding"):
        yield fail(
            PART,
            f"it is compressed ({encoding})",
            "Keep text/event-stream out of compression: gzip off; for /api/ (deploy/nginx.conf).",
        )
    if not reading.headers.get("Content-Type", "").startswith("text/event-stream"):
        yield fail(
            PART,
            f"its type is {reading.headers.get('Content-Type')}",
            "Something on the way rewrites answers: switch that off for /api/.",
        )


def check_idle(client: httpx2.Client, seconds: float) -> Iterator[Finding]:
    """Yields whether a stream that is silent for `seconds` is cut.

    The site itself is never silent for longer than PING_SECONDS.
    """
    reading = read(client, [seconds])
    if refusal := _refusal(reading):
        yield refusal
    elif reading.ended:
        yield ok("idle", f"a stream survives {seconds:g} s of silence")
    else:
        text = (
            f"a stream is cut after {reading.silent_for:.0f} s of silence; the site says something"
            f" every {PING_SECONDS} s"
        )
        enough = reading.silent_for >= 2 * PING_SECONDS
        level = warn if enough else fail
        yield level(
            "idle",
            text,
            "Raise the time-out of every proxy on the way: proxy_read_timeout 75s;"
            " (deploy/nginx.conf).",
        )
