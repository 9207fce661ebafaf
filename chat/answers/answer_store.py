"""The live answer's reflection in Redis: its text and cost, the lease of its worker, and notes from other workers.

One flush per worker writes the new text of all its answers in one pipeline.
Redis may go and come back, or be emptied: what was written then is not known,
so the next flush writes the whole text again.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline, PubSub

from chat import redis_client, redis_keys
from chat.answers.live_answer import LiveAnswer
from chat.limits import leases
from chat.upstream.cost import Bill, RunningCost

_TEXT_SECONDS = 3600
WORKER_LEASE_SECONDS = 5
_INBOX_SECONDS = 60
_INBOX_BATCH = 1000
# From an end that is saved to the word of it.
_TELL_SECONDS = 1.0
# Each holds a connection for as long as a stop takes; leases must never wait for one.
_MOST_LISTENERS = 16

# KEYS text. ARGV its size, the bytes that follow. Returns the new size, or -1 where another text is there than was thought: no
# reader may ever see the middle of an answer at the beginning of an emptied key.
_APPEND = """
if redis.call('STRLEN', KEYS[1]) ~= tonumber(ARGV[1]) then return -1 end
return redis.call('APPEND', KEYS[1], ARGV[2])
"""


def look(client: BlockingRedis, answers: Sequence[UUID], workers: Sequence[str]) -> tuple[list[RunningCost], list[bool]]:
    """What each answer has cost so far, and which of the workers hold a lease: one pipeline, of a client that blocks."""
    pipeline = client.pipeline(transaction=False)
    for answer in answers:
        pipeline.get(redis_keys.answer_cost(answer))
    for worker in workers:
        pipeline.exists(redis_keys.worker_lease(worker))
    replies = pipeline.execute()
    return [_so_far(reply) for reply in replies[: len(answers)]], [bool(reply) for reply in replies[len(answers) :]]


def _packed(cost_so_far: RunningCost) -> str:
    bill = cost_so_far.bill
    return f"{bill.prompt_tokens} {bill.completion_tokens} {bill.cost_usd} {cost_so_far.model}"


def _so_far(packed: object) -> RunningCost:
    if not isinstance(packed, bytes):
        return RunningCost("", Bill())
    prompt, completion, cost, model = packed.decode().split(" ", 3)
    return RunningCost(model, Bill(int(prompt), int(completion), Decimal(cost), estimated=True))


async def nothing() -> str:
    """What is heard where nobody listens."""
    return ""


async def _heard(channel: PubSub) -> str:
    with contextlib.suppress(TimeoutError, *redis_client.REDIS_ERRORS):
        async with asyncio.timeout(_TELL_SECONDS):
            while True:
                message = await channel.get_message(timeout=_TELL_SECONDS)
                if message is not None:
                    return str(message["data"].decode())
    return ""


@dataclass(frozen=True)
class Lasting:
    """What is renewed once a second: the leases, and what each running answer has cost so far."""

    to_renew: Sequence[leases.Lease]
    costs: Mapping[UUID, RunningCost]


class Mirror:
    """Redis as one worker uses it for its live answers. All methods raise what `chat.redis_client.REDIS_ERRORS` names."""

    def __init__(self, client: Redis, worker: str) -> None:
        self._client = client
        self._worker = worker
        # How many bytes of each answer's text are in Redis; no entry where nothing is, or where that is not known.
        self._written: dict[UUID, int] = {}
        self._listeners = 0

    async def flush(self, answers: Iterable[LiveAnswer], lasting: Lasting | None) -> list[str]:
        """Writes what is new, with `lasting` also that, and returns the notes from other workers: one pipeline."""
        pipeline = self._client.pipeline(transaction=False)
        sizes = {answer.id: len(answer.text) for answer in answers if self._queue_text(pipeline, answer, lasting is not None)}
        if lasting is not None:
            self._queue_lasting(pipeline, lasting)
        pipeline.lpop(redis_keys.worker_inbox(self._worker), _INBOX_BATCH)
        try:
            *results, notes = await pipeline.execute()
        except redis_client.REDIS_ERRORS:
            for answer_id in sizes:
                self._written.pop(answer_id, None)
            raise
        for (answer_id, size), result in zip(sizes.items(), results, strict=False):
            if result is True or result == size:
                self._written[answer_id] = size
            else:
                self._written.pop(answer_id, None)
        return [note.decode() for note in notes or []]

    def _queue_lasting(self, pipeline: Pipeline, lasting: Lasting) -> None:
        pipeline.set(redis_keys.worker_lease(self._worker), "1", ex=WORKER_LEASE_SECONDS)
        for lease in lasting.to_renew:
            leases.renew(pipeline, lease)
        for answer_id, cost_so_far in lasting.costs.items():
            pipeline.set(redis_keys.answer_cost(answer_id), _packed(cost_so_far), ex=_TEXT_SECONDS)

    def _queue_text(self, pipeline: Pipeline, answer: LiveAnswer, renew: bool) -> bool:
        """Queues what brings the mirror up to date; its reply is True or the size that the text in Redis then has."""
        written = self._written.get(answer.id)
        if written is None:
            if answer.text:
                pipeline.set(redis_keys.answer_text(answer.id), bytes(answer.text), ex=_TEXT_SECONDS)
        elif written < len(answer.text):
            pipeline.eval(_APPEND, 1, redis_keys.answer_text(answer.id), written, bytes(answer.text[written:]))
        elif renew:
            pipeline.strlen(redis_keys.answer_text(answer.id))  # an emptied Redis is noticed by this
        else:
            return False
        return written is not None or bool(answer.text)

    async def release(self, lease: leases.Lease) -> None:
        """Frees a slot and its reservation. Without a thread: where a locked database holds all of them, leases must not wait for one."""
        pipeline = self._client.pipeline(transaction=False)
        leases.queue_release(pipeline, lease)
        await pipeline.execute()

    async def ended(self, answer_id: UUID, *, stored: bool) -> None:
        """Forgets what the answer cost and, where it is `stored`, tells other workers' readers that it is saved."""
        self._written.pop(answer_id, None)
        pipeline = self._client.pipeline(transaction=False)
        pipeline.delete(redis_keys.answer_cost(answer_id))
        if stored:
            pipeline.set(redis_keys.answer_end(answer_id), "1", ex=_TEXT_SECONDS)
        await pipeline.execute()

    def forget(self, answer_id: UUID) -> None:
        self._written.pop(answer_id, None)

    async def note(self, worker: str, notes: Sequence[str]) -> None:
        """Leaves notes in another worker's inbox: "stop <answer>", "watch <answer>"."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.rpush(redis_keys.worker_inbox(worker), *notes)
        pipeline.expire(redis_keys.worker_inbox(worker), _INBOX_SECONDS)
        await pipeline.execute()

    async def tell(self, answer_id: UUID, text: bytes) -> None:
        """Says the text of a stateless answer that was stopped to whoever listens at this moment; nothing of it stays in Redis."""
        await self._client.publish(redis_keys.final_text_channel(answer_id), text)

    @contextlib.asynccontextmanager
    async def listening(self, answer_id: UUID) -> AsyncIterator[Callable[[], Awaitable[str]]]:
        """Hears what `tell` says on another worker while the block runs. Gives a function that waits for it, but not for long: "" then.

        Where too many listen already it hears nothing.
        """
        if self._listeners >= _MOST_LISTENERS:
            yield nothing
            return
        self._listeners += 1
        try:
            async with self._client.pubsub(ignore_subscribe_messages=True) as channel:
                await channel.subscribe(redis_keys.final_text_channel(answer_id))
                yield lambda: _heard(channel)
        finally:
            self._listeners -= 1

    async def read(self, answers: Sequence[LiveAnswer]) -> list[bool]:
        """Appends to each answer, which another worker generates, what its mirror has more; returns which of them ended."""
        pipeline = self._client.pipeline(transaction=False)
        for answer in answers:
            pipeline.getrange(redis_keys.answer_text(answer.id), len(answer.text), -1)
            pipeline.exists(redis_keys.answer_end(answer.id))
        results = await pipeline.execute()
        for answer, more in zip(answers, results[::2], strict=True):
            # One that ended while Redis was asked has all of its text already.
            if more and not answer.ended:
                answer.append_bytes(more)
        return [bool(ended) for ended in results[1::2]]

    async def left(self, answer_id: UUID) -> tuple[str, RunningCost]:
        """What there is of an answer whose worker was lost: its text up to the last flush, and its cost up to the last renewal."""
        text, packed = await self._client.mget(redis_keys.answer_text(answer_id), redis_keys.answer_cost(answer_id))
        return text.decode(errors="replace") if isinstance(text, bytes) else "", _so_far(packed)

    async def alive(self, workers: Sequence[str]) -> list[bool]:
        """Which of the workers hold a lease."""
        pipeline = self._client.pipeline(transaction=False)
        for worker in workers:
            pipeline.exists(redis_keys.worker_lease(worker))
        return [bool(result) for result in await pipeline.execute()]

    async def resign(self) -> None:
        """Gives up this worker's lease at its orderly end."""
        await self._client.delete(redis_keys.worker_lease(self._worker), redis_keys.worker_inbox(self._worker))
