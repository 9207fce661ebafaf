"""Keeps text, cost and end of running answers in Redis.

Readers on other workers read them there, and the claim of a lost answer uses them. Redis may go and
come back, or be emptied. What it holds then is not known, so the next flush writes the whole text
again.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from redis import Redis as BlockingRedis
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from chat import redis_keys
from chat.answers.live_answer import LiveAnswer
from chat.upstream.cost import Bill, RunningCost

_KEPT_SECONDS = 3600

# KEYS: the text. ARGV: its size in bytes, the bytes that follow. Returns the new size, or -1 where
# the size is another: no reader may see the middle of an answer at the start of an emptied key.
_APPEND = """
if redis.call('STRLEN', KEYS[1]) ~= tonumber(ARGV[1]) then return -1 end
return redis.call('APPEND', KEYS[1], ARGV[2])
"""


def read_costs_and_leases(
    client: BlockingRedis, answers: Sequence[UUID], workers: Sequence[str]
) -> tuple[list[RunningCost], list[bool]]:
    """Returns what each answer has cost so far, and which workers hold a lease.

    Blocks on Redis, for one pipeline.
    """
    pipeline = client.pipeline(transaction=False)
    for answer in answers:
        pipeline.get(redis_keys.answer_cost(answer))
    for worker in workers:
        pipeline.exists(redis_keys.worker_lease(worker))
    replies = pipeline.execute()
    costs, leases = replies[: len(answers)], replies[len(answers) :]
    return [_unpack_cost(reply) for reply in costs], [bool(reply) for reply in leases]


def _pack_cost(cost: RunningCost) -> str:
    bill = cost.bill
    return f"{bill.prompt_tokens} {bill.completion_tokens} {bill.cost_usd} {cost.model}"


def _unpack_cost(packed: object) -> RunningCost:
    if not isinstance(packed, bytes):
        return RunningCost("", Bill())
    prompt, completion, cost, model = packed.decode().split(" ", 3)
    return RunningCost(model, Bill(int(prompt), int(completion), Decimal(cost), estimated=True))


class AnswerStore:
    """Writes the answers of one worker and reads those of others.

    Its coroutines raise `redis_client.REDIS_ERRORS`.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client
        # The bytes of each answer's text that are in Redis; no entry where none are, or where that
        # is not known.
        self._written: dict[UUID, int] = {}

    def queue_texts(
        self, pipeline: Pipeline, answers: Iterable[LiveAnswer], *, verify: bool
    ) -> dict[UUID, int]:
        """Queues the text that Redis lacks; returns the sizes in bytes that it will have then.

        There is one reply for each size. With `verify`, the sizes of unchanged texts are asked for
        too, so that an emptied Redis is noticed.
        """
        return {
            answer.id: len(answer.text)
            for answer in answers
            if self._queue_text(pipeline, answer, verify)
        }

    def _queue_text(self, pipeline: Pipeline, answer: LiveAnswer, verify: bool) -> bool:
        key, written = redis_keys.answer_text(answer.id), self._written.get(answer.id)
        if written is None:
            if answer.text:
                pipeline.set(key, bytes(answer.text), ex=_KEPT_SECONDS)
        elif written < len(answer.text):
            pipeline.eval(_APPEND, 1, key, written, bytes(answer.text[written:]))
        elif verify:
            pipeline.strlen(key)
        else:
            return False
        return written is not None or bool(answer.text)

    def texts_written(self, sizes: Mapping[UUID, int], replies: Sequence[object]) -> None:
        """Takes the replies to `queue_texts`: True or the new size where all is well.

        A text with any other reply is written whole the next time.
        """
        for (answer_id, size), reply in zip(sizes.items(), replies, strict=False):
            if reply is True or reply == size:
                self._written[answer_id] = size
            else:
                self._written.pop(answer_id, None)

    def forget(self, answer_ids: Iterable[UUID]) -> None:
        """Forgets what is written of answers that have ended or whose write may have failed."""
        for answer_id in answer_ids:
            self._written.pop(answer_id, None)

    def queue_costs(self, pipeline: Pipeline, costs: Mapping[UUID, RunningCost]) -> None:
        """Queues what each running answer has cost so far."""
        for answer_id, cost in costs.items():
            pipeline.set(redis_keys.answer_cost(answer_id), _pack_cost(cost), ex=_KEPT_SECONDS)

    async def write_end(self, answer_id: UUID, *, stored: bool) -> None:
        """Deletes the cost of an ended answer; where it is `stored`, marks its end as saved.

        The mark tells readers on other workers to read the end from the database.
        """
        pipeline = self._client.pipeline(transaction=False)
        pipeline.delete(redis_keys.answer_cost(answer_id))
        if stored:
            pipeline.set(redis_keys.answer_end(answer_id), "1", ex=_KEPT_SECONDS)
        await pipeline.execute()

    async def read(self, answers: Sequence[LiveAnswer]) -> list[bool]:
        """Appends to each answer of another worker what Redis has more; returns which ended."""
        pipeline = self._client.pipeline(transaction=False)
        for answer in answers:
            pipeline.getrange(redis_keys.answer_text(answer.id), len(answer.text), -1)
            pipeline.exists(redis_keys.answer_end(answer.id))
        results = await pipeline.execute()
        for answer, more in zip(answers, results[::2], strict=True):
            # An answer that ended while Redis was asked has all of its text already.
            if more and not answer.ended:
                answer.append_bytes(more)
        return [bool(ended) for ended in results[1::2]]

    async def read_lost(self, answer_id: UUID) -> tuple[str, RunningCost]:
        """Returns the text and the cost that a lost worker left of an answer.

        The text is that of its last flush, the cost that of its last renewal.
        """
        text, packed = await self._client.mget(
            redis_keys.answer_text(answer_id), redis_keys.answer_cost(answer_id)
        )
        decoded = text.decode(errors="replace") if isinstance(text, bytes) else ""
        return decoded, _unpack_cost(packed)
