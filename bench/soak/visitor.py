"""A reader that behaves as the page does, but is cut off at random.

It resumes from its cursor, and sends a turn again under the same id.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from time import monotonic, sleep
from typing import Any
from uuid import uuid4

import httpx2

from bench.soak import model
from tests.harness.client import Client, Stream
from tests.harness.sse import Event
from tests.harness.upstream import Upstream

# It is in every prompt, to tell the requests of a soak from those of a test.
MARK = "In a soak: "
# All faults are over, and the answers of all lost workers claimed, long before this.
_ANSWER_SECONDS = 60
_CUT, _STOP, _LEAVE, _STATELESS, _GO_ON = 0.4, 0.15, 0.1, 0.1, 0.5
_AGAIN = {
    "limits_unavailable",
    "draining",
    "database_unavailable",
    "too_many_streams",
    "too_many_readers",
    "turn_conflict",
}
_PROXYS_OWN = {502, 504}
# There is no queue for slots: the other tabs of a person, which ask again at once, may take them
# each time.
_GIVE_UP = 0.2


@dataclass
class Reading:
    """Holds one answer as its reader saw it.

    `status` and `cursor` are those of `done`; None where the reader left before it.
    """

    plan: model.Plan
    stored: bool
    answer: str = ""
    text: str = ""
    status: str | None = None
    cursor: int | None = None
    errors: list[str] = field(default_factory=list)
    stop_said: dict[str, Any] | None = None


class Visitor:
    """Acts as one tab of one person.

    `readings` and `faults` fill while it runs; `counts` says what it did.
    """

    def __init__(self, client: Client, upstream: Upstream, dice: Random) -> None:
        self.readings: list[Reading] = []
        self.faults: list[str] = []
        self.counts: Counter[str] = Counter()
        self._client = client
        self._upstream = upstream
        self._dice = dice
        self._conversation: str | None = None

    def run(self, until: float) -> None:
        """Takes turn after turn until the monotonic time `until`."""
        while monotonic() < until:
            self.turn(model.draw(self._dice))

    def turn(self, plan: model.Plan) -> None:
        """Takes one turn, until it ends in any way."""
        prompt = MARK + self._upstream.script(*plan.attempts)
        reading = Reading(plan, stored=self._dice.random() >= _STATELESS)
        body: dict[str, Any] = {"messages": [{"role": "user", "content": prompt}]}
        if reading.stored:
            conversation = self._conversation if self._dice.random() < _GO_ON else None
            body = {"content": prompt, "turn": str(uuid4()), "conversation": conversation}
        deadline = monotonic() + _ANSWER_SECONDS
        while self._attempt(reading, body):
            if monotonic() > deadline:
                self.faults.append(
                    f"answer {reading.answer or '(not begun)'} did not end within"
                    f" {_ANSWER_SECONDS} s"
                )
                break
        if reading.answer:
            self.readings.append(reading)

    def _attempt(self, reading: Reading, body: dict[str, Any]) -> bool:
        """Begins or resumes the answer; returns whether to try again."""
        try:
            with self._open(reading, body) as stream:
                if stream.status != 200:
                    return self._may_try_again(stream, reading)
                if self._read(stream, reading):
                    return False
        except httpx2.TransportError:
            self.counts["connections lost"] += 1
            sleep(0.1)
        return reading.stored

    def _open(self, reading: Reading, body: dict[str, Any]) -> Stream:
        if not reading.answer:
            return self._client.chat(body)
        self.counts["resumed"] += 1
        return self._client.resume(reading.answer, str(len(reading.text.encode())))

    def _may_try_again(self, stream: Stream, reading: Reading) -> bool:
        if stream.status in _PROXYS_OWN:
            self.counts[f"{stream.status} of the proxy"] += 1
            sleep(0.2)
            return reading.stored
        error = stream.json()["error"]
        self.counts[error["code"]] += 1
        if error["code"] == "conversation_busy" or (
            error["code"] == "too_many_streams" and self._dice.random() < _GIVE_UP
        ):
            return False
        if error["code"] not in _AGAIN:
            self.faults.append(
                f"{stream.status} {error['code']} for answer {reading.answer or '(not begun)'}:"
                f" {error['message']}"
            )
            return False
        sleep(min(1.0, error.get("retry_after", 1)))
        return True

    def _read(self, stream: Stream, reading: Reading) -> bool:
        """Reads to the end, or until the dice choose something else.

        Returns whether this reader is done with the answer.
        """
        action, after = self._action(), self._dice.randint(1, 6)
        for number, event in enumerate(self._taken(stream, reading), 1):
            if event.is_end:
                return True
            if number == after and action is not None:
                return action(reading)
        return False

    def _action(self) -> Callable[[Reading], bool] | None:
        die = self._dice.random()
        for chance, action in ((_CUT, self._cut), (_STOP, self._stop), (_LEAVE, self._leave)):
            if die < chance:
                return action
            die -= chance
        return None

    def _taken(self, stream: Stream, reading: Reading) -> Iterator[Event]:
        for event in stream:
            if event.name == "start":
                reading.answer = event.data["answer"]
                self._conversation = event.data["conversation"] or self._conversation
            elif event.name == "delta":
                reading.text += event.data["text"]
            elif event.name == "error":
                reading.errors.append(event.data["code"])
            elif event.name == "done":
                reading.status, reading.cursor = event.data["status"], int(event.id or 0)
            yield event

    # --- what the dice may say ----------------------------------------------------

    def _cut(self, reading: Reading) -> bool:
        self.counts["cut"] += 1
        return False

    def _leave(self, reading: Reading) -> bool:
        self.counts["left"] += 1
        return True

    def _stop(self, reading: Reading) -> bool:
        self.counts["stopped"] += 1
        with suppress(httpx2.TransportError):
            response = self._client.stop(reading.answer)
            if response.status_code == 200:
                reading.stop_said = response.json()
        return False

    def close(self) -> None:
        self._client.close()
