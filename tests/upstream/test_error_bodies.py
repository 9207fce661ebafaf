"""Whatever an upstream sends that is no answer is read no further, and holds no worker up."""

import gzip
import os
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any

import httpx2
import pytest

from chat.errors import CONTEXT_LENGTH
from chat.upstream.client import make_client, offered_models
from tests.harness import wire
from tests.harness.answers import message
from tests.harness.client import Client
from tests.harness.ends import check_end, whole
from tests.harness.environment import Environment
from tests.harness.people import Person
from tests.harness.site import ROOT, Site
from tests.harness.upstream import Upstream

MIB = 1024 * 1024
# What a worker may grow by in these tests: its own work, and what 64 kB of a body take.
MOST_GROWTH_MIB = 40
HEALTHY_SECONDS = 2.0
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def patient(environment: Environment, db_ready: None) -> Iterator[Site]:
    """A site that asks once, and is patient: what ends early is not ended by its timeouts."""
    site = environment.start_site(
        UPSTREAM_RETRIES="0",
        UPSTREAM_FIRST_TOKEN_SECONDS=str(PATIENCE_SECONDS),
        UPSTREAM_IDLE_SECONDS=str(PATIENCE_SECONDS),
    )
    yield site
    site.stop()


@pytest.fixture
def client(person: Person, patient: Site) -> Client:
    return person.client_on(patient)


@cache
def bomb(size: int = 2048 * MIB) -> bytes:
    """About 2 MB of gzip that unfold to 2 GB."""
    packer = zlib.compressobj(9, wbits=31)
    zeros = bytes(MIB)
    return b"".join(packer.compress(zeros) for _ in range(size // MIB)) + packer.flush()


def head(status: int, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} Status", *headers, "", ""]).encode()


def peak_mib(pid: int) -> float:
    """The most memory that the process has had since `forget_peak`."""
    status = Path(f"/proc/{pid}/status").read_text()
    return (
        int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
        / 1024
    )


def forget_peak(pid: int) -> float:
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return peak_mib(pid)


def slowest_health(site: Site, until: "Any") -> float:
    """The longest that /healthz took while `until` was not done; seconds."""
    slowest = 0.0
    while not until.done():
        began = monotonic()
        assert httpx2.get(f"{site.url}/healthz", timeout=30, trust_env=False).status_code == 200
        slowest = max(slowest, monotonic() - began)
    return slowest


JSON_HEAD = b'{"error": {"code": "context_length_exceeded", "message": "'
BODIES: dict[str, Callable[[], wire.Script]] = {
    "200 MB": lambda: [
        wire.Raw(head(400, f"content-length: {200 * MIB}") + JSON_HEAD),
        wire.Raw(b"x" * MIB, 200),
    ],
    "200 MB of a 503": lambda: [
        wire.Raw(head(503, f"content-length: {200 * MIB}")),
        wire.Raw(b"x" * MIB, 200),
    ],
    "200 MB of a redirect": lambda: [
        wire.Raw(head(302, "location: /", f"content-length: {200 * MIB}")),
        wire.Raw(b"x" * MIB, 200),
    ],
    "chunks without end": lambda: [
        wire.Raw(head(400, "transfer-encoding: chunked")),
        wire.Raw(b"%x\r\n%s\r\n" % (MIB, b"x" * MIB), 200),
    ],
    "gzip": lambda: [wire.Http(400, bomb(), {"content-encoding": "gzip"})],
    "gzip of a 429": lambda: [wire.Http(429, bomb(), {"content-encoding": "gzip"})],
    "deflate": lambda: [wire.Http(500, bomb()[10:-8], {"content-encoding": "deflate"})],
    "two layers": lambda: [
        wire.Http(400, gzip.compress(bomb()), {"content-encoding": "gzip, gzip"})
    ],
    "frames that unfold": lambda: [
        wire.Http(200, bomb(), {"content-type": "text/event-stream", "content-encoding": "gzip"}),
    ],
    "headers": lambda: [
        wire.Raw(b"HTTP/1.1 400 Status\r\n"),
        wire.Raw(b"x-filler: " + b"y" * 4000 + b"\r\n", 10_000),
    ],
    "one header": lambda: [
        wire.Raw(b"HTTP/1.1 400 Status\r\nx-filler: "),
        wire.Raw(b"y" * MIB, 100),
    ],
}


@pytest.mark.parametrize("name", BODIES)
def test_memory_stays_flat_and_the_worker_answers_meanwhile(
    client: Client, upstream: Upstream, patient: Site, slug: str, name: str
) -> None:
    key = upstream.script(BODIES[name]())
    whole(client.chat(content=upstream.key()))
    (pid,) = patient.worker_pids()
    before = forget_peak(pid)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(lambda: whole(client.chat(content=key, model=slug)))
        slowest = slowest_health(patient, asked)
    stream = asked.result()
    assert stream.named("error")
    assert peak_mib(pid) - before < MOST_GROWTH_MIB
    assert slowest < HEALTHY_SECONDS
    # The rest is not waited for: the connection is closed.
    assert upstream.requests(key)[0].bytes_sent < 100 * MIB or name == "one header"


def test_what_is_read_of_a_large_body_still_says_what_is_wrong(
    client: Client, upstream: Upstream, slug: str
) -> None:
    key = upstream.script(BODIES["200 MB"]())
    stream = whole(client.chat(content=key, model=slug))
    assert message(stream).error_reason == CONTEXT_LENGTH


def test_compressed_error_is_read(client: Client, upstream: Upstream, slug: str) -> None:
    body = gzip.compress(b'{"error": {"code": "insufficient_quota"}}')
    key = upstream.script([wire.Http(400, body, {"content-encoding": "gzip"})])
    assert "credit" in whole(client.chat(content=key, model=slug)).named("error")[0]["message"]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "raw deflate", "x-gzip", "identity"])
