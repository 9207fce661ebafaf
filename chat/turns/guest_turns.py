"""Serves guests' turns: their id, the proof of work, and the session that keeps the id."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from secrets import token_urlsafe

from django.contrib.sessions.backends.base import SessionBase

from chat.abuse.proof_of_work import admit_guest, guest_id
from chat.accounts import guests
from chat.requester import Requester
from chat.rollback import async_rollback_on_error
from chat.threads import in_thread
from chat.turns.request import TurnRequest


def with_guest_id(requester: Requester, turn_request: TurnRequest) -> Requester:
    """Returns the requester with an id, also for a guest who had none.

    A new id comes from the challenge's solution, or is random.
    """
    if requester.user_id is not None or requester.guest:
        return requester
    return replace(
        requester, guest=guest_id(turn_request.altcha) if turn_request.altcha else token_urlsafe(24)
    )


@contextlib.asynccontextmanager
async def proof_of_work(
    session: SessionBase, requester: Requester, turn_request: TurnRequest
) -> AsyncIterator[None]:
    """Takes a guest's proof of work, and gives it back when the turn is refused after all."""
    if requester.user_id is not None:
        yield
        return
    is_stored = await _is_stored(session, requester)
    rollback = await in_thread(admit_guest, requester, turn_request.altcha or "", known=is_stored)
    async with async_rollback_on_error() as undo:
        undo.push_async_callback(in_thread, rollback)
        yield


async def store_guest_id(session: SessionBase, requester: Requester) -> None:
    """Puts a guest's id into their session, with the first turn that starts.

    A refused turn leaves nothing behind, not even a session.
    """
    if not requester.guest:
        return
    if await _is_stored(session, requester):
        await in_thread(guests.transfer_late_turn, requester)
    else:
        await session.aset(guests.SESSION_KEY, requester.guest)


async def _is_stored(session: SessionBase, requester: Requester) -> bool:
    return bool(await session.aget(guests.SESSION_KEY) == requester.guest)
