"""Ends readers and answers of people who may no longer read or chat.

An account is deactivated or deleted, a session ends, or a password is changed: by a form, in a
shell, by SQL or on another host. No signal covers all of these, so the database is asked. It is
asked only about people who have readers or running answers on this worker.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import monotonic
from uuid import UUID

from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import Error
from django.utils import timezone

from chat.answers.generation import STOPPED, Generation
from chat.answers.live_answer import LiveAnswer, Reader
from chat.answers.reader_access import ReaderAccess
from chat.models import Message
from chat.threads import in_thread

logger = logging.getLogger("chat.access")

# With the delays below, a reader or an answer ends within one second of the change.
LOOK_SECONDS = 0.25
# A guest who signs in has no session for a moment, then the account's.
_GUEST_SECONDS = 0.2
# From the end of a deactivated person's answer, on any worker, to its final text on this one.
_FINAL_TEXT_SECONDS = 0.4


@dataclass(frozen=True)
class Rights:
    """Holds what the database says about accounts, sessions and the answers of guests.

    `passwords` are the password hashes of active accounts by id, `sessions` the keys of living
    sessions, `adopted` the accounts that by now own answers which guests began.
    """

    passwords: dict[int, str]
    sessions: set[str]
    adopted: dict[UUID, int]

    def owner(self, person: int | None, answer: UUID) -> int | None:
        """Returns the account that the answer belongs to; None where it is a guest's."""
        return self.adopted.get(answer) if person is None else person

    def patience(self, access: ReaderAccess, answer: UUID) -> float | None:
        """Returns after how many seconds to release the reader; None where they may read on."""
        owner = self.owner(access.person, answer)
        if owner is not None and owner not in self.passwords:
            return _FINAL_TEXT_SECONDS
        has_session = access.session_key is None or access.session_key in self.sessions
        if access.person is not None:
            return None if has_session and self.passwords[access.person] == access.password else 0.0
        return None if has_session or owner is not None else _GUEST_SECONDS


def read_rights(
    people: Iterable[int], sessions: Iterable[str], guest_answers: Sequence[UUID]
) -> Rights:
    """Returns which accounts and sessions are valid, and who owns the guests' answers.

    Makes three queries at most. Blocks on the database, and raises its errors.
    """
    adopted: dict[UUID, int] = {}
    if guest_answers:
        theirs = Message.objects.filter(id__in=guest_answers, conversation__user__isnull=False)
        adopted = dict(theirs.values_list("id", "conversation__user_id"))
    ids = {*people, *adopted.values()}
    active = (
        User.objects.filter(pk__in=ids, is_active=True).values_list("pk", "password") if ids else ()
    )
    keys = set(sessions)
    living = (
        Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
        if keys
        else Session.objects.none()
    )
    return Rights(dict(active), set(living.values_list("session_key", flat=True)), adopted)


class AccessWatch:
    """Checks for one worker, every LOOK_SECONDS, who may still read and chat.

    `generations` returns the answers that run here, `lives` all that are read here, those of other
    workers included.
    """

    def __init__(
        self, generations: Callable[[], list[Generation]], lives: Callable[[], list[LiveAnswer]]
    ) -> None:
        self._generations = generations
        self._lives = lives

    async def run(self) -> None:
        """Looks until it is cancelled; a database that is away ends no reader."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except Error:
                pass  # asked again in a moment; the turns that wait for the database log it
            except Exception as error:
                logger.error("The look at who may read failed: %s", type(error).__name__)

    async def look(self) -> None:
        """Asks the database once, and ends what may not go on; raises the database's errors."""
        readers = [
            (live, reader, reader.access)
            for live in self._lives()
            for reader in live.readers
            if reader.access is not None
        ]
        generations = self._generations()
        if not readers and not generations:
            return
        rights = await in_thread(read_rights, *_asked(generations, readers))
        for generation in generations:
            owner = rights.owner(generation.job.plan.person, generation.job.plan.answer)
            if owner is not None and owner not in rights.passwords:
                generation.cancel(*STOPPED)
        for live, reader, access in readers:
            _judge(reader, rights.patience(access, live.id))


def _asked(
    generations: list[Generation], readers: list[tuple[LiveAnswer, Reader, ReaderAccess]]
) -> tuple[set[int], set[str], list[UUID]]:
    """Returns the people, sessions and guests' answers to ask the database about."""
    owners = [
        (generation.job.plan.answer, generation.job.plan.person) for generation in generations
    ]
    owners += [(live.id, access.person) for live, _, access in readers]
    people = {person for _, person in owners if person is not None}
    sessions = {key for _, _, access in readers if (key := access.session_key) is not None}
    return people, sessions, list({answer for answer, person in owners if person is None})


def _judge(reader: Reader, patience: float | None) -> None:
    """Releases a reader once its right to read has been in doubt for `patience` seconds."""
    now = monotonic()
    if patience is None:
        reader.doubted_since = None
        return
    reader.doubted_since = now if reader.doubted_since is None else reader.doubted_since
    if now - reader.doubted_since >= patience:
        reader.release()