def test_compressed_stream_is_read_whole(
    client: Client, upstream: Upstream, slug: str, coding: str
) -> None:
    data = wire.joined(wire.answer("compressed", " all", " the same"))
    packed = {
        "gzip": gzip.compress(data),
        "x-gzip": gzip.compress(data),
        "deflate": zlib.compress(data),
        "raw deflate": zlib.compress(data)[2:-4],
        "identity": data,
    }[coding]
    headers = {"content-type": "text/event-stream", "content-encoding": coding.removeprefix("raw ")}
    key = upstream.script([wire.Http(200, packed, headers)])
    assert whole(client.chat(content=key, model=slug)).text == "compressed all the same"


DRIP: wire.Script = [wire.Raw(b"x"), wire.Pause(0.5)]
DRIPS: dict[str, wire.Script] = {
    "a byte at a time": [wire.Raw(head(400, "content-length: 1000")), *DRIP * 120],
    "nothing at all": [wire.Raw(head(400, "content-length: 1000")), wire.Stall()],
}


@pytest.mark.parametrize("name", DRIPS)
def test_body_that_drips_holds_up_nobody_for_long(
    client: Client, upstream: Upstream, slug: str, name: str
) -> None:
    key = upstream.script(DRIPS[name])
    began = monotonic()
    stream = whole(client.chat(content=key, model=slug))
    assert monotonic() - began < PATIENCE_SECONDS / 2
    assert stream.named("error")[0]["code"] == "upstream_rejected"
    upstream.wait_for_close(upstream.requests(key)[0])


CUTS: dict[str, wire.Step] = {
    "reset": wire.Reset(),
    "closed": wire.Cut(),
    "bad chunks": wire.Raw(b"zz\r\n"),
}


@pytest.mark.parametrize("name", CUTS)
def test_retry_after_counts_where_the_body_behind_it_is_cut(
    alice: Person, upstream: Upstream, slug: str, name: str
) -> None:
    framing = "transfer-encoding: chunked" if name == "bad chunks" else "content-length: 1000"
    body = b"" if name == "bad chunks" else b'{"error": '
    key = upstream.script(
        [wire.Raw(head(429, "retry-after: 2", framing) + body), wire.Pause(0.2), CUTS[name]],
        wire.answer("at last"),
    )
    stream = whole(alice.client.chat(content=key, model=slug))
    assert stream.text == "at last"
    (status,) = stream.named("status")
    assert (status["reason"], status["retry_in"] >= 2) == ("upstream_rate_limited", True)
    first, second = upstream.requests(key)
    assert second.received_at - first.received_at >= 2


