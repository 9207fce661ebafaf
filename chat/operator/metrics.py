"""Figures for Prometheus, out of the ledger: the same whichever worker is asked, and none is lost
by a restart.
"""

from collections.abc import Iterable
from datetime import date

from django.db.models import Avg, Count, Sum
from django.utils import timezone

from chat.limits.budgets import ExactSum
from chat.models import RefusalCount, Usage


def render() -> str:
    """Returns the figures in Prometheus' text format 0.0.4.

    Blocks on the database: four queries.
    """
    ended = Usage.objects.exclude(outcome=Usage.Outcome.RUNNING)
    by_outcome = list(
        ended.order_by()
        .values("model", "outcome")
        .annotate(
            answers=Count("*"),
            prompt=Sum("prompt_tokens"),
            completion=Sum("completion_tokens"),
            cost=ExactSum("cost_usd"),
        )
    )
    day = timezone.localdate()
    today = ended.filter(day=day).aggregate(first_token=Avg("first_token_ms"))
    running = Usage.objects.running().count()
    labels = [
        f'{{model="{_escaped(row["model"])}",outcome="{row["outcome"]}"}}' for row in by_outcome
    ]
    families = [
        (
            "answers_total",
            "counter",
            "Answers that ended.",
            zip(labels, (row["answers"] for row in by_outcome), strict=True),
        ),
        (
            "prompt_tokens_total",
            "counter",
            "Prompt tokens in the ledger.",
            zip(labels, (row["prompt"] for row in by_outcome), strict=True),
        ),
        (
            "completion_tokens_total",
            "counter",
            "Completion tokens in the ledger.",
            zip(labels, (row["completion"] for row in by_outcome), strict=True),
        ),
        (
            "cost_usd_total",
            "counter",
            "Cost in the ledger, in USD.",
            zip(labels, (row["cost"] for row in by_outcome), strict=True),
        ),
        ("answers_running", "gauge", "Answers being generated now.", [("", running)]),
        (
            "refusals_today",
            "gauge",
            "Turns refused today; with shadow, turns that would have been.",
            _refused(day),
        ),
        (
            "first_token_seconds_today",
            "gauge",
            "Mean time to the first token today.",
            [("", (today["first_token"] or 0) / 1000)],
        ),
    ]
    return "".join(_family(*family) for family in families)


def _refused(day: date) -> list[tuple[str, object]]:
    rows = (
        RefusalCount.objects.order_by()
        .filter(day=day)
        .values_list("code", "shadow")
        .annotate(turns=Sum("count"))
    )
    return [
        (f'{{code="{_escaped(code)}",shadow="{str(shadow).lower()}"}}', turns)
        for code, shadow, turns in rows
    ]


def _family(name: str, kind: str, help_text: str, samples: Iterable[tuple[str, object]]) -> str:
    lines = [f"# HELP chatsite_{name} {help_text}", f"# TYPE chatsite_{name} {kind}"]
    lines += [f"chatsite_{name}{labels} {value}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
