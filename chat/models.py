"""The tables: conversations and messages, the operator's models and quotas, the ledger, the site's policy.

Querysets are the only door to a person's own things: every view goes through
`Conversation.objects.of(requester)` or `Message.objects.of(requester)`.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import Case, Count, Exists, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Coalesce
from django.dispatch import Signal
from django.utils import timezone

from chat.folded_model import FoldedModel, FoldedQuerySet
from chat.rates import Rate, parse_rates

T = TypeVar("T", bound=models.Model)


@dataclass(frozen=True)
class Requester:
    """Who asks: a signed-in person, or a guest known by a random id in their session. `ip` keys a guest's limits only."""

    user_id: int | None
    guest: str
    ip: str

    @property
    def limit_key(self) -> str:
        """What limits are counted on: the user's id, else the client's address."""
        return f"u:{self.user_id}" if self.user_id is not None else f"ip:{self.ip}"

    @property
    def owner_key(self) -> str:
        """Whose a conversation is; unique among people and guests, and stable while an address changes."""
        return f"u:{self.user_id}" if self.user_id is not None else f"g:{self.guest}"


# --- Conversations ----------------------------------------------------------


class ConversationQuerySet(FoldedQuerySet["Conversation"]):
    def of(self, requester: Requester) -> "ConversationQuerySet":
        """The conversations that belong to the requester, and no others."""
        if requester.user_id is not None:
            return self.filter(user_id=requester.user_id)
        return self.filter(user=None, guest=requester.guest) if requester.guest else self.none()

    def delete(self) -> tuple[int, dict[str, int]]:
        """Locked before their messages are looked up: one that a turn adds meanwhile would be left without its conversation."""
        with transaction.atomic():
            # By themselves: the admin's list counts messages, and PostgreSQL locks no groups.
            own = self.model._default_manager.filter(pk__in=self.order_by().values("pk"))
            list(own.select_for_update().order_by("pk").values_list("pk"))
            return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]


class Conversation(FoldedModel):
    """A tree of messages that belongs to one person or one guest."""

    FOLDED = "title"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="conversations")
    guest = models.CharField(max_length=64, blank=True, db_index=True)
    title = models.CharField(max_length=200, blank=True)
    # For the search; "" where the text is ASCII (chat.folding).
    title_folded = models.TextField(blank=True, default="", db_default="", editable=False)
    system_prompt = models.TextField(blank=True)
    model = models.ForeignKey("ChatModel", null=True, blank=True, on_delete=models.SET_NULL)
    created = models.DateTimeField(default=timezone.now)
    updated = models.DateTimeField(default=timezone.now)

    objects = ConversationQuerySet.as_manager()

    class Meta:
        permissions = [("read_content", "Can read conversations, while the site policy lets operators do so")]
        ordering = ["-updated"]
        indexes = [models.Index(fields=["user", "-updated"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False, guest="") | (Q(user__isnull=True) & ~Q(guest="")), name="conversation_has_one_owner"
            ),
        ]

    def __str__(self) -> str:
        # Not the title: it is content, and this text stands in the admin and in its log.
        return str(self.id)


class MessageQuerySet(FoldedQuerySet["Message"]):
    def of(self, requester: Requester) -> "MessageQuerySet":
        """The messages in the requester's own conversations."""
        return self.filter(conversation__in=Conversation.objects.of(requester))


class Message(FoldedModel):
    """A prompt or an answer. `parent` is the message it follows; a second child of one parent is a branch."""

    FOLDED = "content"

    class Role(models.TextChoices):
        USER = "user"
        ASSISTANT = "assistant"

    class Status(models.TextChoices):
        STREAMING = "streaming"
        COMPLETE = "complete"
        STOPPED = "stopped"
        INTERRUPTED = "interrupted"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="messages")
    parent = models.ForeignKey("self", null=True, blank=True, on_delete=models.CASCADE, related_name="children")
    role = models.CharField(max_length=10, choices=Role.choices)
    content = models.TextField(blank=True)
    content_folded = models.TextField(blank=True, default="", db_default="", editable=False)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.COMPLETE)
    finish_reason = models.CharField(max_length=40, blank=True)
    model = models.CharField(max_length=120, blank=True, help_text="The upstream's name of the model that answered.")
    error_code = models.CharField(max_length=40, blank=True)
    error_reason = models.CharField(max_length=40, blank=True, editable=False)
    trimmed = models.PositiveIntegerField(default=0, editable=False, help_text="How many of the oldest messages the model was not sent.")
    # A turn is one POST of one requester; the digest tells the same turn with another body.
    turn = models.UUIDField(null=True, blank=True, editable=False)
    turn_owner = models.CharField(max_length=80, blank=True, editable=False)
    turn_digest = models.CharField(max_length=64, blank=True, editable=False)
    created = models.DateTimeField(default=timezone.now)

    objects = MessageQuerySet.as_manager()

    class Meta:
        ordering = ["created"]
        indexes = [
            models.Index(fields=["conversation", "created"]),
            models.Index(fields=["status"], condition=Q(status="streaming"), name="message_streaming"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["turn_owner", "turn"], condition=Q(turn__isnull=False), name="message_turn_once"),
            models.CheckConstraint(condition=~Q(parent=models.F("id")), name="message_not_its_own_parent"),
            models.CheckConstraint(condition=Q(role="assistant") | Q(status="complete"), name="message_prompt_is_complete"),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.id}"


