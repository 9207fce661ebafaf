"""What an operator does for or against one person."""

from decimal import Decimal

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from chat.models.configured import ConfiguredQuerySet

# Low enough that the sum of many grants fits into the database's numbers.
MAX_GRANTED_TOKENS = 10**12


class Grant(models.Model):
    """Gives budget beyond the quota, once: `tokens` on its day, `usd` in the month of its day.

    It is kept as a record of the operator who gave it.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="grants"
    )
    day = models.DateField(default=timezone.localdate, help_text="In the site's time zone.")
    tokens = models.PositiveBigIntegerField(
        default=0, validators=[MaxValueValidator(MAX_GRANTED_TOKENS)]
    )
    usd = models.DecimalField(
        "USD",
        max_digits=12,
        decimal_places=4,
        default=Decimal(0),
        validators=[MinValueValidator(0)],
    )
    reason = models.CharField(max_length=200, blank=True)
    created = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
    )

    objects = ConfiguredQuerySet.as_manager()

    class Meta:
        ordering = ["-created"]
        indexes = [models.Index(fields=["user", "day"])]
        constraints = [
            models.CheckConstraint(condition=Q(usd__gte=0), name="grant_usd_not_negative")
        ]

    def __str__(self) -> str:
        return f"Grant of {self.day}"


class Pause(models.Model):
    """Keeps a person from beginning a turn while this row is there; they may read and stop."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="pause"
    )
    note = models.CharField(max_length=200, blank=True, help_text="Shown to the person.")
    created = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
    )

    objects = ConfiguredQuerySet.as_manager()

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return f"Pause of {self.created:%Y-%m-%d}"


class ContentAccess(models.Model):
    """Records that an operator read a person's conversation.

    The site never changes or deletes these rows.
    """

    operator = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    operator_name = models.CharField(
        "operator's name",
        max_length=150,
        blank=True,
        help_text="Kept when the operator's account is gone.",
    )
    conversation = models.UUIDField()
    owner_key = models.CharField(max_length=80)
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "access to a conversation"
        verbose_name_plural = "accesses to conversations"
        ordering = ["-created"]

    def __str__(self) -> str:
        return str(self.conversation)
