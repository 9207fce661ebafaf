"""The answers of other workers, as readers on this one see them: copied from Redis by one look at a time for all of them."""

import math
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any
from uuid import UUID

from django.db import Error

from chat.answers import ending as endings
from chat.answers.answer_store import Mirror
from chat.answers.live_answer import LiveAnswer
from chat.models import Message
from chat.threads import in_thread

_CHECK_SECONDS = 1.0
_WATCH_SECONDS = 2.0
# Between the start of a response and its first frame lie a few steps of middleware.
FIRST_READER_SECONDS = 3.0


class _Reflection:
    def __init__(self, live: LiveAnswer, owner: str) -> None:
        self.live = live
        self.owner = owner
        self.told = 0.0
        self.ended = False
        self.closing = False


class Reflections:
    """All of them on this worker. `spawn` starts what must not hold up the beat; times are seconds of the monotonic clock."""

    def __init__(self, mirror: Mirror, spawn: Callable[[Coroutine[Any, Any, None]], Any]) -> None:
        self._mirror = mirror
        self._spawn = spawn
        self._all: dict[UUID, _Reflection] = {}
        self._checked = 0.0

    def of(self, answer_id: UUID, start: dict[str, Any], owner: str, *, ended: bool) -> LiveAnswer:
        """The reflection of an answer that the worker `owner` runs; `ended` says that it no longer does."""
        reflection = self._all.get(answer_id)
        if reflection is None:
            reflection = self._all[answer_id] = _Reflection(LiveAnswer(answer_id, start), owner)
            reflection.ended = ended
        return reflection.live

    def lives(self) -> list[LiveAnswer]:
        return [reflection.live for reflection in self._all.values()]

    async def read(self, now: float) -> None:
        """Copies what is new, tells the owners who is watched here, and forgets what nobody reads. Raises redis_client.REDIS_ERRORS."""
        self._forget_unwatched(now)
        reflections = list(self._all.values())
        if not reflections:
            return
        ended = await self._mirror.read([reflection.live for reflection in reflections])
        for reflection, has_ended in zip(reflections, ended, strict=True):
            reflection.ended |= has_ended
        await self._tell_owners(reflections, now)

    def _forget_unwatched(self, now: float) -> None:
        for answer_id, reflection in list(self._all.items()):
            since = reflection.live.unwatched_since
            if since is not None and now - since > FIRST_READER_SECONDS:
                del self._all[answer_id]

    async def _tell_owners(self, reflections: list[_Reflection], now: float) -> None:
        by_owner: dict[str, list[str]] = {}
        for reflection in reflections:
            if now - reflection.told >= _WATCH_SECONDS:
                reflection.told = now
                by_owner.setdefault(reflection.owner, []).append(f"watch {reflection.live.id}")
        for owner, notes in by_owner.items():
            await self._mirror.note(owner, notes)

    def close(self, now: float) -> None:
        """Ends those of what has ended. The database is asked too, once a second for all of them: Redis may be away."""
        for reflection in self._all.values():
            if reflection.ended and not reflection.closing:
                reflection.closing = True
                self._spawn(self._close(reflection))
        if self._all and now - self._checked >= _CHECK_SECONDS:
            # Until it has answered it is not asked again.
            self._checked = math.inf
            self._spawn(self._check())

    async def _check(self) -> None:
        try:
            reflections = list(self._all.values())
            streaming = await in_thread(Message.objects.streaming_ids, [reflection.live.id for reflection in reflections])
            for reflection in reflections:
                reflection.ended |= reflection.live.id not in streaming
        except Error:
            pass  # asked again in a second
        finally:
            self._checked = monotonic()

    async def _close(self, reflection: _Reflection) -> None:
        """Ends the reflection if the answer is saved; else it goes on being one."""
        live = reflection.live
        try:
            message = await in_thread(lambda: Message.objects.filter(id=live.id).first())
            if message is None:
                self._all.pop(live.id, None)
                live.hand_over()
            elif message.status != Message.Status.STREAMING:
                done, error = await in_thread(endings.saved_end, message)
                self._all.pop(live.id, None)
                live.settle(message.content.encode())
                live.end(done, error)
            else:
                reflection.ended = False
        except Error:
            pass  # asked again in a second
        finally:
            reflection.closing = False
