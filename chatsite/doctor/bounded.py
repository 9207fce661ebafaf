"""Runs a check so that nothing, not even silence, keeps the others from running."""

from collections.abc import Iterator
from queue import Empty, Queue
from threading import Thread
from time import monotonic

from django.db import connections

from chatsite.doctor.findings import Check, Finding, fail


def run(part: str, check: Check, seconds: float) -> Iterator[Finding]:
    """Yields what the check finds, as it finds it.

    Where the check raises, or takes longer than `seconds`, the last finding is a failure that says
    so.
    """
    found: Queue[Finding | None] = Queue()
    # A daemon, since a check that hangs must not keep the command from ending.
    Thread(target=_collect, args=(part, check, found), daemon=True).start()
    deadline = monotonic() + seconds
    try:
        while (finding := found.get(timeout=max(0.0, deadline - monotonic()))) is not None:
            yield finding
    except Empty:
        yield fail(
            part,
            f"no end after {seconds:.0f} s",
            "Something does not answer: see whether it is overloaded or a firewall drops packets.",
        )


def _collect(part: str, check: Check, found: "Queue[Finding | None]") -> None:
    try:
        for finding in check():
            found.put(finding)
    except Exception as error:  # the other checks are to run all the same
        found.put(
            fail(part, f"the check itself broke ({type(error).__name__})", "Please report this.")
        )
    finally:
        connections.close_all()
        found.put(None)
