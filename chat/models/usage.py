"""The ledger, and the counts of refused turns."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from chat.models.conversations import Message


class TokenFigures(Protocol):
    """Represents what an answer has used: a row of the ledger, or a bill."""

    @property
    def prompt_tokens(self) -> int: ...
    @property
    def completion_tokens(self) -> int: ...
    @property
    def estimated(self) -> bool: ...


def usage_payload(figures: TokenFigures) -> dict[str, Any]:
    """Returns the field `usage` of events and exports."""
    return {
        "prompt_tokens": figures.prompt_tokens,
        "completion_tokens": figures.completion_tokens,
        "estimated": figures.estimated,
    }


class RunningRow(NamedTuple):
    """Holds a running answer, its worker, and whether it was asked to stop."""

    worker: str
    answer: UUID
    stop_requested: bool


class UsageQuerySet(models.QuerySet["Usage"]):
    def running(self) -> "UsageQuerySet":
        """Returns the rows of answers that are not settled yet."""
        return self.filter(outcome=Usage.Outcome.RUNNING)

    def running_rows(self) -> list[RunningRow]:
        """Reads the running answers of all workers: one query on an index of running rows."""
        return [
            RunningRow(*row)
            for row in self.running().order_by().values_list("worker", "answer", "stop_requested")
        ]

    def request_stop(self, answer_id: UUID) -> None:
        """Asks the worker of an answer to end it, by a mark that it reads within seconds.

        For when Redis cannot tell the worker.
        """
        self.running().filter(answer=answer_id).update(stop_requested=True)

    def running_in(self, conversation_id: UUID) -> list[tuple[UUID, str]]:
        """Reads the running answers of a conversation, each with the worker that runs it."""
        streaming = (
            Message.objects.streaming()
            .filter(conversation=conversation_id)
            .values_list("id", flat=True)
        )
        return list(self.filter(answer__in=list(streaming)).values_list("answer", "worker"))

    def is_running(self, answer_id: UUID) -> bool:
        """Tells whether the answer is not settled yet."""
        return self.running().filter(answer=answer_id).exists()

    def count_running(self, answer_ids: Sequence[UUID]) -> int:
        """Counts those of the answers that are not settled yet."""
        return self.running().filter(answer__in=answer_ids).count()

    def outcome_of(self, answer_id: UUID) -> str:
        """Reads how the answer ended, or that it runs. Raises Usage.DoesNotExist."""
        return self.get(answer=answer_id).outcome


class Usage(models.Model):
    """Records what one answer used and cost: a row of the ledger.

    It is inserted with the turn, as `running` and with the reserved figures, is settled once, and
    never changes afterwards. It outlives the conversation and the account: deleting them must not
    give budget back.
    """

    class Outcome(models.TextChoices):
        RUNNING = "running"
        COMPLETE = "complete"
        STOPPED = "stopped"
        INTERRUPTED = "interrupted"
        FAILED = "failed"

    answer = models.UUIDField(
        primary_key=True,
        help_text="The answer's id; its message may be gone, or never have been stored.",
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="usage",
    )
    owner_key = models.CharField(
        max_length=80, help_text="Whose turn it was, kept when the account is gone."
    )
    limit_key = models.CharField(max_length=80, help_text="What the limits were counted on.")
    model = models.CharField(max_length=120)
    quota = models.CharField(max_length=80, blank=True)
    prompt_tokens = models.PositiveBigIntegerField(default=0)
    completion_tokens = models.PositiveBigIntegerField(default=0)
    cost_usd = models.DecimalField(max_digits=16, decimal_places=8, default=Decimal(0))
    estimated = models.BooleanField(default=False)
    outcome = models.CharField(max_length=12, choices=Outcome.choices, default=Outcome.RUNNING)
    worker = models.CharField(
        max_length=64,
        blank=True,
        help_text="The worker that generates the answer; its lease tells whether it lives.",
    )
    stop_requested = models.BooleanField(
        default=False,
        editable=False,
        help_text="Its worker is to end it: written where Redis cannot tell that worker.",
    )
    first_token_ms = models.PositiveIntegerField(null=True)
    duration_ms = models.PositiveBigIntegerField(null=True)
    created = models.DateTimeField(default=timezone.now)
    # Budgets and charts sum by day. A date needs no time zone arithmetic for every row, and stays
    # the same when the site's zone is changed.
    day = models.DateField(
        default=timezone.localdate, editable=False, help_text="In the site's time zone."
    )

    objects = UsageQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "usage"
        permissions = [("stop_answers", "Can stop running answers")]
        ordering = ["-created"]
        indexes = [
            models.Index(fields=["limit_key", "day"]),
            models.Index(fields=["owner_key", "created"]),
            models.Index(fields=["created"]),
            # All columns that the sums of the whole site and the operator's charts read, so that
            # the index alone answers them.
            models.Index(
                fields=[
                    "day",
                    "outcome",
                    "model",
                    "user",
                    "cost_usd",
                    "prompt_tokens",
                    "completion_tokens",
                ],
                name="usage_sums",
            ),
            # In the order in which percentiles are counted off.
            models.Index(
                fields=["day", "first_token_ms"],
                condition=Q(first_token_ms__isnull=False),
                name="usage_first_token",
            ),
            models.Index(fields=["worker"], condition=Q(outcome="running"), name="usage_running"),
        ]

    def __str__(self) -> str:
        return f"{self.model} {self.outcome} {self.answer}"


class RefusalCount(models.Model):
    """Counts refused turns by hour, person, quota and code.

    With `shadow` they were let through by a quota in shadow mode. These are statistics, not a gate:
    a worker writes what it has refused every few seconds (chat.limits.refusal_counts).
    """

    hour = models.DateTimeField(help_text="The beginning of the hour.")
    day = models.DateField(help_text="In the site's time zone.")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="refusals",
    )
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
        indexes = [
            models.Index(fields=["quota", "-last"]),
            models.Index(fields=["limit_key", "-last"]),
            models.Index(fields=["day"]),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "limit_key", "quota", "code", "shadow"],
                name="refusals_one_row_an_hour",
            )
        ]

    def __str__(self) -> str:
        return f"{self.count} {self.code}"
