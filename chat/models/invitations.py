"""Invitations to sign up."""

import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone

_INVITATION_DAYS = 7


def invitation_expiry() -> datetime:
    """Returns when an invitation made now expires."""
    return timezone.now() + timedelta(days=_INVITATION_DAYS)


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def usable(self) -> "InvitationQuerySet":
        """Returns the invitations that are neither used nor expired."""
        return self.filter(used=None, expires__gt=timezone.now())


class Invitation(models.Model):
    """Gives the right to sign up once.

    It is handed out as a signed link (chat.accounts.signed_links); deleting the row withdraws it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    note = models.CharField(
        max_length=200, blank=True, help_text="Whom it is for. Only admins see it."
    )
    expires = models.DateTimeField(default=invitation_expiry)
    created = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    # Apart from `used_by`: when that account is deleted, the link stays used.
    used = models.DateTimeField(null=True, blank=True, editable=False)
    used_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
    )

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return self.note or f"Invitation of {self.created:%Y-%m-%d}"