# --- What the operator sets -------------------------------------------------

# Sent by changes in bulk, of which Django's own signals say nothing.
configured_in_bulk = Signal()


class ConfiguredQuerySet(models.QuerySet[T]):
    """A table that workers remember: see chat.configuration."""

    def update(self, **values: Any) -> int:
        changed = super().update(**values)
        configured_in_bulk.send(sender=self.model)
        return changed

    def bulk_create(self, *args: Any, **options: Any) -> list[T]:
        made = super().bulk_create(*args, **options)
        configured_in_bulk.send(sender=self.model)
        return made


# Beyond what there is; a turn's cost and the sums of the ledger stay numbers that a database can hold.
_MOST_USD_PER_MILLION = 10_000
_MOST_TOKENS = 100_000_000


class ChatModel(models.Model):
    """A model of the upstream that people may choose."""

    slug = models.CharField(max_length=120, unique=True, help_text="The upstream's name, such as gpt-4o-mini.")
    label = models.CharField(max_length=80, blank=True, help_text="What people see; the slug when blank.")
    enabled = models.BooleanField(default=True)
    is_default = models.BooleanField(default=False)
    input_usd_per_million = models.DecimalField(
        "input, USD per million",
        max_digits=12,
        decimal_places=6,
        default=Decimal(0),
        validators=[MinValueValidator(0), MaxValueValidator(_MOST_USD_PER_MILLION)],
        help_text="Price of a million prompt tokens.",
    )
    output_usd_per_million = models.DecimalField(
        "output, USD per million",
        max_digits=12,
        decimal_places=6,
        default=Decimal(0),
        validators=[MinValueValidator(0), MaxValueValidator(_MOST_USD_PER_MILLION)],
        help_text="Price of a million completion tokens.",
    )
    context_tokens = models.PositiveIntegerField(
        default=128_000, validators=[MinValueValidator(1), MaxValueValidator(_MOST_TOKENS)], help_text="Prompt and answer together."
    )
    max_output_tokens = models.PositiveIntegerField(
        default=16_384, validators=[MinValueValidator(1), MaxValueValidator(_MOST_TOKENS)], help_text="The limit sent with every request."
    )
    legacy_max_tokens = models.BooleanField(
        "send max_tokens", default=False, help_text="For servers that do not know max_completion_tokens."
    )
    system_prompt = models.TextField(blank=True)
    fallback = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, help_text="Takes over when this model cannot be reached."
    )
    position = models.PositiveIntegerField(default=0)
    # What the upstream's refusals have taught: see chat.upstream.learned.
    learned = models.JSONField(default=dict, blank=True, editable=False)

    objects = ConfiguredQuerySet.as_manager()

    class Meta:
        verbose_name = "model"
        ordering = ["position", "slug"]
        constraints = [
            models.UniqueConstraint(fields=["is_default"], condition=Q(is_default=True), name="model_one_default"),
            models.CheckConstraint(
                condition=Q(input_usd_per_million__gte=0, output_usd_per_million__gte=0), name="model_prices_not_negative"
            ),
            models.CheckConstraint(condition=Q(max_output_tokens__gte=1, context_tokens__gte=1), name="model_limits_positive"),
        ]

    def __str__(self) -> str:
        return self.label or self.slug


