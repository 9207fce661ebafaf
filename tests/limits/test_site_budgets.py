"""Tokens of a day and money of a month of the whole site are shared by all."""

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from chat.models import ChatModel
from tests.harness import wire
from tests.harness.footprint import footprint, used
from tests.harness.refusals import assert_refused
from tests.harness.resets import midnight, next_month
from tests.harness.site import Site
from tests.harness.turns import ask, asked_at_once, bound, finish, held_open, outcomes
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.conftest import MakeUser


def test_the_sites_tokens_are_shared_by_everybody(
    site2: Site,
    make_user: "MakeUser",
    small_model: ChatModel,
    upstream: Upstream,
    gate: wire.Gate,
    site_budget: Callable[..., None],
) -> None:
    key = held_open(upstream, gate)
    carol, dora = (
        make_user(requests="100/d", concurrent_streams=9, models=[small_model]) for _ in range(2)
    )
    site_budget(tokens=4 * bound(key) - 1)
    with (
        asked_at_once(carol.client_on(site2), 6, content=key) as first,
        asked_at_once(dora.client_on(site2), 6, content=key) as second,
    ):
        assert outcomes([*first, *second]) == {"passed": 3, "tokens_exhausted": 9}
        refused = next(stream for stream in second if stream.status == 429)
        assert_refused(
            refused,
            429,
            "tokens_exhausted",
            retry_after=midnight(),
            limit="tokens_per_day",
            word="This site's",
        )
        assert footprint(carol.requester).slots == outcomes(first)["passed"]
        assert footprint(dora.requester).slots == outcomes(second)["passed"]
        gate.open()
        finish([*first, *second])
    assert ask(dora.client).status == 200
    assert len(upstream.requests(key)) == 3


def test_the_sites_money_is_shared_by_everybody(
    site2: Site,
    make_user: "MakeUser",
    small_model: ChatModel,
    upstream: Upstream,
    gate: wire.Gate,
    site_budget: Callable[..., None],
) -> None:
    key = held_open(upstream, gate)
    person = make_user(requests="100/d", models=[small_model])
    site_budget(usd=Decimal(10) * bound(key) * 2 / 1_000_000 + Decimal("0.0001"))
    with asked_at_once(person.client_on(site2), 8, content=key) as streams:
        assert outcomes(streams) == {"passed": 2, "spend_exhausted": 6}
        refused = next(stream for stream in streams if stream.status == 429)
        assert_refused(
            refused,
            429,
            "spend_exhausted",
            retry_after=next_month(),
            limit="spend_per_month_usd",
            word="This site's",
        )
        assert used(person.requester, "100/d") == [2]
        gate.open()
        finish(streams)
