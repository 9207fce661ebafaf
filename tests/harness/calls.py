"""One answer's call of the upstream in the test process, without a site or a database.

Client, Valkey and wire are the real ones.
"""

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from typing import Any
from uuid import uuid4

from chat.errors import AnswerError
from chat.limits.budgets import Prices
from chat.upstream.attempt import CompletionSink, Target
from chat.upstream.cost import Bill, CostMeter, Reserved
from chat.upstream.retry import CompletionCall, CompletionRequest, Upstream
from tests.harness.upstream import Upstream as FakeUpstream

DEAR = Prices(
    Decimal(1000), Decimal(2000)
)  # USD per million tokens: a tenth and a fifth of a cent each
CHEAP = Prices(Decimal(10), Decimal(20))


def target(most: int = 1000) -> Target:
    """A model of the test's own: one that said 429 is left alone by everybody."""
    return Target(f"own-{uuid4()}", most, 10_000)


def prompt(key: str, *earlier: str) -> list[dict[str, str]]:
    """Returns a conversation's messages: earlier prompts and answers, then the script's prompt."""
    texts = [*earlier, key]
    return [
        {"role": "assistant" if number % 2 else "user", "content": text}
        for number, text in enumerate(texts)
    ]


class Asked(CompletionSink):
    """A call and what came of it: `text`, `statuses`, and `error` where it failed."""

    def __init__(
        self,
        upstream: Upstream,
        messages: list[dict[str, str]],
        targets: Sequence[Target],
        *,
        prices: Sequence[Prices] = (DEAR, CHEAP),
        reserved: Reserved | None = None,
        stored: bool = True,
    ) -> None:
        self.received = ""
        self.statuses: list[dict[str, Any]] = []
        self.error: AnswerError | None = None
        by_slug = dict(zip((target.slug for target in targets), prices, strict=False))
        self.cost_meter = CostMeter(by_slug, reserved)
        self.call = CompletionCall(
            upstream, CompletionRequest(targets, messages, stored), self.cost_meter, self
        )

    async def run(self) -> "Asked":
        try:
            await self.call.run()
        except AnswerError as error:
            self.error = error
        return self

    @property
    def code(self) -> str:
        return self.error.code if self.error else ""

    @property
    def bill(self) -> Bill:
        return self.cost_meter.bill(self.call.attempts, len(self.received.encode()))

    @property
    def states(self) -> list[str]:
        return [status["state"] for status in self.statuses]

    # --- CompletionSink -------------------------------------------------------

    def on_text(self, text: str) -> None:
        self.received += text

    def on_status(self, payload: dict[str, Any]) -> None:
        self.statuses.append(payload)


Ask = Callable[..., Awaitable[Asked]]


def sent(upstream: FakeUpstream, key: str) -> list[list[str]]:
    """Returns the texts of the messages of each request that came for `key`."""
    return [
        [message["content"] for message in request.body["messages"]]
        for request in upstream.requests(key)
    ]
