"""Compares what Redis has reserved with the running answers of the ledger.

Blocks on both; changes nothing. There are no counters to compare: what was spent is in the ledger
alone. What can differ are the slots and reservations of running answers, and the answers
themselves.
"""

from collections.abc import Iterator
from time import sleep

from chat import redis_client
from chat.limits import budgets, leases, reader_leases, reservations
from chat.models import Message, Usage


def persistent_differences(seconds: float) -> list[str]:
    """Returns in words the differences that are there now and still are after `seconds`.

    Turns begin and end during a look. Raises `chat.redis_client.REDIS_ERRORS` and Django's database
    errors.
    """
    first = set(differences())
    if not first:
        return []
    sleep(seconds)
    return sorted(first.intersection(differences()))


def differences() -> Iterator[str]:
    """Yields in words each difference that one look finds."""
    subjects = (
        subject
        for subject in leases.subjects(redis_client.client())
        if not subject.startswith(reader_leases.SUBJECT_PREFIX)
    )
    reserved = {
        subject: leases.reservations(redis_client.client(), subject) for subject in subjects
    }
    rows = list(budgets.running(None))
    for row in rows:
        yield from _of_row(row, reserved)
    running = {str(row.answer) for row in rows}
    for subject, theirs in reserved.items():
        for answer in sorted(theirs.keys() - running):
            yield (
                f"{subject}: a reservation for answer {answer}, which the ledger does not have as"
                " running"
            )
    yield from _of_messages()


def _of_row(row: Usage, reserved: dict[str, dict[str, str]]) -> Iterator[str]:
    expected = reservations.lease_of(row).reserved
    for subject in (row.limit_key, reservations.SITE):
        found = reserved.get(subject, {}).get(str(row.answer))
        if found is None:
            yield f"{subject}: answer {row.answer} runs, and nothing is reserved for it"
        elif found != expected:
            yield (
                f"{subject}: answer {row.answer} has {found} reserved (tokens, millionths of a USD,"
                f" day), and {expected} in the ledger"
            )


def _of_messages() -> Iterator[str]:
    streaming = Message.objects.filter(status=Message.Status.STREAMING)
    for answer in streaming.exclude(id__in=budgets.running(None).values("answer")).values_list(
        "id", flat=True
    ):
        yield f"answer {answer} is being written, and the ledger does not have it as running"
    settled = budgets.running(None).filter(
        answer__in=Message.objects.exclude(status=Message.Status.STREAMING).values("id")
    )
    for answer in settled.values_list("answer", flat=True):
        yield f"answer {answer} has ended, and the ledger has it as running"
    without = Message.objects.filter(role=Message.Role.ASSISTANT).exclude(
        id__in=Usage.objects.values("answer")
    )
    for answer in without.values_list("id", flat=True):
        yield f"answer {answer} has no row in the ledger"
