"""Every page of the admin with something on it: rows of each model, and their addresses."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.urls import URLPattern, reverse
from django.utils import timezone

from chat.limits import refusal_counts
from chat.models import (
    ChatModel,
    ContentAccess,
    Conversation,
    Grant,
    Invitation,
    Message,
    Pause,
    Quota,
    SitePolicy,
    Usage,
)
from chat.requester import Requester

_STANDARD = {"changelist", "add", "history", "delete", "change"}


@dataclass(frozen=True)
class Rows:
    """One row of each registered model, and the person they are about."""

    person: User
    by_model: dict[type[Model], Model]

    def __getitem__(self, model: type[Model]) -> Model:
        return self.by_model[model]


def make_rows(person: User, operator: User) -> Rows:
    """Makes a row of every model that the admin shows.

    A model that is registered later and forgotten here is a KeyError in `pages`.
    """
    group = Group.objects.create(name=f"Group {uuid4()}")
    person.groups.add(group)
    quota = _quota_with_refusals(person, group)
    conversation = _conversation_with_an_answer(person)
    # A turn that no quota bounded: an empty value among the list's filters.
    Usage.objects.create(
        answer=uuid4(), owner_key="g:0", limit_key="g:0", model="m", quota="", outcome="complete"
    )
    rows: list[Model] = [
        person,
        group,
        conversation,
        quota,
        Pause.objects.create(user=person, note="A note", created_by=operator),
        Grant.objects.create(user=person, tokens=5, reason="A reason", created_by=operator),
        Invitation.objects.create(note="For somebody", expires=timezone.now() + timedelta(days=1)),
        _access(operator, conversation),
        _log_entry(operator, quota),
        ChatModel.objects.create(slug=f"model-{uuid4()}", enabled=False),
        settled_usage(person, quota),
        SitePolicy.objects.get_or_create(pk=1)[0],
    ]
    return Rows(person, {type(row): row for row in rows})


def _conversation_with_an_answer(person: User) -> Conversation:
    conversation = Conversation.objects.create(user=person, title="A title")
    prompt = Message.objects.create(conversation=conversation, role="user", content="A question?")
    answer = (
        "An *answer* with `code`:\n\n```python\nprint(1)\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    )
    Message.objects.create(
        conversation=conversation, parent=prompt, role="assistant", content=answer
    )
    return conversation


def _quota_with_refusals(person: User, group: Group) -> Quota:
    quota = Quota.objects.create(
        name=f"Quota {uuid4()}", requests="10/m", tokens_per_day=1_000, spend_per_month_usd=5
    )
    quota.users.add(person)
    quota.groups.add(group)
    for gate in ("rate_limited", "tokens_exhausted"):
        refusal_counts.record(Requester(person.pk, "", "127.0.0.1"), quota.name, gate)
    refusal_counts.write()
    return quota


def _access(operator: User, conversation: Conversation) -> ContentAccess:
    return ContentAccess.objects.create(
        operator=operator,
        operator_name=operator.username,
        conversation=conversation.pk,
        owner_key=f"u:{conversation.user_id}",
    )


def _log_entry(operator: User, quota: Quota) -> LogEntry:
    kind = ContentType.objects.get_for_model(Quota)
    words = {"object_repr": str(quota), "action_flag": 2, "change_message": "Priority: 0 → 1."}
    return LogEntry.objects.create(
        user=operator, content_type=kind, object_id=str(quota.pk), **words
    )


def settled_usage(person: User, quota: Quota) -> Usage:
    key = f"u:{person.pk}"
    figures: dict[str, Any] = {
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "cost_usd": 1,
        "first_token_ms": 300,
        "duration_ms": 900,
    }
    row = {
        "owner_key": key,
        "limit_key": key,
        "model": "m",
        "quota": quota.name,
        "outcome": "complete",
    }
    return Usage.objects.create(answer=uuid4(), user=person, **row, **figures)


def registered() -> list[type[Model]]:
    return [model for model in apps.get_models() if admin.site.is_registered(model)]


@dataclass(frozen=True)
class AdminPage:
    """Holds one page; `kind` is the last word of the address's name.

    It is changelist, add, change, delete, history, or one of our own.
    """

    model: type[Model] | None
    kind: str
    path: str


def pages(rows: Rows) -> Iterator[AdminPage]:
    """Every page there is: the site's own, and each model's with its row."""
    for name in (
        "index",
        "password_change",
        "password_change_done",
        "jsi18n",
        "autocomplete",
        "logout",
    ):
        yield AdminPage(None, name, reverse(f"admin:{name}"))
    for label in sorted({model._meta.app_label for model in registered()}):
        yield AdminPage(None, "app_list", reverse("admin:app_list", args=[label]))
    kind = ContentType.objects.get_for_model(User)
    yield AdminPage(
        None, "view_on_site", reverse("admin:view_on_site", args=[kind.pk, rows.person.pk])
    )
    for model in registered():
        for pattern in admin.site.get_model_admin(model).get_urls():
            if isinstance(pattern, URLPattern) and pattern.name:
                converters = list(pattern.pattern.converters)
                path = reverse(f"admin:{pattern.name}", args=[rows[model].pk] if converters else [])
                yield AdminPage(model, pattern.name.rpartition("_")[2], path)
