"""Guests: people without an account, known by a random id in their session, whose conversations go with them when they sign in."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in
from django.db import transaction
from django.http import HttpRequest

from chat import configuration
from chat.models import Conversation, Message, Requester

SESSION_KEY = "guest"


def may_chat() -> bool:
    """Whether there is a quota for guests."""
    return configuration.current().standing(Requester(None, "", "")).quota is not None


def watch() -> None:
    """Connects the signal; called once, when Django is ready."""
    user_logged_in.connect(_signed_in, dispatch_uid="guests")


def _signed_in(request: HttpRequest, user: AbstractBaseUser, **kwargs: Any) -> None:
    # Django has given the session a new key by now, and kept what is in it, unless it was another account's.
    guest = request.session.pop(SESSION_KEY, "")
    if guest:
        hand_over(guest, user.pk)


@transaction.atomic
def hand_over(guest: str, user_id: int) -> None:
    """Makes the guest's conversations the account's, those with a running answer too: answers are known by their own id.

    The turns go along, so that one sent again still finds its answer. The ledger
    stays as it is: what was used was used at that address.
    """
    Conversation.objects.filter(user=None, guest=guest).update(user=user_id, guest="")
    before, after = (Requester(who, name, "").owner_key for who, name in ((None, guest), (user_id, "")))
    # A client may have used one id for two turns.
    known = Message.objects.filter(turn_owner=after, turn__isnull=False).values("turn")
    Message.objects.filter(turn_owner=before, turn__isnull=False).exclude(turn__in=known).update(turn_owner=after)
