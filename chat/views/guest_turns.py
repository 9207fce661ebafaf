"""The turns of guests: an id for who has none yet, the proof of work, and the session that remembers them."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from secrets import token_urlsafe

from django.http import HttpRequest

from chat.abuse import proof_of_work
from chat.accounts import guests
from chat.errors import NotSignedIn
from chat.requester import Requester
from chat.threads import in_thread
from chat.turns.request import TurnRequest
from chat.views.api import requester_of


async def chatter(request: HttpRequest) -> Requester:
    """Who asks; a guest without an id only if there is a quota for guests at all."""
    requester = await requester_of(request)
    if requester.user_id is not None or requester.guest:
        return requester
    if not await in_thread(guests.may_chat):
        raise NotSignedIn("Sign in to chat.")
    return requester


def named(requester: Requester, asked: TurnRequest) -> Requester:
    """With an id for a guest who has none yet: it comes of the challenge's solution, or at random."""
    if requester.user_id is not None or requester.guest:
        return requester
    return replace(requester, guest=proof_of_work.guest_id(asked.altcha) if asked.altcha else token_urlsafe(24))


@contextlib.asynccontextmanager
async def challenged(request: HttpRequest, requester: Requester, asked: TurnRequest) -> AsyncIterator[None]:
    """A guest's proof of work, given back when the turn is refused after all."""
    if requester.user_id is not None:
        yield
        return
    known = await _is_remembered(request, requester)
    rollback = await in_thread(proof_of_work.admit_guest, requester, asked.altcha or "", known=known)
    try:
        yield
    except BaseException:
        await in_thread(rollback)
        raise


async def remember(request: HttpRequest, requester: Requester) -> None:
    """A guest's id enters their session with the first turn that begins: a refused one leaves nothing behind, not even a session."""
    if not requester.guest:
        return
    if await _is_remembered(request, requester):
        await in_thread(guests.catch_up, requester)
    else:
        await request.session.aset(guests.SESSION_KEY, requester.guest)


async def _is_remembered(request: HttpRequest, requester: Requester) -> bool:
    return bool(await request.session.aget(guests.SESSION_KEY) == requester.guest)
