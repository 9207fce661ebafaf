"""The last failure of each model, in Redis, for `manage.py doctor` and the admin.

Failing turns write it at most once a second for each model and worker, and never to the database.
"""

import asyncio
import contextlib
import json
from time import monotonic

from redis.asyncio import Redis

from chat import redis_client, redis_keys
from chat.errors import CONTENT_FILTER, CONTEXT_LENGTH, AnswerError
from chat.upstream.attempt import Attempt
from chat.upstream.failure_report import FailureReport

_KEPT_SECONDS = 7 * 86_400
_MIN_SECONDS_BETWEEN = 1.0
# The person who asked can mend these: nothing is wrong with the site.
_OF_THE_PROMPT = frozenset({CONTEXT_LENGTH, CONTENT_FILTER})


class LastFailures:
    """Writes the failures; without a client it writes nothing.

    Its methods do not raise.
    """

    def __init__(self, client: Redis | None = None) -> None:
        self._client = client
        self._written: dict[str, float] = {}

    async def record(self, attempt: Attempt, error: AnswerError) -> None:
        """Writes why an attempt failed."""
        now, slug = monotonic(), attempt.target.slug
        due = now - self._written.get(slug, -_MIN_SECONDS_BETWEEN) >= _MIN_SECONDS_BETWEEN
        if self._client is None or not due or error.reason in _OF_THE_PROMPT:
            return
        self._written[slug] = now
        key, pipeline = redis_keys.upstream_failures(), self._client.pipeline(transaction=False)
        pipeline.hset(key, slug, json.dumps(FailureReport.of(attempt, error).fields()))
        pipeline.expire(key, _KEPT_SECONDS)
        try:
            await pipeline.execute()
        except redis_client.REDIS_ERRORS:
            # redis-py can turn a cancellation into its own error; an answer that was stopped must
            # not go on because of that.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise asyncio.CancelledError from None


def read() -> dict[str, FailureReport]:
    """Returns the last failure of each model by its slug, of the last seven days.

    Blocks on Redis; empty while that is away.
    """
    with contextlib.suppress(*redis_client.REDIS_ERRORS):
        rows = redis_client.client().hgetall(redis_keys.upstream_failures())
        return {
            report.model: report for report in map(_report, rows.values()) if report is not None
        }
    return {}


def _report(row: bytes | str) -> FailureReport | None:
    try:
        return FailureReport(**json.loads(row))
    except (TypeError, ValueError):  # of another version of the site
        return None
