"""Admission against a model of it that a person can check.

Turns, ends, crashes, clock steps, an emptied Redis and changed quotas come at random. The gates
run as they are, on a Redis and a clock inside this process: only so can a test wait for midnight.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from unittest import mock
from uuid import UUID, uuid4

import pytest
from django.core.cache import caches
from django.db import transaction
from django.test import override_settings
from django.utils import timezone
from django_ratelimit.core import _get_window
from hypothesis import Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chat import redis_client
from chat.answers import recovery
from chat.errors import Refusal
from chat.limits import admission, budgets, leases, reservations, windows
from chat.limits.admission_request import AdmissionRequest
from chat.models import Quota, SitePolicy, Usage
from chat.requester import Requester
from chat.upstream.cost import Bill, RunningCost

WAITING_HELPS = {"rate_limited", "tokens_exhausted", "spend_exhausted"}
# Far from the days of any other test's rows; a month with a 31st, so that days and months end in
# different steps.
BEGINNING = datetime(2040, 1, 30, 22, tzinfo=UTC)


class Clock:
    """The one clock of Django, django-ratelimit and Redis while it is `running`."""

    def __init__(self) -> None:
        self.now = BEGINNING

    @contextmanager
    def running(self) -> Iterator[None]:
        with (
            mock.patch("time.time", self._seconds),
            mock.patch("django.utils.timezone.now", self._moment),
        ):
            yield

    def _seconds(self) -> float:
        return self.now.timestamp()

    def _moment(self) -> datetime:
        return self.now

    @property
    def today(self) -> int:
        return reservations.day_number(timezone.localdate(self.now))


@dataclass
class Turn:
    """Holds an admitted turn: what it reserved, and until when its lease holds.

    None: the next look sets the lease up again.
    """

    person: str
    tokens: int
    micro_usd: int
    day: int
    lease: datetime | None
    taken: admission.Admission
    crashed: bool = False


@dataclass
class Settled:
    person: str
    tokens: int
    micro_usd: int
    day: int


class Gates(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.latest = self.clock.now
        self.turns: dict[str, Turn] = {}
        self.ledger: list[Settled] = []
        self.counted: dict[tuple[str, int, int], int] = {}
        # In a transaction that is never committed: the sites of other tests would claim these
        # answers, which no worker holds.
        self.patches: list[AbstractContextManager[object]] = [
            self.clock.running(),
            override_settings(REDIS_IN_PROCESS=True),
            transaction.atomic(),
        ]
        for patch in self.patches:
            patch.__enter__()
        self._fresh_redis()
        # The same in every run: windows begin at moments that follow from the key.
        self.people = ["model-1", "model-2"]
        self.ids = (UUID(int=number) for number in count(1))
        self.asked: set[bytes] = set()
        self._leave_an_answer_of_another_test()

    def _leave_an_answer_of_another_test(self) -> None:
        """Adds a running answer that no model knows, of another day, as other tests leave some."""
        Usage.objects.create(
            answer=uuid4(),
            owner_key="",
            limit_key=self._key("another"),
            model="model",
            prompt_tokens=1,
            day=date(2039, 6, 1),
        )

    def teardown(self) -> None:
        transaction.set_rollback(True)
        for patch in reversed(self.patches):
            patch.__exit__(None, None, None)
        self._fresh_redis()

    def _fresh_redis(self) -> None:
        redis_client.client.cache_clear()
        redis_client.in_process_server.cache_clear()
        with suppress(AttributeError):
            del caches["default"]

    # --- What is asked -----------------------------------------------------------

    @initialize(
        requests=st.sampled_from(["", "3/m", "2/10s, 5/m", "4/2m, 20/d"]),
        most=st.sampled_from([None, 1, 2, 4]),
        tokens=st.sampled_from([None, 100, 250]),
        usd=st.sampled_from([None, Decimal("0.0003"), Decimal("0.001")]),
        site=st.sampled_from([None, 300]),
    )
    def configure(
        self,
        requests: str,
        most: int | None,
        tokens: int | None,
        usd: Decimal | None,
        site: int | None,
    ) -> None:
        self._change(requests, most, tokens, usd, site)

    @rule(
        requests=st.sampled_from(["", "1/m", "3/m", "2/10s, 5/m"]),
        most=st.sampled_from([None, 1, 3]),
        tokens=st.sampled_from([None, 100, 400]),
        usd=st.sampled_from([None, Decimal("0.0003")]),
        site=st.sampled_from([None, 300]),
    )
    def change_the_quota(
        self,
        requests: str,
        most: int | None,
        tokens: int | None,
        usd: Decimal | None,
        site: int | None,
    ) -> None:
        self._change(requests, most, tokens, usd, site)

    def _change(
        self,
        requests: str,
        most: int | None,
        tokens: int | None,
        usd: Decimal | None,
        site: int | None,
    ) -> None:
        self.quota = Quota(
            name="model",
            requests=requests,
            concurrent_streams=most,
            tokens_per_day=tokens,
            spend_per_month_usd=usd,
        )
        self.policy = SitePolicy(tokens_per_day=site)

    def _ask(self, person: str, tokens: int) -> AdmissionRequest:
        requester = Requester(user_id=None, guest="", ip=person)
        answer = str(next(self.ids))
        self.asked.add(answer.encode())
        return AdmissionRequest(
            answer,
            requester,
            self.quota,
            self.policy,
            tokens,
            tokens * 2,
            timezone.localdate(),
        )

    @staticmethod
    def _key(person: str) -> str:
        return f"ip:{person}"

    # --- What happens --------------------------------------------------------------

    @rule(who=st.integers(0, 1), tokens=st.integers(1, 100))
    def ask(self, who: int, tokens: int) -> None:
        self._ask_as_the_model_says(self.people[who], tokens)

    @rule(who=st.integers(0, 1), tokens=st.integers(1, 100))
    def ask_wait_as_told_and_ask_again(self, who: int, tokens: int) -> None:
        """J5: when Retry-After has passed and no one else asked, the turn passes.

        Not for slots: their time is not known, nor what the answers in them will have cost by then.
        Nor is it known, where a clock was set back, whether the windows to come were used already.
        """
        known = not self._slots_are_taken(self.people[who]) and self.clock.now >= self.latest
        refusal = self._ask_as_the_model_says(self.people[who], tokens)
        if refusal is None or refusal.code not in WAITING_HELPS:
            return
        assert refusal.retry_after
        self._advance(timedelta(seconds=refusal.retry_after))
        again = self._ask_as_the_model_says(self.people[who], tokens)
        assert again is None or again.code == "too_many_streams" or not known

    @rule(who=st.integers(0, 1), tokens=st.integers(1, 100))
    def ask_and_give_back(self, who: int, tokens: int) -> None:
        """The database refuses the turn: it has cost nothing."""
        before = self._seen(self.people[who])
        try:
            taken = admission.pass_gates(self._ask(self.people[who], tokens))
        except Refusal:
            return
        admission.give_back_here(taken)
        assert self._seen(self.people[who]) == before

    def _ask_as_the_model_says(self, person: str, tokens: int) -> Refusal | None:
        asked = self._ask(person, tokens)
        before = self._seen(person)
        expected = self._refusing(person, asked)
        try:
            asked = admission.check_windows(asked)
            taken = admission.admit_here(asked)
        except Refusal as refused:
            refusal = refused
        else:
            assert not expected, expected
            self._began(person, asked, taken)
            return None
        assert refusal.code in expected, (refusal.code, expected)
        assert self._seen(person) == before
        return refusal

    def _began(self, person: str, asked: AdmissionRequest, taken: admission.Admission) -> None:
        Usage.objects.create(
            answer=asked.id,
            owner_key="",
            limit_key=self._key(person),
            model="model",
            prompt_tokens=asked.tokens,
            cost_usd=Decimal(asked.micro_usd).scaleb(-6),
            day=asked.day,
        )
        self.turns[asked.id] = Turn(
            person, asked.tokens, asked.micro_usd, self.clock.today, self._lease(), taken
        )
        for rate in self.quota.rates:
            window = (person, rate.period, self._window(person, rate.period))
            self.counted[window] = self.counted.get(window, 0) + 1

    @precondition(lambda self: self.turns)
    @rule(
        data=st.data(),
        share=st.sampled_from([Decimal(0), Decimal("0.3"), Decimal(1), Decimal("1.5")]),
    )
    def end_an_answer(self, data: st.DataObject, share: Decimal) -> None:
        """Ends an answer that cost less than was reserved, as much, or more than it was allowed."""
        answer = data.draw(st.sampled_from(sorted(self.turns)))
        turn = self.turns.pop(answer)
        tokens, micro_usd = int(turn.tokens * share), int(turn.micro_usd * share)
        Usage.objects.filter(answer=answer).update(
            outcome="complete", prompt_tokens=tokens, cost_usd=Decimal(micro_usd).scaleb(-6)
        )
        reservations.free(turn.taken.lease)
        self.ledger.append(Settled(turn.person, tokens, micro_usd, turn.day))

    @precondition(lambda self: self.turns)
    @rule(data=st.data())
    def lose_a_worker(self, data: st.DataObject) -> None:
        self.turns[data.draw(st.sampled_from(sorted(self.turns)))].crashed = True

    @rule()
    def empty_redis(self) -> None:
        """Windows are forgotten; slots and reservations are not, for the ledger has them."""
        redis_client.client().flushall()
        self.counted.clear()
        for turn in self.turns.values():
            turn.lease = None
        self._renew()

    @rule(seconds=st.sampled_from([-4, 0.3, 1, 4, 9, 30, 61, 600, 3601]))
    def let_time_pass(self, seconds: float) -> None:
        self._advance(timedelta(seconds=seconds))

    def _advance(self, step: timedelta) -> None:
        self.clock.now += step
        self.latest = max(self.latest, self.clock.now)
        self._renew()
        self._claim()

    def _renew(self) -> None:
        """What living workers do every second: nobody asks in between, so once is the same."""
        pipeline: Any = redis_client.client().pipeline()
        for turn in self.turns.values():
            if not turn.crashed:
                leases.renew(pipeline, turn.taken.lease)
                turn.lease = self._lease()
        pipeline.execute()

    def _claim(self) -> None:
        """What living workers do with the answers of a lost one, some seconds later."""
        for answer, turn in list(self.turns.items()):
            if turn.crashed and (turn.lease is None or turn.lease <= self.clock.now):
                assert recovery.claim(UUID(answer), "", RunningCost("", Bill()))
                row = Usage.objects.get(answer=answer)
                spent = budgets.micro_usd(row.cost_usd)
                self.ledger.append(
                    Settled(turn.person, row.prompt_tokens + row.completion_tokens, spent, turn.day)
                )
                del self.turns[answer]

    # --- What should be ---------------------------------------------------------------

    def _lease(self) -> datetime:
        return self.clock.now + timedelta(seconds=leases.LEASE_SECONDS)

    def _set_up(self, person: str) -> None:
        """Does what the first look at a limited subject does after Redis was emptied.

        From the ledger it knows again what runs.
        """
        if self.quota.concurrent_streams is not None or reservations.has_budget(self.quota):
            leases.version(
                redis_client.client(),
                self._key(person),
                lambda: reservations.running(self._key(person)),
            )
            for turn in self.turns.values():
                if turn.lease is None and turn.person == person:
                    turn.lease = self._lease()
        if reservations.has_budget(self.policy):
            leases.version(
                redis_client.client(), reservations.SITE, lambda: reservations.running(None)
            )

    def _window(self, person: str, period: int) -> int:
        return int(_get_window(self._key(person), period))

    def _refusing(self, person: str, asked: AdmissionRequest) -> set[str]:
        """The codes of all gates that have no room for the turn."""
        codes = set()
        for rate in self.quota.rates:
            if (
                self.counted.get((person, rate.period, self._window(person, rate.period)), 0)
                >= rate.limit
            ):
                codes.add("rate_limited")
        if self._slots_are_taken(person):
            codes.add("too_many_streams")
        if self._over(self.quota.tokens_per_day, self._tokens(person) + asked.tokens):
            codes.add("tokens_exhausted")
        if self.quota.spend_per_month_usd is not None and self._micro_usd(
            person
        ) + asked.micro_usd > budgets.micro_usd(self.quota.spend_per_month_usd):
            codes.add("spend_exhausted")
        if self._over(self.policy.tokens_per_day, self._tokens(None) + asked.tokens):
            codes.add("tokens_exhausted")
        return codes

    def _slots_are_taken(self, person: str) -> bool:
        mine = [turn for turn in self.turns.values() if turn.person == person]
        running = [turn for turn in mine if turn.lease is None or turn.lease > self.clock.now]
        return (
            self.quota.concurrent_streams is not None
            and len(running) >= self.quota.concurrent_streams
        )

    @staticmethod
    def _over(limit: int | None, tokens: int) -> bool:
        return limit is not None and tokens > limit

    def _tokens(self, person: str | None) -> int:
        """Of today: settled, and reserved."""
        return sum(part.tokens for part in self._parts(person) if part.day == self.clock.today)

    def _micro_usd(self, person: str | None) -> int:
        return sum(
            part.micro_usd
            for part in self._parts(person)
            if part.day // 100 == self.clock.today // 100
        )

    def _parts(self, person: str | None) -> list[Settled | Turn]:
        parts: list[Settled | Turn] = [*self.ledger, *self.turns.values()]
        return [part for part in parts if person in (None, part.person)]

    def _seen(self, asking: str) -> dict[str, object]:
        """What Redis holds for everybody: what a refused turn must leave as it is."""
        self._set_up(asking)
        seen: dict[str, object] = {}
        for person in self.people:
            key = self._key(person)
            used = windows.peek(windows.TURNS, key, self.quota.rates)
            seen[person] = (
                [window.used for window in used],
                self._held(key),
                leases.in_use(redis_client.client(), key),
            )
        return seen | {"site": self._held(reservations.SITE)}

    def _held(self, subject: str) -> dict[bytes, bytes]:
        """Returns the reservations of this model's answers; the site's hold others too."""
        reserved: Any = redis_client.client().hgetall(f"chatsite:{{{subject}}}:reserved")
        return {answer: value for answer, value in reserved.items() if answer in self.asked}

    @invariant()
    def nothing_is_left_when_nothing_runs(self) -> None:
        if not self.turns:
            assert all(
                not self._held(subject)
                for subject in (*map(self._key, self.people), reservations.SITE)
            )


Gates.TestCase.settings = hypothesis_settings(
    max_examples=100, stateful_step_count=30, deadline=None, phases=[Phase.generate]
)


@pytest.mark.usefixtures("db_ready")
class TestGates(Gates.TestCase):  # type: ignore[valid-type]
    """Hypothesis makes the test of it."""