class QuotaQuerySet(ConfiguredQuerySet["Quota"]):
    def for_requester(self, requester: Requester) -> "Quota | None":
        """The one quota that applies, in one query.

        One naming the user, else the highest-priority one naming a group of theirs, else the default.
        """
        if requester.user_id is None:
            return self.filter(for_guests=True).first()
        named = Quota.users.through.objects.filter(quota=OuterRef("pk"), user=requester.user_id)
        grouped = Quota.groups.through.objects.filter(quota=OuterRef("pk"), group__user=requester.user_id)
        applicable = self.annotate(names_user=Exists(named), names_group=Exists(grouped))
        applicable = applicable.filter(Q(names_user=True) | Q(names_group=True) | Q(is_default=True))
        rank = Case(When(names_user=True, then=0), When(names_group=True, then=1), default=2)
        return applicable.order_by(rank, "-priority", "pk").first()

    def of_each(self, user: str, field: str) -> Coalesce:
        """A field of the quota that applies, for each row of a query of people; `user` is its field that holds the person's id.

        The same rule as `for_requester`; SQLite cannot do that query's ORDER BY inside another query.
        """
        best = self.order_by("-priority", "pk")
        reasons = (Q(users=OuterRef(user)), Q(groups__user=OuterRef(user)), Q(is_default=True))
        return Coalesce(*(Subquery(best.filter(reason).values(field)[:1]) for reason in reasons))

    def head_counts(self) -> dict[int, int]:
        """To how many accounts each quota applies, by its id; none to which it applies to nobody. One query."""
        people = User.objects.order_by().annotate(applies=self.of_each("pk", "pk")).exclude(applies=None)
        return dict(people.values_list("applies").annotate(Count("pk")))


def validate_rates(text: str) -> None:
    """Django's form of `parse_rates`: raises ValidationError."""
    try:
        parse_rates(text)
    except ValueError as error:
        raise ValidationError(str(error)) from None


class Quota(models.Model):
    """The limits an operator sets for a person, a group, guests, or everyone. Null means no limit."""

    class Mode(models.TextChoices):
        ENFORCE = "enforce", "Enforce"
        SHADOW = "shadow", "Shadow: record only whom it would have refused"

    name = models.CharField(max_length=80, unique=True)
    is_default = models.BooleanField("default", default=False, help_text="Applies to whoever no other quota names.")
    for_guests = models.BooleanField(
        default=False, help_text="Applies to people without an account; they may chat only while such a quota exists."
    )
    groups = models.ManyToManyField(Group, blank=True, related_name="quotas")
    users = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="quotas")
    priority = models.IntegerField(default=0, help_text="Of several quotas that name groups of a person, the highest applies.")
    mode = models.CharField(max_length=8, choices=Mode.choices, default=Mode.ENFORCE)
    requests = models.CharField(max_length=120, blank=True, validators=[validate_rates], help_text="Such as 10/m, 500/d. Blank: no limit.")
    concurrent_streams = models.PositiveIntegerField(null=True, blank=True)
    tokens_per_day = models.PositiveBigIntegerField(null=True, blank=True)
    spend_per_month_usd = models.DecimalField(
        "spend per month (USD)", max_digits=12, decimal_places=4, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    max_prompt_chars = models.PositiveIntegerField(null=True, blank=True)
    max_messages = models.PositiveIntegerField(null=True, blank=True, help_text="Messages sent upstream with one turn.")
    max_output_tokens = models.PositiveIntegerField(null=True, blank=True, validators=[MinValueValidator(1)])
    models = models.ManyToManyField(ChatModel, blank=True, help_text="The models it allows; none chosen: all that are enabled.")

    objects = QuotaQuerySet.as_manager()

    class Meta:
        ordering = ["-is_default", "-priority", "name"]
        constraints = [
            models.UniqueConstraint(fields=["is_default"], condition=Q(is_default=True), name="quota_one_default"),
            models.UniqueConstraint(fields=["for_guests"], condition=Q(for_guests=True), name="quota_one_for_guests"),
            models.CheckConstraint(
                condition=Q(spend_per_month_usd__isnull=True) | Q(spend_per_month_usd__gte=0), name="quota_spend_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def rates(self) -> list[Rate]:
        return parse_rates(self.requests)

    @property
    def allows_nothing(self) -> bool:
        """A limit of 0 refuses for good: there is no time after which a turn would pass."""
        return self.concurrent_streams == 0 or any(rate.limit == 0 for rate in self.rates)

    @property
    def enforced(self) -> "Quota":
        """The quota whose limits hold: this one, or in shadow mode one without any."""
        return self if self.mode == self.Mode.ENFORCE else Quota(name=self.name, mode=self.mode)

    def people(self, among: "QuerySet[User] | None" = None) -> "QuerySet[User]":
        """The accounts to which it applies, of all or of those `among` others."""
        people = User.objects.all() if among is None else among
        return people.alias(applies=Quota.objects.of_each("pk", "pk")).filter(applies=self.pk)

    def allowed_models(self) -> list[ChatModel]:
        """The enabled models that the quota allows, in the operator's order; all of them in shadow mode."""
        chosen = set(self.models.values_list("pk", flat=True)) if self.mode == self.Mode.ENFORCE else set()
        enabled = ChatModel.objects.filter(enabled=True).select_related("fallback")
        return [model for model in enabled if not chosen or model.pk in chosen]


class SitePolicy(models.Model):
    """What holds for the whole site; one row."""

    class Signup(models.TextChoices):
        CLOSED = "closed", "Closed: admins make accounts"
        INVITE = "invite", "By invitation link"
        OPEN = "open", "Open to everyone"

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    paused = models.BooleanField(default=False, help_text="Refuses every new turn, with the notice.")
    notice = models.CharField(max_length=500, blank=True, help_text="Shown on top of every page.")
    signup = models.CharField(max_length=6, choices=Signup.choices, default=Signup.CLOSED)
    tokens_per_day = models.PositiveBigIntegerField(null=True, blank=True, help_text="For the whole site.")
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
        "operators may read conversations", default=False, help_text="Each look is recorded, for everybody in the admin to see."
    )

    objects = ConfiguredQuerySet.as_manager()

    class Meta:
        verbose_name = verbose_name_plural = "site policy"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="policy_one_row")]

    def __str__(self) -> str:
        return "Site policy"

    @classmethod
    def current(cls) -> "SitePolicy":
        """The one row; the defaults if it was deleted."""
        return cls.objects.first() or cls()


