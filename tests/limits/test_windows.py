"""Request windows are exact under many threads, free for the refused, and true about their end."""

from collections.abc import Callable
from itertools import count
from time import sleep, time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import redis

from chat.errors import LimitsUnavailable
from chat.limits import windows
from chat.limits.windows import Taken, Window
from chat.models import Usage
from chat.rates import parse_rates
from tests.harness.footprint import seconds_left, used, with_time_left
from tests.harness.site import Site
from tests.harness.visitor import all_at_once

if TYPE_CHECKING:
    from tests.conftest import MakeUser
    from tests.harness.client import Stream
    from tests.harness.people import Person

_numbers = count(1)

Take = Callable[[str], Taken]


@pytest.fixture
def take() -> Take:
    """Takes from windows that no other test uses."""
    value = f"test-windows-{next(_numbers)}"
    return lambda rates: windows.take("test", value, parse_rates(rates))


def passed(taken: Taken) -> bool:
    return not taken.full


def uses(taken: Taken) -> list[int]:
    return [window.used for window in taken.windows]


# --- Exactness ----------------------------------------------------------------


def test_of_many_threads_at_once_exactly_the_limit_passes(take: Take) -> None:
    results = all_at_once([lambda: take("10/d")] * 30)
    assert sum(map(passed, results)) == 10
    assert uses(take("11/d")) == [11]


def test_the_uses_that_pass_are_counted_one_by_one(take: Take) -> None:
    assert sorted(uses(result) for result in all_at_once([lambda: take("50/d")] * 20)) == [
        [number] for number in range(1, 21)
    ]


def test_two_windows_never_refuse_each_other_their_last_use(take: Take) -> None:
    """If both were taken before either is given back, two threads could refuse each other."""
    for number in range(1, 31):
        rates = f"{number}/h, {number}/d"
        assert sum(map(passed, all_at_once([lambda rates=rates: take(rates)] * 4))) == 1


def test_the_narrowest_of_several_windows_decides_for_all_at_once(take: Take) -> None:
    assert sum(map(passed, all_at_once([lambda: take("20/h, 9/5h, 7/d")] * 24))) == 7
    assert uses(take("100/h, 100/5h, 100/d")) == [8, 8, 8]


def test_refused_uses_are_not_counted(take: Take) -> None:
    assert [passed(take("2/d")) for _ in range(6)] == [True, True, False, False, False, False]
    assert uses(take("3/d")) == [3]


@pytest.mark.parametrize("rates", ["2/h, 9/5h, 9/d", "9/h, 2/5h, 9/d", "9/h, 9/5h, 2/d"])
def test_the_window_that_refuses_gives_back_the_others(take: Take, rates: str) -> None:
    assert [passed(take(rates)) for _ in range(4)] == [True, True, False, False]
    refused = take(rates)
    assert uses(refused) == [2, 2, 2]
    assert [window.rate.limit for window in refused.full] == [2]
    assert refused.keys == []
    assert uses(take("9/h, 9/5h, 9/d")) == [3, 3, 3]


def test_every_full_window_is_among_those_that_refuse(take: Take) -> None:
    take("1/h, 5/5h, 1/d")
    refused = take("1/h, 5/5h, 1/d")
    assert [window.rate.name for window in refused.full] == ["h", "d"]
    assert windows.retry_after(refused.full) == max(window.reset for window in refused.full)


def test_a_limit_of_none_refuses_and_counts_nothing(take: Take) -> None:
    assert not passed(take("0/d"))
    assert not passed(take("5/h, 0/d"))
    assert uses(take("5/h, 5/d")) == [1, 1]


def test_no_windows_refuse_nobody(take: Take) -> None:
    assert take("") == Taken([])


# --- What is kept and what is given back ------------------------------------------


def test_a_changed_limit_keeps_what_is_used(take: Take) -> None:
    assert [passed(take("10/d")) for _ in range(11)] == [True] * 10 + [False]
    assert [passed(take("20/d")) for _ in range(11)] == [True] * 10 + [False]
    assert not passed(take("5/d"))
    assert passed(take("21/d"))


def test_a_use_that_is_given_back_can_be_taken_again(take: Take) -> None:
    windows.give_back(take("1/h, 1/d").keys)
    assert passed(take("1/h, 1/d"))


def test_a_counter_that_has_expired_is_not_brought_back(
    take: Take, redis_client: redis.Redis
) -> None:
    keys = take("5/h, 5/d").keys
    redis_client.delete(*keys)
    windows.give_back(keys)
    assert redis_client.exists(*keys) == 0


def test_no_counter_falls_below_zero(take: Take) -> None:
    keys = take("5/d").keys
    windows.give_back(keys * 3)
    assert uses(take("5/d")) == [1]


