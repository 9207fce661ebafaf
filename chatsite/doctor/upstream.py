"""Checks that the upstream takes our key and knows our models.

It asks for the list of models, which costs no tokens.
"""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from time import time
from urllib.parse import urlsplit

from django.conf import settings
from django.db import Error

from chat.models import ChatModel, Usage
from chat.upstream import last_failures
from chat.upstream.client import ModelListUnavailable, make_client, offered_models
from chat.upstream.failure_report import FailureReport, fault_remedy
from chatsite.doctor.findings import Finding, fail, ok, warn

PART = "upstream"
_SECONDS = 10
_RECENT_MINUTES = 60
_UNKNOWN_ADDRESS = (404, 405, 501)


def check() -> Iterator[Finding]:
    if not settings.OPENAI_API_KEY and not settings.OPENAI_BASE_URL:
        yield warn(
            PART,
            "neither OPENAI_API_KEY nor OPENAI_BASE_URL is set: the demo model answers, or none",
            "Set OPENAI_API_KEY.",
        )
        return
    try:
        offered = asyncio.run(_offered())
    except ModelListUnavailable as refused:
        yield _refusal(refused)
    except TimeoutError:
        yield fail(
            PART,
            f"{_name()} is silent for {_SECONDS} s",
            "See that this machine reaches it, through the firewall too.",
        )
    else:
        yield ok(
            PART,
            f"{_name()} takes our key and offers {len(offered)} models"
            if settings.OPENAI_API_KEY
            else f"{_name()} answers",
        )
        yield from _unknown_models(offered)
    yield from _failures()


async def _offered() -> list[str]:
    async with asyncio.timeout(_SECONDS), make_client() as client:
        return await offered_models(client)


def _name() -> str:
    """Returns the host only: an address may hold a password."""
    return urlsplit(settings.OPENAI_BASE_URL).netloc or "OpenAI"


def _refusal(refused: ModelListUnavailable) -> Finding:
    status = refused.status
    if status is None:
        return _no_answer(refused.fault)
    if status in (401, 403):
        return fail(
            PART,
            f"{_name()} refuses our key ({status})",
            "Set OPENAI_API_KEY to one that is valid, and start the site again.",
        )
    if status in _UNKNOWN_ADDRESS:
        return warn(
            PART,
            f"{_name()} has no list of models ({status}), so key and models are not checked",
            "See that OPENAI_BASE_URL ends as its manual says, usually in /v1.",
        )
    if status < 400:
        return fail(
            PART,
            f"{_name()} sends us elsewhere ({status})",
            "Set OPENAI_BASE_URL to where it is: redirects are not followed.",
        )
    return fail(
        PART,
        f"{_name()} answers {status}",
        "It has trouble, or wants fewer requests: try again later.",
    )


def _no_answer(fault: str) -> Finding:
    way = (
        "the proxy that the environment names, firewall, DNS"
        if settings.OPENAI_PROXY
        else "firewall, DNS"
    )
    known = "" if settings.OPENAI_PROXY else fault_remedy(fault)
    why = f" ({fault})" if fault else ""
    remedy = known or f"Correct OPENAI_BASE_URL, or the way there ({way})."
    return fail(PART, f"{_name()} does not answer, or not as OpenAI would{why}", remedy)


def _failures() -> Iterator[Finding]:
    """Yields why turns with the enabled models fail.

    That is the last failure of each model, unless it has answered since.
    """
    for report in sorted(last_failures.read().values(), key=lambda report: report.model):
        minutes = max(0, round((time() - report.at) / 60))
        if minutes > _RECENT_MINUTES or not _fails_still(report):
            continue
        why = f"{report.error} ({report.details})" if report.details else report.error
        text = f"{report.model} failed {minutes} minutes ago: {why}"
        yield ok("turns", text) if report.passes else warn("turns", text, report.remedy)


def _fails_still(report: FailureReport) -> bool:
    at = datetime.fromtimestamp(report.at, UTC)
    answered = Usage.objects.filter(
        model=report.model, outcome=Usage.Outcome.COMPLETE, created__gte=at
    )
    try:
        return (
            ChatModel.objects.filter(slug=report.model, enabled=True).exists()
            and not answered.exists()
        )
    except Error:
        return True  # the check of the database says so


def _unknown_models(offered: list[str]) -> Iterator[Finding]:
    try:
        enabled = list(ChatModel.objects.filter(enabled=True).values_list("slug", flat=True))
    except Error:
        return  # the check of the database says so
    if not enabled:
        yield fail(
            "models",
            "none is enabled: no one can ask anything",
            "Enable one at /admin/, under Models.",
        )
    for slug in enabled:
        if slug not in offered:
            yield warn(
                "models",
                f"{slug} is enabled, but {_name()} does not list it",
                "Correct its slug at /admin/, or disable it.",
            )