# --- What an operator does for or against one person --------------------------


# A trillion: however many grants there are, their sum is a number that a database can hold.
MOST_GRANTED_TOKENS = 10**12


class Grant(models.Model):
    """Budget beyond the quota, once: `tokens` on its day, `usd` in the month of its day. It is kept as a record of who gave it."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="grants")
    day = models.DateField(default=timezone.localdate, help_text="In the site's time zone.")
    tokens = models.PositiveBigIntegerField(default=0, validators=[MaxValueValidator(MOST_GRANTED_TOKENS)])
    usd = models.DecimalField("USD", max_digits=12, decimal_places=4, default=Decimal(0), validators=[MinValueValidator(0)])
    reason = models.CharField(max_length=200, blank=True)
    created = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )

    objects = ConfiguredQuerySet.as_manager()

    class Meta:
        ordering = ["-created"]
        indexes = [models.Index(fields=["user", "day"])]
        constraints = [models.CheckConstraint(condition=Q(usd__gte=0), name="grant_usd_not_negative")]

    def __str__(self) -> str:
        return f"Grant of {self.day}"


class Pause(models.Model):
    """While this row is there, its person may read and stop, but begin no turn."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="pause")
    note = models.CharField(max_length=200, blank=True, help_text="Shown to the person.")
    created = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )

    objects = ConfiguredQuerySet.as_manager()

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return f"Pause of {self.created:%Y-%m-%d}"


class ContentLook(models.Model):
    """One look of an operator at a person's conversation; never changed or deleted by the site."""

    operator = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    operator_name = models.CharField("operator's name", max_length=150, blank=True, help_text="Kept when the operator's account is gone.")
    conversation = models.UUIDField()
    owner_key = models.CharField(max_length=80)
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "look at a conversation"
        verbose_name_plural = "looks at conversations"
        ordering = ["-created"]

    def __str__(self) -> str:
        return str(self.conversation)


# --- Invitations ------------------------------------------------------------

_INVITATION_DAYS = 7


def invitation_expiry() -> datetime:
    return timezone.now() + timedelta(days=_INVITATION_DAYS)


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def usable(self) -> "InvitationQuerySet":
        """Neither used nor expired."""
        return self.filter(used=None, expires__gt=timezone.now())