def test_a_counter_that_redis_loses_between_two_commands_is_no_free_use(
    take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    """django-ratelimit says -1 seconds then; nothing may stay counted in the windows before."""
    from chat.limits.counting_cache import CountingCache

    take("5/h")

    def lost(self: CountingCache, key: str) -> int:
        raise ValueError(key)

    with monkeypatch.context() as patch:
        patch.setattr(CountingCache, "incr", lost)
        with pytest.raises(LimitsUnavailable):
            take("5/d, 5/h")
    assert uses(take("5/h, 5/d")) == [2, 1]


def test_looking_counts_nothing() -> None:
    value = f"test-windows-{next(_numbers)}"
    for _ in range(3):
        assert [window.used for window in windows.peek("test", value, parse_rates("2/h, 0/d"))] == [
            0,
            0,
        ]


# --- The clock ------------------------------------------------------------------------


def wait_for(moment: float) -> None:
    while (left := moment - time()) > 0:
        sleep(left)


def test_a_use_passes_when_retry_after_is_over_and_not_one_second_before(
    site: Site, make_user: "MakeUser"
) -> None:
    person = make_user(requests="2/3s")
    # A window's end is a whole second; we begin with a fresh one.
    start = int(time()) + seconds_left(person.requester, "2/3s")
    wait_for(start + 0.05)
    assert [ask(person).status for _ in range(2)] == [200, 200]
    # At the beginning of a second: most of one is left for the attempt that must be too early.
    wait_for(start + 1.05)
    refused = ask(person)
    at = time()
    after = int(refused.headers["Retry-After"])
    assert (refused.status, refused.json()["error"]["retry_after"]) == (429, after)
    assert start + 3 <= at + after < start + 4
    wait_for(at + after - 1)
    assert ask(person).status == 429
    wait_for(at + after)
    assert ask(person).status == 200


def test_retry_after_is_a_second_at_least_and_the_window_at_most(take: Take) -> None:
    assert windows.retry_after(take("0/s").full) == 1
    assert 1 <= windows.retry_after(take("0/3s").full) <= 3


# --- The headers ------------------------------------------------------------------------


def ask(person: "Person", **fields: Any) -> "Stream":
    with person.client.chat(content="hello", **fields) as stream:
        if stream.status == 200:
            stream.read()
        else:
            stream.json()
        return stream


def test_an_answer_says_what_is_left_of_every_window(site: Site, make_user: "MakeUser") -> None:
    person = with_time_left(make_user, 15, requests="10/m, 500/d")
    stream = ask(person)
    assert stream.headers["RateLimit-Policy"] == '"m";q=10;w=60, "d";q=500;w=86400'
    minute, day = (
        int(item.partition(";t=")[2]) for item in stream.headers["RateLimit"].split(", ")
    )
    assert stream.headers["RateLimit"] == f'"m";r=9;t={minute}, "d";r=499;t={day}'
    assert 1 <= minute <= 60
    assert 1 <= day <= 86400


def test_a_refusal_says_what_is_left_of_every_window(site: Site, make_user: "MakeUser") -> None:
    person = with_time_left(make_user, 15, requests="1/5m, 7/d")
    ask(person)
    refused = ask(person)
    assert refused.status == 429
    assert refused.headers["RateLimit-Policy"] == '"5m";q=1;w=300, "d";q=7;w=86400'
    items = refused.headers["RateLimit"].split(", ")
    assert [item.partition(";t=")[0] for item in items] == ['"5m";r=0', '"d";r=6']
    assert refused.headers["Retry-After"] == items[0].partition(";t=")[2]
    assert refused.json()["error"]["limit"] == "1/5m"
    assert used(person.requester, "1/5m, 7/d") == [1, 1]


@pytest.mark.parametrize("requests", ["9/m", "1/m"])
def test_a_refusal_by_another_gate_says_it_too(
    site: Site, make_user: "MakeUser", requests: str
) -> None:
    person = with_time_left(make_user, 15, requests=requests, tokens_per_day=2_000)
    assert ask(person).status == 200
    Usage.objects.filter(user=person.user).update(prompt_tokens=1_990)
    refused = ask(person)
    assert refused.json()["error"]["code"] == "tokens_exhausted"
    left = int(requests[0]) - 1
    assert refused.headers["RateLimit-Policy"] == f'"m";q={requests[0]};w=60'
    assert refused.headers["RateLimit"].startswith(f'"m";r={left};t=')


def test_a_turn_that_is_sent_again_says_what_is_left_and_uses_nothing(
    site: Site, make_user: "MakeUser"
) -> None:
    person = with_time_left(make_user, 15, requests="5/d")
    turn = str(uuid4())
    for _ in range(2):
        stream = ask(person, turn=turn)
        assert stream.status == 200
        assert stream.headers["RateLimit-Policy"] == '"d";q=5;w=86400'
        assert stream.headers["RateLimit"].startswith('"d";r=4;t=')


def test_without_a_limit_there_is_no_header(site: Site, make_user: "MakeUser") -> None:
    stream = ask(make_user())
    assert stream.status == 200
    assert not [name for name in stream.headers if name.lower().startswith("ratelimit")]


def test_headers_of_no_window_are_none() -> None:
    assert windows.headers([]) == {}
    rate = parse_rates("3/s")[0]
    assert windows.headers([Window(rate, 1, 1)]) == {
        "RateLimit-Policy": '"s";q=3;w=1',
        "RateLimit": '"s";r=2;t=1',
    }
