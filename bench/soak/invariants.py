"""What must be true after a soak.

It is checked of every answer, the ledger, Redis, the upstream and the processes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import redis

from bench import measure
from bench.soak.visitor import Reading
from tests.harness.apart import Apart

# A worker that has served has warm caches and idle connections; hundreds of leaks would be more
# than this.
MORE_BYTES = 48 * 1024 * 1024
MORE_THREADS = 10
MORE_DESCRIPTORS = 40
_MAX_TTL_SECONDS = 3600
# The one key of the whole site: the version of its quotas and models.
_FOR_EVER = {"chatsite:configuration"}


@dataclass(frozen=True)
class Footprint:
    """Holds what a worker takes of the machine."""

    rss_bytes: int
    threads: int
    descriptors: int


def footprint(pid: int) -> Footprint:
    return Footprint(
        measure.rss_bytes(pid), measure.threads(pid), len(list(Path(f"/proc/{pid}/fd").iterdir()))
    )


def largest(apart: Apart) -> Footprint:
    """Returns the largest of each figure over all workers."""
    found = [footprint(pid) for pid in apart.site.worker_pids()]
    return Footprint(
        max(one.rss_bytes for one in found),
        max(one.threads for one in found),
        max(one.descriptors for one in found),
    )


def of_processes(before: Footprint, now: Footprint) -> Iterator[str]:
    for name, allowed in (
        ("rss_bytes", MORE_BYTES),
        ("threads", MORE_THREADS),
        ("descriptors", MORE_DESCRIPTORS),
    ):
        grown = getattr(now, name) - getattr(before, name)
        if grown > allowed:
            yield f"{name} of a worker: {getattr(before, name)} before, {getattr(now, name)} after"


# --- Answers ------------------------------------------------------------------


def of_answers(apart: Apart, readings: Iterable[Reading]) -> Iterator[str]:
    """Yields where what a reader saw differs from what is stored."""
    for reading in readings:
        rows = apart.rows(
            "SELECT outcome FROM chat_usage WHERE answer = ?", UUID(reading.answer).hex
        )
        if len(rows) != 1:
            yield f"answer {reading.answer} has {len(rows)} rows in the ledger"
        elif reading.status is not None and rows[0][0] != reading.status:
            yield (
                f"answer {reading.answer} was told as {reading.status} and is {rows[0][0]} in the"
                " ledger"
            )
        if reading.stored:
            yield from (f"answer {reading.answer}: {words}" for words in _of_text(apart, reading))


def _of_text(apart: Apart, reading: Reading) -> Iterator[str]:
    status, stored, error = apart.answer(reading.answer)
    seen, sent = reading.text, reading.plan.text
    was_lost = error == "worker_lost"
    if not sent.startswith(stored) or (status == "complete" and stored != sent):
        yield (
            f"it is {status}, and {len(stored)} characters are stored of {len(sent)} sent, or"
            " others"
        )
    if reading.cursor is None:
        yield from _of_part(seen, stored, was_lost)
        return
    if status != reading.status or ([error] if error else []) != reading.errors[-1:]:
        yield f"it was told as {reading.status} {reading.errors} and is stored as {status} {error}"
    told = seen.encode()[: reading.cursor].decode(errors="replace")
    if told != stored or (len(seen) > len(told) and not was_lost):
        yield (
            f"{len(seen)} characters were read, {len(told)} of them up to the end's cursor, and"
            f" {len(stored)} are stored"
        )
    if reading.stop_said is not None and reading.stop_said != {"status": status, "content": stored}:
        yield (
            f"the stop said {reading.stop_said['status']} and {len(reading.stop_said['content'])}"
            f" characters; it is {status}"
        )


def _of_part(seen: str, stored: str, was_lost: bool) -> Iterator[str]:
    """Yields what is wrong with the part that a reader saw who left before the end."""
    # Where a worker was killed the contract allows that the end of the text is not stored.
    if not (stored.startswith(seen) or (was_lost and seen.startswith(stored))):
        yield (
            f"the {len(seen)} characters that were read are not the beginning of the"
            f" {len(stored)} stored"
        )


# --- Stores -------------------------------------------------------------------


def of_ledger(apart: Apart) -> Iterator[str]:
    """Yields answers that still run, or have not exactly one row."""
    counts = {
        "rows of the ledger are still running": (
            "SELECT count(*) FROM chat_usage WHERE outcome = 'running'"
        ),
        "answers are still streaming": (
            "SELECT count(*) FROM chat_message WHERE status = 'streaming'"
        ),
        "answers have more than one row in the ledger": (
            "SELECT count(*) - count(DISTINCT answer) FROM chat_usage"
        ),
        "answers have no row in the ledger": (
            "SELECT count(*) FROM chat_message WHERE role = 'assistant'"
            " AND id NOT IN (SELECT answer FROM chat_usage)"
        ),
        "answers are not what the ledger says": (
            "SELECT count(*) FROM chat_message JOIN chat_usage ON answer = chat_message.id"
            " WHERE outcome != chat_message.status"
        ),
    }
    for words, query in counts.items():
        ((count,),) = apart.rows(query)
        if count:
            yield f"{count} {words}"


def of_redis(apart: Apart) -> Iterator[str]:
    """Yields what is left in Redis without an answer.

    That is slots, reservations, and keys that would never expire.
    """
    with redis.Redis.from_url(apart.valkey.url) as client:
        for key in client.scan_iter("*"):
            name, ttl = key.decode(), client.ttl(key)
            count = (
                client.zcard(key)
                if name.endswith(":slots")
                else client.hlen(key)
                if name.endswith(":reserved")
                else 0
            )
            if count:
                yield f"{count} left in {name}"
            if name not in _FOR_EVER and (
                ttl == -1 or (name.startswith("chatsite:{") and ttl > _MAX_TTL_SECONDS)
            ):
                yield f"{name} expires in {ttl} s (-1 is never)"


def of_log(log: str) -> Iterator[str]:
    """Yields errors in the log: a fault that was handled is a warning at most."""
    for line in log.splitlines():
        if line.startswith("Traceback") or " ERROR " in line:
            yield f"in the log: {line}"
