"""Figures for Prometheus, from the ledger.

Every worker returns the same, and a restart loses nothing.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from django.db.models import Avg, Count, QuerySet, Sum
from django.utils import timezone

from chat.limits.budgets import ExactSum
from chat.models import RefusalCount, Usage

# Name, help and column of what is counted by model and outcome.
_TOTALS = (
    ("answers_total", "Answers that ended.", "answers"),
    ("prompt_tokens_total", "Prompt tokens in the ledger.", "prompt"),
    ("completion_tokens_total", "Completion tokens in the ledger.", "completion"),
    ("cost_usd_total", "Cost in the ledger, in USD.", "cost"),
)
_RUNNING = ("answers_running", "Answers being generated now.")
_REFUSALS = ("refusals_today", "Turns refused today; with shadow, turns that would have been.")
_FIRST_TOKEN = ("first_token_seconds_today", "Mean time to the first token today.")


def render() -> str:
    """Returns the figures in Prometheus' text format 0.0.4.

    Blocks on the database: four queries.
    """
    ended, day = Usage.objects.exclude(outcome=Usage.Outcome.RUNNING), timezone.localdate()
    first_token = ended.filter(day=day).aggregate(mean=Avg("first_token_ms"))["mean"] or 0
    running = Usage.objects.running().count()
    return "".join(
        [
            *_totals(ended),
            _family(*_RUNNING, "gauge", [("", running)]),
            _family(*_REFUSALS, "gauge", _refused(day)),
            _family(*_FIRST_TOKEN, "gauge", [("", first_token / 1000)]),
        ]
    )


def _totals(ended: "QuerySet[Usage]") -> Iterator[str]:
    by_outcome: Any = list(
        ended.order_by()
        .values("model", "outcome")
        .annotate(
            answers=Count("*"),
            prompt=Sum("prompt_tokens"),
            completion=Sum("completion_tokens"),
            cost=ExactSum("cost_usd"),
        )
    )
    labels = [
        f'{{model="{_escaped(row["model"])}",outcome="{row["outcome"]}"}}' for row in by_outcome
    ]
    for name, help_text, column in _TOTALS:
        values = (row[column] for row in by_outcome)
        yield _family(name, help_text, "counter", zip(labels, values, strict=True))


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


def _family(name: str, help_text: str, kind: str, samples: Iterable[tuple[str, object]]) -> str:
    lines = [f"# HELP chatsite_{name} {help_text}", f"# TYPE chatsite_{name} {kind}"]
    lines += [f"chatsite_{name}{labels} {value}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _escaped(label: str) -> str:
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
