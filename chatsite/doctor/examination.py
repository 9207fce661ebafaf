"""Runs all checks in their order, each bounded in time."""

from collections.abc import Iterator
from functools import partial

import httpx2

from chatsite.doctor import (
    address,
    configuration,
    database,
    pages,
    proxy,
    redis_server,
    stream,
    upstream,
)
from chatsite.doctor.bounded import run
from chatsite.doctor.findings import Check, Finding, Level, fail

_SECONDS = 15.0
_OUTSIDE_SECONDS = 40.0


def examine(url: str, idle: int | None) -> Iterator[Finding]:
    """Yields findings about this machine, then about `url`.

    A check that fails does not keep the next from running, but nothing is asked of an address that
    does not answer. With `idle`, a stream that is silent for as many seconds is tried, too.
    """
    for module in (configuration, database, redis_server, upstream):
        yield from run(module.PART, module.check, _SECONDS)
    with address.browser_client(url) as client:
        yield from _outside(client, idle)


def _outside(client: httpx2.Client, idle: int | None) -> Iterator[Finding]:
    found = list(_asked(address.PART, partial(address.check, client)))
    yield from found
    if any(finding.part == address.PART and finding.level == Level.FAIL for finding in found):
        return
    yield from _asked("headers", partial(pages.check, client))
    yield from _asked(stream.PART, partial(_stream, client))
    if idle is not None:
        yield from _asked("idle", partial(stream.check_idle, client, idle), idle)


def _asked(part: str, check: Check, more_seconds: int = 0) -> Iterator[Finding]:
    """Runs a check over HTTP; an error of its connection becomes a finding."""

    def guarded() -> Iterator[Finding]:
        try:
            yield from check()
        except httpx2.RequestError as error:
            yield fail(
                part,
                f"a request failed ({type(error).__name__}): {error}",
                "See the log of the proxy, then the site's.",
            )

    return run(part, guarded, _OUTSIDE_SECONDS + more_seconds)


def _stream(client: httpx2.Client) -> Iterator[Finding]:
    findings, seen = stream.check(client)
    yield from findings
    if seen:
        yield from proxy.check(seen, client.base_url)
