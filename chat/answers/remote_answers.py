"""Follows answers of other workers for the readers on this one.

One look at Redis at a time copies what is new of all of them.
"""

import math
from time import monotonic
from typing import Any
from uuid import UUID

from django.db import Error

from chat.answers.answer_store import AnswerStore
from chat.answers.commands import Command, WatchAnswer
from chat.answers.ending import stored_ending
from chat.answers.live_answer import LiveAnswer
from chat.answers.tasks import Spawn
from chat.answers.worker_bus import WorkerBus
from chat.models import Message
from chat.threads import in_thread

_CHECK_SECONDS = 1.0
_WATCH_SECONDS = 2.0
# Between the start of a response and its first frame lie a few steps of middleware.
FIRST_READER_SECONDS = 3.0


class RemoteAnswer:
    """Holds one answer that the worker `owner` generates.

    `watch_sent` is when the owner was last told of a reader (monotonic seconds).
    """

    def __init__(self, live: LiveAnswer, owner: str, *, ended: bool) -> None:
        self.live = live
        self.owner = owner
        self.watch_sent = 0.0
        self.ended = ended
        self.closing = False


class RemoteAnswers:
    """Holds the answers of other workers that are read on this one.

    `spawn` starts what must not hold up the heartbeat; times are monotonic seconds.
    """

    def __init__(self, store: AnswerStore, bus: WorkerBus, spawn: Spawn) -> None:
        self._store = store
        self._bus = bus
        self._spawn = spawn
        self._answers: dict[UUID, RemoteAnswer] = {}
        self._checked = 0.0

    def follow(
        self, answer_id: UUID, start: dict[str, Any], owner: str, *, ended: bool
    ) -> LiveAnswer:
        """Returns the answer that the worker `owner` runs, to read from.

        `ended` says that the worker no longer runs it.
        """
        remote = self._answers.get(answer_id)
        if remote is None:
            remote = self._answers[answer_id] = RemoteAnswer(
                LiveAnswer(answer_id, start), owner, ended=ended
            )
        return remote.live

    def all(self) -> list[LiveAnswer]:
        """Returns the answers that are read here."""
        return [remote.live for remote in self._answers.values()]

    async def read(self, now: float) -> None:
        """Copies new text, tells the owners what is read here, and forgets what is not.

        Raises REDIS_ERRORS.
        """
        self._forget_unwatched(now)
        remotes = list(self._answers.values())
        if not remotes:
            return
        ended = await self._store.read([remote.live for remote in remotes])
        for remote, has_ended in zip(remotes, ended, strict=True):
            remote.ended |= has_ended
        await self._tell_owners(remotes, now)

    def _forget_unwatched(self, now: float) -> None:
        for answer_id, remote in list(self._answers.items()):
            since = remote.live.unwatched_since
            if since is not None and now - since > FIRST_READER_SECONDS:
                del self._answers[answer_id]

    async def _tell_owners(self, remotes: list[RemoteAnswer], now: float) -> None:
        by_owner: dict[str, list[Command]] = {}
        for remote in remotes:
            if now - remote.watch_sent >= _WATCH_SECONDS:
                remote.watch_sent = now
                by_owner.setdefault(remote.owner, []).append(WatchAnswer(remote.live.id))
        for owner, commands in by_owner.items():
            await self._bus.send_commands(owner, commands)

    def close_ended(self, now: float) -> None:
        """Ends for their readers the answers that have ended.

        The database is asked too, once a second for all of them, as Redis may be away.
        """
        for remote in self._answers.values():
            if remote.ended and not remote.closing:
                remote.closing = True
                self._spawn(self._close(remote))
        if self._answers and now - self._checked >= _CHECK_SECONDS:
            # The database is not asked again until it has answered.
            self._checked = math.inf
            self._spawn(self._check())

    async def _check(self) -> None:
        try:
            remotes = list(self._answers.values())
            streaming = await in_thread(
                Message.objects.streaming_ids, [remote.live.id for remote in remotes]
            )
            for remote in remotes:
                remote.ended |= remote.live.id not in streaming
        except Error:
            pass  # asked again in a second
        finally:
            self._checked = monotonic()

    async def _close(self, remote: RemoteAnswer) -> None:
        """Ends the answer for its readers here if its end is saved; else goes on following it."""
        live = remote.live
        try:
            message = await in_thread(lambda: Message.objects.filter(id=live.id).first())
            if message is None:
                self._answers.pop(live.id, None)
                live.detach_readers()
            elif message.status != Message.Status.STREAMING:
                done, error = await in_thread(stored_ending, message)
                self._answers.pop(live.id, None)
                live.replace_text(message.content.encode())
                live.end(done, error)
            else:
                remote.ended = False
        except Error:
            pass  # asked again in a second
        finally:
            remote.closing = False
