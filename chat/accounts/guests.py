"""Guests: people without an account, known by a random id in their session.

When they sign in, their conversations become the account's.
"""

import contextlib
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from chat import redis_client, redis_keys
from chat.limits import configuration, reader_leases
from chat.models import Conversation, Message
from chat.requester import Requester

SESSION_KEY = "guest"
# Far longer than a turn takes to begin.
_REMEMBERED_SECONDS = 60
# SQLite takes no more ids than this at once, with room to spare.
_BATCH = 500


def may_chat() -> bool:
    """Tells whether there is a quota for guests."""
    return configuration.current().effective_quota(Requester(None, "", "")).quota is not None


def watch() -> None:
    """Connects the signal; called once, when Django is ready."""
    user_logged_in.connect(_signed_in, dispatch_uid="guests")


def _signed_in(request: HttpRequest, user: AbstractBaseUser, **kwargs: Any) -> None:
    # By now Django has given the session a new key, and has kept its contents unless they were
    # another account's.
    if name := request.session.pop(SESSION_KEY, ""):
        guest, account = Requester(None, name, ""), Requester(user.pk, "", "")
        # Before the transfer: a turn that begins meanwhile, too late for the transfer, reads this
        # when it is written.
        with contextlib.suppress(*redis_client.REDIS_ERRORS):
            redis_client.client().set(
                redis_keys.guest_account(guest.owner_key), user.pk, ex=_REMEMBERED_SECONDS
            )
        transfer_to_account(guest, account)
        reader_leases.link_guest(guest, account)


def transfer_late_turn(guest: Requester) -> None:
    """Transfers the turn of a guest who signed in while it began.

    Blocks on Redis, and rarely on the database.
    """
    try:
        account = redis_client.client().get(redis_keys.guest_account(guest.owner_key))
    except redis_client.REDIS_ERRORS:
        return
    if account is not None:
        transfer_to_account(guest, Requester(int(account), "", ""))


@transaction.atomic
def transfer_to_account(guest: Requester, account: Requester) -> None:
    """Makes the guest's conversations the account's, also those with a running answer.

    A running answer is known by its own id, so its stream goes on. The turns go along, so that one
    sent again still finds its answer. The ledger stays as it is: what was used counts for the
    address.
    """
    Conversation.objects.owned_by(guest).update(user=account.user_id, guest="")
    # A client may have used one id for two turns.
    known = Message.objects.turns_of(account).values("turn")
    turns = Message.objects.turns_of(guest)
    turns.exclude(turn__in=known).update(turn_owner=account.owner_key)


def forget_unreachable() -> int:
    """Deletes the conversations of guests whose sessions are over, and returns how many.

    A guest's session begins with their first turn, so no session leads to a conversation of that
    age. The ledger keeps its rows.
    """
    over = timezone.now() - timedelta(seconds=settings.SESSION_COOKIE_AGE)
    found = list(
        Conversation.objects.filter(user=None, updated__lt=over).values_list("pk", flat=True)
    )
    for start in range(0, len(found), _BATCH):
        # Asked again: one may have been transferred meanwhile.
        Conversation.objects.filter(pk__in=found[start : start + _BATCH], user=None).delete()
    return len(found)
