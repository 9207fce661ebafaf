"""Limits that count and refuse nobody, and limits without a Redis of their own."""

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from chat.models import ChatModel, Usage
from tests.harness import wire
from tests.harness.footprint import used
from tests.harness.refusals import assert_refused, post
from tests.harness.resets import midnight
from tests.harness.site import Site
from tests.harness.turns import SETTLED, ask, asked_at_once, bound, finish, held_open, outcomes
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.conftest import MakeUser, StartSite


# --- Shadow mode --------------------------------------------------------------------------------


def test_a_quota_in_shadow_mode_lets_through_counts_and_records(
    site: Site, make_user: "MakeUser", upstream: Upstream, gate: wire.Gate
) -> None:
    limits: dict[str, Any] = {
        "requests": "3/d",
        "concurrent_streams": 1,
        "max_prompt_chars": 30,
        "tokens_per_day": 40_000,
        "max_output_tokens": 5,
    }
    person = make_user(mode="shadow", **limits)
    key = held_open(upstream, gate)
    with asked_at_once(person.client_on(site), 3, content=key) as streams:
        assert outcomes(streams) == {"passed": 3}
        assert ask(person.client, content="a prompt of more than thirty characters").status == 200
        gate.open()
        finish(streams)
    assert upstream.requests(key)[0].body["max_completion_tokens"] > 5
    assert used(person.requester, "9/d") == [4]
    recorded = Counter(
        line.rpartition(": ")[2]
        for line in site.log().splitlines()
        if f"Shadow quota {person.quota.name!r}" in line
    )
    assert recorded == {"too_many_streams": 2, "prompt_too_long": 1, "rate_limited": 1}


def test_a_quota_that_leaves_shadow_mode_knows_what_was_used(
    site: Site, make_user: "MakeUser"
) -> None:
    person = make_user(mode="shadow", requests="2/d")
    assert [ask(person.client).status for _ in range(3)] == [200] * 3
    person.quota.mode = "enforce"
    person.quota.save()
    assert ask(person.client).status == 429


def test_the_sites_own_budget_holds_in_shadow_mode_too(
    site: Site, make_user: "MakeUser", small_model: ChatModel, site_budget: Callable[..., None]
) -> None:
    person = make_user(mode="shadow", requests="9/d", models=[small_model])
    site_budget(tokens=200)
    Usage.objects.create(
        answer=uuid4(),
        owner_key="test",
        limit_key="test",
        model="x",
        prompt_tokens=200,
        outcome="complete",
    )
    refused = post(person.client, {"content": "hi", "model": small_model.slug})
    assert_refused(refused, 429, "tokens_exhausted", retry_after=midnight(), limit="tokens_per_day")
    assert used(person.requester, "9/d") == [0]


# --- A Redis inside the process -------------------------------------------------


def test_the_same_limits_hold_with_a_redis_inside_the_process(
    start_site: "StartSite",
    make_user: "MakeUser",
    small_model: ChatModel,
    upstream: Upstream,
    gate: wire.Gate,
) -> None:
    key = held_open(upstream, gate)
    own_site = start_site(REDIS_URL="memory://")
    busy = make_user(requests="5/d", concurrent_streams=2)
    with asked_at_once(busy.client_on(own_site), 8, content=key) as streams:
        assert outcomes(streams) == {"passed": 2, "too_many_streams": 6}
        gate.open()
        finish(streams)
    assert ask(busy.client_on(own_site)).status == 200
    frequent = make_user(requests="3/d")
    with asked_at_once(frequent.client_on(own_site), 9, content="hello") as streams:
        assert outcomes(streams) == {"passed": 3, "rate_limited": 6}
        finish(streams)
    spender = make_user(tokens_per_day=bound("hello") + SETTLED - 1, models=[small_model])
    assert [ask(spender.client_on(own_site)).status for _ in range(2)] == [200, 429]