# --- Framing that is none -------------------------------------------------------

CHUNKED = head(200, "content-type: text/event-stream", "transfer-encoding: chunked")
FRAMING = {
    "no number": b"zz\r\nhello\r\n",
    "negative": b"-5\r\nhello\r\n",
    "no chunks": b"data: {}\n\n",
    "too large a number": b"fffffffffffffffff\r\nhello",
    "no line end behind the data": b"5\r\nhelloXX",
    "a second status line": b"HTTP/1.1 200 OK\r\n\r\n",
}


@pytest.mark.parametrize("name", FRAMING)
@pytest.mark.parametrize("said", ["", "some"], ids=["before any text", "after some"])
def test_body_that_is_no_chunked_one_ends_at_once(
    client: Client, upstream: Upstream, slug: str, name: str, said: str
) -> None:
    text = wire.joined(wire.text(said)) if said else b""
    chunk = b"%x\r\n%s\r\n" % (len(text), text) if said else b""
    key = upstream.script(
        [wire.Raw(CHUNKED + chunk), wire.Pause(0.2), wire.Raw(FRAMING[name]), wire.Stall()]
    )
    began = monotonic()
    stream = whole(client.chat(content=key, model=slug))
    assert monotonic() - began < 5
    check_end(stream, client, upstream, "interrupted" if said else "failed", "upstream_cut")
    assert stream.text == said


def test_kept_connection_is_used_again_without_leaving_anything_behind(
    client: Client, upstream: Upstream, slug: str
) -> None:
    made = None
    for _ in range(5):
        key = upstream.script(wire.answer("fine"))
        assert whole(client.chat(content=key, model=slug)).text == "fine"
        made = made or upstream.connections_made
    assert upstream.connections_made == made


# --- The list of models ---------------------------------------------------------

LISTS = {
    "200 MB": lambda: wire.Http(200, b'{"data": [' + b" " * (200 * MIB)),
    "gzip": lambda: wire.Http(200, bomb(), {"content-encoding": "gzip"}),
    "gzip of a 400": lambda: wire.Http(400, bomb(), {"content-encoding": "gzip"}),
    "200 MB of a 401": lambda: wire.Http(401, b" " * (200 * MIB)),
}


# Prints the refusal's status, and by how many kB the process grew.
ASK_FOR_THE_LIST = """
import asyncio, re, django
django.setup()
from chat.upstream.client import ModelListUnavailable, make_client, offered_models
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read()).group(1))
async def main():
    async with make_client() as client:
        before = peak()
        try:
            await offered_models(client)
        except ModelListUnavailable as refused:
            print(refused.status, peak() - before)
asyncio.run(main())
"""


@pytest.mark.parametrize("name", LISTS)
def test_list_of_models_is_bounded_too(environment: Environment, name: str) -> None:
    with Upstream() as server:
        server.models = LISTS[name]()
        env = {**os.environ, **environment.settings(), "OPENAI_BASE_URL": server.url}
        asked = subprocess.run(
            [sys.executable, "-c", ASK_FOR_THE_LIST],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
        )
    status, grown = asked.stdout.split()
    assert status == ("None" if server.models.status == 200 else str(server.models.status))
    assert int(grown) / 1024 < MOST_GROWTH_MIB


async def test_long_list_of_models_is_read_whole(settings: Any) -> None:
    names = [f"provider/model-{number}" for number in range(10_000)]
    with Upstream() as server:
        rows = [{"id": name, "object": "model", "created": 0, "owned_by": "fake"} for name in names]
        server.models = wire.Http(200, {"object": "list", "data": rows})
        settings.OPENAI_BASE_URL = server.url
        async with make_client() as client:
            assert await offered_models(client) == names
