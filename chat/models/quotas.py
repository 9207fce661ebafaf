"""The limits of a person, of groups, of guests, or of everyone."""

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Case, Count, Exists, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Coalesce

from chat.models.catalog import ChatModel
from chat.models.configured import ConfiguredQuerySet
from chat.rates import Rate, parse_rates
from chat.requester import Requester


class QuotaQuerySet(ConfiguredQuerySet["Quota"]):
    def for_requester(self, requester: Requester) -> "Quota | None":
        """Returns the one quota that applies to the requester, in one query.

        That is one that names the user, else the one of the highest priority that names a group of
        theirs, else the default.
        """
        if requester.user_id is None:
            return self.filter(for_guests=True).first()
        named = Quota.users.through.objects.filter(quota=OuterRef("pk"), user=requester.user_id)
        grouped = Quota.groups.through.objects.filter(
            quota=OuterRef("pk"), group__user=requester.user_id
        )
        applicable = self.annotate(names_user=Exists(named), names_group=Exists(grouped))
        applicable = applicable.filter(
            Q(names_user=True) | Q(names_group=True) | Q(is_default=True)
        )
        rank = Case(When(names_user=True, then=0), When(names_group=True, then=1), default=2)
        return applicable.order_by(rank, "-priority", "pk").first()

    def effective_field(self, user: str, field: str) -> Coalesce:
        """Returns an expression for a query of people: a field of the quota that applies.

        `user` is the field of that query with the person's id. The rule is that of `for_requester`;
        SQLite cannot do that ORDER BY inside another query.
        """
        best = self.order_by("-priority", "pk")
        reasons = (Q(users=OuterRef(user)), Q(groups__user=OuterRef(user)), Q(is_default=True))
        return Coalesce(*(Subquery(best.filter(reason).values(field)[:1]) for reason in reasons))

    def people_counts(self) -> dict[int, int]:
        """Returns to how many accounts each quota applies, by the id of the quota.

        Quotas that apply to no one are left out. One query.
        """
        people = (
            User.objects.order_by()
            .annotate(applies=self.effective_field("pk", "pk"))
            .exclude(applies=None)
        )
        return dict(people.values_list("applies").annotate(Count("pk")))


def validate_rates(text: str) -> None:
    """Raises ValidationError where `parse_rates` raises ValueError."""
    try:
        parse_rates(text)
    except ValueError as error:
        raise ValidationError(str(error)) from None


class Quota(models.Model):
    """Holds the limits an operator sets for a person, a group, guests, or everyone.

    Null means no limit.
    """

    class Mode(models.TextChoices):
        ENFORCE = "enforce", "Enforce"
        SHADOW = "shadow", "Shadow: record only whom it would have refused"

    name = models.CharField(max_length=80, unique=True)
    is_default = models.BooleanField(
        "default", default=False, help_text="Applies to everyone whom no other quota names."
    )
    for_guests = models.BooleanField(
        default=False,
        help_text=(
            "Applies to people without an account; they may chat only while such a quota exists."
        ),
    )
    groups = models.ManyToManyField(Group, blank=True, related_name="quotas")
    users = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="quotas")
    priority = models.IntegerField(
        default=0, help_text="Of several quotas that name groups of a person, the highest applies."
    )
    mode = models.CharField(max_length=8, choices=Mode.choices, default=Mode.ENFORCE)
    requests = models.CharField(
        max_length=120,
        blank=True,
        validators=[validate_rates],
        help_text="Such as 10/m, 500/d. Blank: no limit.",
    )
    concurrent_streams = models.PositiveIntegerField(null=True, blank=True)
    tokens_per_day = models.PositiveBigIntegerField(null=True, blank=True)
    spend_per_month_usd = models.DecimalField(
        "spend per month (USD)",
        max_digits=12,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
    )
    max_prompt_chars = models.PositiveIntegerField(null=True, blank=True)
    max_messages = models.PositiveIntegerField(
        null=True, blank=True, help_text="Messages sent upstream with one turn."
    )
    max_output_tokens = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)]
    )
    models = models.ManyToManyField(
        ChatModel, blank=True, help_text="The models it allows; none chosen: all that are enabled."
    )

    objects = QuotaQuerySet.as_manager()

    class Meta:
        ordering = ["-is_default", "-priority", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=Q(is_default=True), name="quota_one_default"
            ),
            models.UniqueConstraint(
                fields=["for_guests"], condition=Q(for_guests=True), name="quota_one_for_guests"
            ),
            models.CheckConstraint(
                condition=Q(spend_per_month_usd__isnull=True) | Q(spend_per_month_usd__gte=0),
                name="quota_spend_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def rates(self) -> list[Rate]:
        return parse_rates(self.requests)

    @property
    def allows_nothing(self) -> bool:
        """Tells whether a limit of 0 refuses every turn, however long it waits."""
        return self.concurrent_streams == 0 or any(rate.limit == 0 for rate in self.rates)

    @property
    def enforced(self) -> "Quota":
        """Returns the quota whose limits hold: this one, or in shadow mode one without limits."""
        return self if self.mode == self.Mode.ENFORCE else Quota(name=self.name, mode=self.mode)

    def people(self, among: "QuerySet[User] | None" = None) -> "QuerySet[User]":
        """Returns the accounts to which it applies, of all or of `among`."""
        people = User.objects.all() if among is None else among
        return people.alias(applies=Quota.objects.effective_field("pk", "pk")).filter(
            applies=self.pk
        )

    def allowed_models(self) -> list[ChatModel]:
        """Returns the enabled models that the quota allows, in the operator's order.

        In shadow mode these are all enabled models.
        """
        chosen = (
            set(self.models.values_list("pk", flat=True))
            if self.mode == self.Mode.ENFORCE
            else set()
        )
        enabled = ChatModel.objects.filter(enabled=True).select_related("fallback")
        return [model for model in enabled if not chosen or model.pk in chosen]
