"""Ends an answer: writes its end once, together with its row in the ledger.

An answer is complete, stopped, interrupted, failed or lost with its worker. Every end comes through
`save`, and the worker that comes first writes it.
"""

import logging
from dataclasses import dataclass
from math import ceil
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.html import escape

from chat.conversations.ending_notes import ending_note
from chat.errors import AnswerError, sentence
from chat.markdown import render
from chat.models import Message, Usage
from chat.models.usage import usage_payload
from chat.upstream.cost import Bill

logger = logging.getLogger("chat.answers.ending")


@dataclass(frozen=True)
class Ending:
    """Holds the end of an answer as it is saved and told; times in milliseconds.

    `trimmed` counts the oldest messages that were left out; None leaves the count that the turn
    wrote.
    """

    status: str
    text: str
    model: str
    bill: Bill
    finish_reason: str = ""
    error: AnswerError | None = None
    first_token_ms: int | None = None
    duration_ms: int | None = None
    trimmed: int | None = None


def status_for(error: AnswerError | None, has_text: bool) -> str:
    """Returns `failed` for an error before any text, `interrupted` after, else `complete`."""
    if error is None:
        return Message.Status.COMPLETE
    return Message.Status.INTERRUPTED if has_text else Message.Status.FAILED


def save(answer_id: UUID, ending: Ending) -> bool:
    """Writes answer and ledger row in one transaction; False where the answer had ended before.

    A conversation that was deleted meanwhile does not come back. Its ledger row is settled all
    the same. Blocks on the database, and raises its errors.
    """
    with transaction.atomic():
        if not _settle_usage(answer_id, ending):
            return False
        _write_message(answer_id, ending)
    return True


def _settle_usage(answer_id: UUID, ending: Ending) -> bool:
    """Writes the end into the running row of the ledger; False where there is none."""
    updated = (
        Usage.objects.running()
        .filter(answer=answer_id)
        .update(
            outcome=ending.status,
            model=ending.model,
            prompt_tokens=ending.bill.prompt_tokens,
            completion_tokens=ending.bill.completion_tokens,
            cost_usd=ending.bill.cost_usd,
            estimated=ending.bill.estimated,
            first_token_ms=ending.first_token_ms,
            duration_ms=ending.duration_ms,
        )
    )
    return bool(updated)


def _write_message(answer_id: UUID, ending: Ending) -> None:
    Message.objects.streaming().filter(id=answer_id).update(
        status=ending.status,
        content=ending.text,
        finish_reason=ending.finish_reason,
        model=ending.model,
        error_code=ending.error.code if ending.error else "",
        error_reason=ending.error.reason if ending.error else "",
        **({} if ending.trimmed is None else {"trimmed": ending.trimmed}),
    )


def done_payload(ending: Ending) -> dict[str, Any]:
    """Returns the payload of the `done` event.

    Renders the Markdown: call it off the event loop.
    """
    html, trimmed = _html(ending.text), ending.trimmed or 0
    payload = {
        "status": ending.status,
        "finish_reason": ending.finish_reason or None,
        "usage": usage_payload(ending.bill),
        "html": html,
    }
    note = ending_note(
        ending.status,
        ending.finish_reason,
        has_text=bool(ending.text),
        error=ending.error,
        trimmed=trimmed,
    )
    return {
        **payload,
        **({"trimmed": trimmed} if trimmed else {}),
        **({"note": note} if note else {}),
    }


def _html(text: str) -> str:
    try:
        return render(text)
    except Exception as error:
        # No fault of the renderer may keep an answer from its end: the text is shown as it is.
        logger.error("An answer could not be rendered: %s", type(error).__name__)
        return f"<pre>{escape(text)}</pre>"


def error_payload(error: AnswerError) -> dict[str, Any]:
    """Returns the payload of the `error` event."""
    payload: dict[str, Any] = {"code": error.code, "message": sentence(error.code, error.reason)}
    if error.retry_after is not None:
        payload["retry_after"] = ceil(error.retry_after)
    return payload


def stored_ending(message: Message) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Returns the payloads of `done` and `error` for an answer that ended some time ago.

    The second is None where nothing went wrong. Blocks on the database.
    """
    usage = Usage.objects.filter(answer=message.id).first()
    bill = (
        Bill(usage.prompt_tokens, usage.completion_tokens, usage.cost_usd, usage.estimated)
        if usage
        else Bill(estimated=True)
    )
    error = (
        AnswerError(message.error_code, reason=message.error_reason) if message.error_code else None
    )
    ending = Ending(
        status=message.status,
        text=message.content,
        model=message.model,
        bill=bill,
        finish_reason=message.finish_reason,
        error=error,
        trimmed=message.trimmed,
    )
    return done_payload(ending), error_payload(error) if error else None