class Invitation(models.Model):
    """The right to sign up once, handed out as a signed link (chat.links); deleting the row withdraws it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    note = models.CharField(max_length=200, blank=True, help_text="Whom it is for. Only admins see it.")
    expires = models.DateTimeField(default=invitation_expiry)
    created = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    # Apart from who used it: the account may be deleted later, and the link stays used.
    used = models.DateTimeField(null=True, blank=True, editable=False)
    used_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return self.note or f"Invitation of {self.created:%Y-%m-%d}"


# --- The ledger -------------------------------------------------------------


class Usage(models.Model):
    """One row per answer: inserted with the turn as `running` with its reserved figures, settled once, never changed after.

    It outlives the conversation and the account, or deleting would buy back budget.
    """

    class Outcome(models.TextChoices):
        RUNNING = "running"
        COMPLETE = "complete"
        STOPPED = "stopped"
        INTERRUPTED = "interrupted"
        FAILED = "failed"

    answer = models.UUIDField(primary_key=True, help_text="The answer's id; its message may be gone, or never have been stored.")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="usage")
    owner_key = models.CharField(max_length=80, help_text="Whose turn it was, kept when the account is gone.")
    limit_key = models.CharField(max_length=80, help_text="What the limits were counted on.")
    model = models.CharField(max_length=120)
    quota = models.CharField(max_length=80, blank=True)
    prompt_tokens = models.PositiveBigIntegerField(default=0)
    completion_tokens = models.PositiveBigIntegerField(default=0)
    cost_usd = models.DecimalField(max_digits=16, decimal_places=8, default=Decimal(0))
    estimated = models.BooleanField(default=False)
    outcome = models.CharField(max_length=12, choices=Outcome.choices, default=Outcome.RUNNING)
    worker = models.CharField(
        max_length=64, blank=True, help_text="The worker that generates the answer; its lease tells whether it lives."
    )
    first_token_ms = models.PositiveIntegerField(null=True)
    duration_ms = models.PositiveBigIntegerField(null=True)
    created = models.DateTimeField(default=timezone.now)
    # Budgets and charts sum by day: a date needs no arithmetic of time zones for every row, and stays what it was when the zone is changed.
    day = models.DateField(default=timezone.localdate, editable=False, help_text="In the site's time zone.")

    class Meta:
        verbose_name_plural = "usage"
        permissions = [("stop_answers", "Can stop running answers")]
        ordering = ["-created"]
        indexes = [
            models.Index(fields=["limit_key", "day"]),
            models.Index(fields=["owner_key", "created"]),
            models.Index(fields=["created"]),
            # All that the sums of the whole site and the operator's charts read, so that they read nothing but the index.
            models.Index(fields=["day", "outcome", "model", "user", "cost_usd", "prompt_tokens", "completion_tokens"], name="usage_sums"),
            # In the order in which medians are counted off.
            models.Index(fields=["day", "first_token_ms"], condition=Q(first_token_ms__isnull=False), name="usage_first_token"),
            models.Index(fields=["worker"], condition=Q(outcome="running"), name="usage_running"),
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.outcome} {self.answer}"

    def figures(self) -> dict[str, Any]:
        """Tokens as events and exports show them."""
        return {"prompt_tokens": self.prompt_tokens, "completion_tokens": self.completion_tokens, "estimated": self.estimated}


class RefusalCount(models.Model):
    """Turns that were refused, or by a quota in shadow mode would have been: counted by the hour, person, quota and code.

    Statistics, not a gate: a worker writes what it has refused every few seconds (chat.limits.refusals).
    """

    hour = models.DateTimeField(help_text="The beginning of the hour.")
    day = models.DateField(help_text="In the site's time zone.")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="refusals")
    limit_key = models.CharField(max_length=80)
    quota = models.CharField(max_length=80, blank=True)
    code = models.CharField(max_length=40)
    shadow = models.BooleanField(default=False)
    count = models.PositiveBigIntegerField(default=0)
    last = models.DateTimeField()

    class Meta:
        verbose_name = "refused turns"
        verbose_name_plural = "refused turns"
        ordering = ["-last"]
        indexes = [models.Index(fields=["quota", "-last"]), models.Index(fields=["limit_key", "-last"]), models.Index(fields=["day"])]
        constraints = [models.UniqueConstraint(fields=["hour", "limit_key", "quota", "code", "shadow"], name="refusals_one_row_an_hour")]

    def __str__(self) -> str:
        return f"{self.count} {self.code}"
