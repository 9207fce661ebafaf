"""What refusals have taught of a model, kept in its row and applied to every later turn.

A lesson stands in for a value of the row. It is void when the operator sets another value, when the
row gets another slug, or when the site gets another upstream. Blocks on the database.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from chat.models import ChatModel
from chat.upstream import parameters
from chat.upstream.adaptation import CONTEXT_TOKENS, LEGACY_MAX_TOKENS, MAX_OUTPUT_TOKENS, Lesson

_FIELDS = (CONTEXT_TOKENS, MAX_OUTPUT_TOKENS, LEGACY_MAX_TOKENS)
_LEFT_OUT = (
    parameters.STREAM_OPTIONS,
    parameters.STREAM,
    parameters.OUTPUT_LIMIT,
    parameters.SYSTEM_ROLE,
)


@dataclass(frozen=True)
class Applied:
    """Holds a model's values as they apply: the row's own, or what a refusal has taught."""

    context_tokens: int
    max_output_tokens: int
    legacy_max_tokens: bool
    left_out: frozenset[str]


def applied(model: ChatModel) -> Applied:
    """Returns the values that a turn with this model uses."""
    lessons = _lessons(model)
    fields = {
        name: lessons[name]["value"] if name in lessons else getattr(model, name)
        for name in _FIELDS
    }
    return Applied(**fields, left_out=frozenset(name for name in _LEFT_OUT if name in lessons))


def lessons(model: ChatModel) -> list[tuple[Lesson, str]]:
    """Returns the lessons that hold, each with the time when it was learned (ISO 8601)."""
    return [(Lesson(name, row["value"]), row["at"]) for name, row in _lessons(model).items()]


def remember(slug: str, learned: Iterable[Lesson]) -> None:
    """Writes those lessons into the row of the model that are news."""
    with transaction.atomic():
        model = ChatModel.objects.select_for_update().filter(slug=slug).first()
        if model is None:
            return
        known = _lessons(model)
        new = {
            lesson.name: _row(model, lesson) for lesson in learned if _is_news(model, known, lesson)
        }
        if new:
            ChatModel.objects.filter(pk=model.pk).update(
                learned={"of": _upstream(model), "lessons": {**known, **new}}
            )


def forget(model: ChatModel) -> None:
    """Drops all lessons, so that the row's own values hold until the next refusal."""
    ChatModel.objects.filter(pk=model.pk).update(learned={})


def adopt(model: ChatModel) -> list[str]:
    """Writes the lessons into the fields of the row, and returns the names of the fields.

    Lessons that have no field stay lessons.
    """
    with transaction.atomic():
        row = ChatModel.objects.select_for_update().get(pk=model.pk)
        known = _lessons(row)
        fields = {name: known[name]["value"] for name in _FIELDS if name in known}
        rest = {name: lesson for name, lesson in known.items() if name not in fields}
        ChatModel.objects.filter(pk=row.pk).update(
            **fields, learned={"of": _upstream(row), "lessons": rest} if rest else {}
        )
    return list(fields)


def _lessons(model: ChatModel) -> dict[str, Any]:
    learned = model.learned
    if not learned or learned.get("of") != _upstream(model):
        return {}
    return {
        name: row
        for name, row in learned["lessons"].items()
        if name in _LEFT_OUT or (name in _FIELDS and row["instead_of"] == getattr(model, name))
    }


def _is_news(model: ChatModel, known: dict[str, Any], lesson: Lesson) -> bool:
    if lesson.name in known and known[lesson.name]["value"] == lesson.value:
        return False
    if lesson.name in (CONTEXT_TOKENS, MAX_OUTPUT_TOKENS):
        return lesson.value is not None and 1 <= lesson.value < getattr(model, lesson.name)
    return True


def _row(model: ChatModel, lesson: Lesson) -> dict[str, Any]:
    at = timezone.now().isoformat(timespec="seconds")
    return {
        "value": lesson.value,
        "instead_of": getattr(model, lesson.name, None) if lesson.name in _FIELDS else None,
        "at": at,
    }


def _upstream(model: ChatModel) -> str:
    """Returns a digest of the upstream and model: another server may take what this one refuses.

    It is keyed, since an address may hold a password.
    """
    return salted_hmac(
        "chat.learned", f"{settings.OPENAI_BASE_URL} {model.slug}", algorithm="sha256"
    ).hexdigest()[:24]
