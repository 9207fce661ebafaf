"""Signed links that make an account: the set-up link for the first admin, and invitations."""

import uuid
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.models import User
from django.core import signing
from django.core.exceptions import ValidationError
from django.urls import reverse

from chat.models import Invitation

_SETUP_SALT = "chat.setup"
_INVITATION_SALT = "chat.invitation"
# In seconds. The site prints a new link whenever it starts without an account.
SETUP_MAX_AGE = 24 * 3600


def setup_url() -> str:
    """Returns the absolute address at which the first admin can be made.

    It works for a day, and only while no account exists.
    """
    token = signing.dumps("setup", salt=_SETUP_SALT)
    return settings.SITE_URL + reverse("setup", args=[token])


def setup_is_open(token: str) -> bool:
    """Tells whether a set-up link's token is ours and not too old, and no account exists."""
    try:
        signing.loads(token, salt=_SETUP_SALT, max_age=SETUP_MAX_AGE)
    except signing.BadSignature:
        return False
    return not User.objects.exists()


def invitation_url(invitation: Invitation) -> str:
    """Returns the absolute sign-up address that the invitation stands for."""
    token = signing.Signer(salt=_INVITATION_SALT).sign(invitation.pk.hex)
    return f"{settings.SITE_URL}{reverse('signup')}?{urlencode({'invite': token})}"


def invitation_of(token: str) -> Invitation | None:
    """Returns the invitation of a link's token; None if it is not ours or not usable."""
    try:
        key = uuid.UUID(signing.Signer(salt=_INVITATION_SALT).unsign(token))
        return Invitation.objects.usable().filter(pk=key).first()
    except (signing.BadSignature, ValueError, ValidationError):
        return None
