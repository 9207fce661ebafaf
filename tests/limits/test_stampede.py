"""200 turns at the same moment on two workers against each gate: never one too many."""

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from chat.models import ChatModel, Usage
from tests.harness import wire
from tests.harness.answers import owner_pid, wait_until
from tests.harness.footprint import footprint, used, with_time_left
from tests.harness.site import Site
from tests.harness.turns import ask, asked_at_once, bound, finish, held_open, outcomes
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.conftest import MakeUser, StartSite


TURNS = 200
CLAIMED_SECONDS = 15


@pytest.fixture
def stampede(
    site2: Site, make_user: "MakeUser", small_model: ChatModel, upstream: Upstream, gate: wire.Gate
) -> Callable[..., None]:
    """Runs the turns of a person with that quota, and checks that `passed` reached the upstream.

    All the others must have left nothing.
    """

    def run(passed: int, code: str, **quota: Any) -> None:
        key = held_open(upstream, gate)
        limits = {name: value(key) if callable(value) else value for name, value in quota.items()}
        person = with_time_left(
            make_user, 40, **{"requests": "1000/d", "models": [small_model], **limits}
        )
        with asked_at_once(person.client_on(site2), TURNS, content=key) as streams:
            assert outcomes(streams) == {"passed": passed, code: TURNS - passed}
            running = footprint(person.requester, person.quota.requests)
            assert (running.windows, running.slots, running.reservations, running.ledger) == (
                [passed],
                passed,
                passed,
                passed,
            )
            gate.open()
            finish(streams)
        assert len(upstream.requests(key)) == passed
        after = footprint(person.requester, person.quota.requests)
        assert (after.windows, after.slots, after.reservations, after.messages) == (
            [passed],
            0,
            0,
            2 * passed,
        )

    return run


def test_never_more_than_the_request_limit(stampede: Callable[..., None]) -> None:
    stampede(10, "rate_limited", requests="10/m")


def test_never_more_than_the_slots(stampede: Callable[..., None]) -> None:
    stampede(3, "too_many_streams", concurrent_streams=3)


def test_never_more_than_the_tokens_of_a_day(stampede: Callable[..., None]) -> None:
    stampede(4, "tokens_exhausted", tokens_per_day=lambda key: 5 * bound(key) - 1)


def test_never_more_than_the_money_of_a_month(stampede: Callable[..., None]) -> None:
    # A cent a thousand tokens; the budget has four decimals.
    stampede(
        3,
        "spend_exhausted",
        spend_per_month_usd=lambda key: Decimal(35 * bound(key) // 10 // 10) / 10_000,
    )


def test_never_more_than_the_sites_tokens(
    stampede: Callable[..., None], site_budget: Callable[..., None]
) -> None:
    site_budget(tokens=5 * bound("key-00000") - 1)
    stampede(4, "tokens_exhausted")


def test_a_worker_killed_in_the_middle_gives_everything_back(
    make_user: "MakeUser",
    start_site: "StartSite",
    small_model: ChatModel,
    upstream: Upstream,
    gate: wire.Gate,
) -> None:
    site = start_site(workers=2)
    key = held_open(upstream, gate)
    person = make_user(
        requests="1000/d",
        concurrent_streams=20,
        tokens_per_day=100 * bound(key),
        models=[small_model],
    )
    with asked_at_once(person.client_on(site), TURNS, content=key) as streams:
        assert outcomes(streams) == {"passed": 20, "too_many_streams": TURNS - 20}
        mine = Usage.objects.filter(user=person.user)
        # Not just any of the two: one may have been quicker to take all of them.
        site.kill9(owner_pid(str(mine.filter(outcome="running")[0].answer)))

        def only_the_living_are_left() -> bool:
            left, seen = (
                mine.filter(outcome="running").count(),
                footprint(person.requester, "1000/d"),
            )
            return left < 20 and seen.slots == seen.reservations == left

        wait_until(only_the_living_are_left, CLAIMED_SECONDS)
        gate.open()
    wait_until(lambda: not mine.filter(outcome="running").exists())
    wait_until(lambda: footprint(person.requester, "1000/d").slots == 0)
    assert mine.count() == 20
    assert used(person.requester, "1000/d") == [20]
    assert ask(person.client_on(site), content=key).status == 200
