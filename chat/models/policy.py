"""What holds for the whole site."""

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

from chat.models.configured import ConfiguredQuerySet


class SitePolicy(models.Model):
    """Holds what applies to the whole site, in one row."""

    class Signup(models.TextChoices):
        CLOSED = "closed", "Closed: admins make accounts"
        INVITE = "invite", "By invitation link"
        OPEN = "open", "Open to everyone"

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    paused = models.BooleanField(
        default=False, help_text="Refuses every new turn, with the notice."
    )
    notice = models.CharField(max_length=500, blank=True, help_text="Shown on top of every page.")
    signup = models.CharField(max_length=6, choices=Signup.choices, default=Signup.CLOSED)
    tokens_per_day = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="For the whole site."
    )
    spend_per_month_usd = models.DecimalField(
        "spend per month (USD)",
        max_digits=12,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="For the whole site.",
    )

    content_access = models.BooleanField(
        "operators may read conversations",
        default=False,
        help_text="Each access is recorded, for everybody in the admin to see.",
    )

    objects = ConfiguredQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "site policy"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="policy_one_row")]

    def __str__(self) -> str:
        return "Site policy"

    @classmethod
    def lock(cls) -> None:
        """Lets one transaction at a time go on from here, on every worker, until it ends.

        The lock for what must not be done twice at once: it locks the one row of the policy.
        """
        cls.objects.select_for_update().get_or_create(pk=1)

    @classmethod
    def current(cls) -> "SitePolicy":
        """Returns the one row; the defaults if it was deleted."""
        return cls.objects.first() or cls()
