"""What an operator does for or against people, each action for any number of them.

An action writes a line into the history of each person that it changed, and returns the sentence
that tells the operator what was done.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from chat.admin.base import stop_and_wait
from chat.admin.history import record
from chat.formatting import figure, usd
from chat.models import Grant, Pause, Usage
from chat.models.people import MAX_GRANTED_TOKENS
from chat.operator import resets
from chat.operator.resets import Reset


class NoFields(forms.Form):
    pass


class GrantFields(forms.Form):
    tokens = forms.IntegerField(min_value=1, max_value=MAX_GRANTED_TOKENS)
    reason = forms.CharField(
        max_length=200, required=False, widget=forms.TextInput(attrs={"class": "vTextField"})
    )


class PauseFields(forms.Form):
    note = forms.CharField(
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text="Shown to the person.",
    )


@dataclass(frozen=True)
class PersonAction:
    """Holds an action.

    `explanation` is shown before it; None for a harmless one, which is done at once.
    """

    title: str
    explanation: str | None
    fields: type[forms.Form]
    run: "Callable[[HttpRequest, QuerySet[User], dict[str, Any]], str]"


def _reset(request: HttpRequest, people: "QuerySet[User]", answers: dict[str, Any]) -> str:
    everybody = list(people)
    granted = resets.reset(people, by=_operator(request))
    record(
        request,
        ((person, f"Counters reset: {_given(granted.get(person.pk))}") for person in everybody),
    )
    return f"The counters of {_names(everybody)} are reset."


def _given(given: Reset | None) -> str:
    windows = "request windows emptied"
    return (
        f"{windows}; {figure(given.tokens)} tokens and {usd(given.usd)} granted again."
        if given
        else f"{windows}."
    )


def _grant(request: HttpRequest, people: "QuerySet[User]", answers: dict[str, Any]) -> str:
    everybody, tokens, reason = list(people), answers["tokens"], answers["reason"]
    today = timezone.localdate()
    with transaction.atomic():
        grants = [
            Grant(
                user=person,
                day=today,
                tokens=tokens,
                reason=reason,
                created_by_id=_operator(request),
            )
            for person in everybody
        ]
        Grant.objects.bulk_create(grants, batch_size=500)
        why = f" ({reason})" if reason else ""
        record(
            request,
            (
                (person, f"Granted {figure(tokens)} tokens for {today:%Y-%m-%d}{why}.")
                for person in everybody
            ),
        )
    return f"{_names(everybody)} may use {figure(tokens)} tokens more today."


def _pause(request: HttpRequest, people: "QuerySet[User]", answers: dict[str, Any]) -> str:
    everybody, note = list(people), answers["note"]
    with transaction.atomic():
        Pause.objects.bulk_create(
            [
                Pause(user=person, note=note, created_by_id=_operator(request))
                for person in everybody
            ],
            batch_size=500,
            update_conflicts=True,
            unique_fields=["user"],
            update_fields=["note", "created", "created_by"],
        )
        record(
            request, ((person, f"Paused: “{note}”" if note else "Paused.") for person in everybody)
        )
    return f"Paused: {_names(everybody)}."


def _unpause(request: HttpRequest, people: "QuerySet[User]", answers: dict[str, Any]) -> str:
    everybody = list(people.filter(pause__isnull=False))
    with transaction.atomic():
        Pause.objects.filter(user__in=[person.pk for person in everybody]).delete()
        record(request, ((person, "Unpaused.") for person in everybody))
    return f"No longer paused: {_names(everybody)}." if everybody else "None of them was paused."


def _stop(request: HttpRequest, people: "QuerySet[User]", answers: dict[str, Any]) -> str:
    running = list(
        Usage.objects.filter(
            user__in=people.values("pk"), outcome=Usage.Outcome.RUNNING
        ).select_related("user")
    )
    if not running:
        return "Nothing was running."
    left = stop_and_wait(running)
    counts = Counter(row.user for row in running if row.user is not None)
    record(request, ((person, f"Stopped {_answers(count)}.") for person, count in counts.items()))
    late = f" {figure(left)} may take 15 seconds more: their worker does not reply." if left else ""
    return f"Stopped {_answers(len(running))}.{late}"


def _answers(count: int) -> str:
    return "1 running answer" if count == 1 else f"{figure(count)} running answers"


def _names(people: list[User]) -> str:
    return people[0].get_username() if len(people) == 1 else f"{figure(len(people))} people"


def _operator(request: HttpRequest) -> int:
    assert request.user.pk is not None
    return request.user.pk


RESET = PersonAction(
    "Reset counters",
    "Their request windows are emptied, and what they have used of tokens today and of money this"
    " month is granted to them again. The ledger is not changed.",
    NoFields,
    _reset,
)
GRANT = PersonAction(
    "Grant extra tokens today",
    "They may use so many tokens more than their quota allows, today only.",
    GrantFields,
    _grant,
)
PAUSE = PersonAction(
    "Pause",
    "They may read, but begin no turn until they are unpaused. Running answers go on.",
    PauseFields,
    _pause,
)
UNPAUSE = PersonAction("Unpause", None, NoFields, _unpause)
STOP = PersonAction(
    "Stop running answers", "What was written so far is kept, and paid for.", NoFields, _stop
)
