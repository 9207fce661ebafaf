"""The answers of a worker that was killed or stood still are claimed by another."""

import os
import signal
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import httpx2
import pytest
import redis
from django.utils import timezone

from chat import redis_keys
from chat.answers import recovery
from chat.models import Message, Usage
from chat.upstream.cost import Bill, RunningCost
from tests.harness import wire
from tests.harness.answers import message, wait_until
from tests.harness.ends import check_slot_is_free, whole
from tests.harness.people import Person
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.conftest import MakeUser, StartApart, StartSite

CLAIMED_SECONDS = 15


def test_answer_of_a_killed_worker_is_claimed_by_another(
    person: Person, start_apart: "StartApart", upstream: Upstream
) -> None:
    apart = start_apart(person, workers=2)
    key = upstream.script([*wire.text("some text"), wire.Stall()])
    stream = apart.client().chat(content=key)
    stream.until_text("some text")
    answer = stream.answer
    killed = apart.owner(answer)
    with apart.client_elsewhere(answer).resume(answer) as reader:
        reader.until_text("some text")
        apart.site.kill9(killed)
        killed_at = monotonic()
        whole(reader)
        assert monotonic() - killed_at < CLAIMED_SECONDS
    with pytest.raises(httpx2.TransportError):
        stream.read()
    assert reader.named("error")[0]["code"] == "worker_lost"
    (done,) = reader.named("done")
    assert (done["status"], done["usage"]["estimated"]) == ("interrupted", True)
    assert apart.answer(answer) == ("interrupted", "some text", "worker_lost")
    assert apart.usage(answer) == ("interrupted", True)
    apart.site.wait_for_workers(without=killed)
    check_slot_is_free(apart.client())


def test_answer_of_the_only_worker_is_claimed_when_it_is_back(
    person: Person, start_apart: "StartApart", upstream: Upstream
) -> None:
    apart = start_apart(person)
    key = upstream.script([*wire.text("some text"), wire.Stall()])
    stream = apart.client().chat(content=key)
    stream.until_text("some text")
    answer = stream.answer
    wait_until(lambda: apart.text_in_redis(answer) == b"some text")
    apart.site.kill9()
    killed_at = monotonic()
    apart.site.start()
    wait_until(lambda: apart.answer(answer)[0] != "streaming", CLAIMED_SECONDS)
    assert monotonic() - killed_at < CLAIMED_SECONDS
    assert apart.answer(answer) == ("interrupted", "some text", "worker_lost")
    assert apart.usage(answer) == ("interrupted", True)
    client = apart.client()
    again = whole(client.resume(answer, "5"))
    assert (again.text, again.named("error")[0]["code"], again.ended) == (
        "text",
        "worker_lost",
        True,
    )
    check_slot_is_free(client)


def test_worker_that_stood_still_closes_what_was_claimed_meanwhile(
    person: Person, start_site: "StartSite", upstream: Upstream, redis_client: redis.Redis
) -> None:
    # Of a site of its own: uvicorn kills a worker that does not answer when it has started several.
    site = start_site(UPSTREAM_IDLE_SECONDS="60")
    key = upstream.script([*wire.text("some text"), wire.Stall()])
    stream = person.client_on(site).chat(content=key)
    stream.until_text("some text")
    answer = stream.answer
    elsewhere = person.client
    # With no text in Redis yet, the claim would call it failed.
    wait_until(lambda: redis_client.get(redis_keys.answer_text(answer)) == b"some text")
    os.kill(site.process.pid, signal.SIGSTOP)
    try:
        wait_until(lambda: message(answer).status == Message.Status.INTERRUPTED, CLAIMED_SECONDS)
    finally:
        os.kill(site.process.pid, signal.SIGCONT)
    wait_until(lambda: not upstream.running(key))
    stream.read()
    assert not stream.ended  # sent to where the saved end is told
    (done,) = whole(elsewhere.resume(answer, stream.cursor)).named("done")
    assert (done["status"], done["usage"]["estimated"]) == ("interrupted", True)
    check_slot_is_free(elsewhere)


def test_lost_answers_without_text_or_without_a_row_are_settled_too(
    make_user: "MakeUser", start_apart: "StartApart", upstream: Upstream
) -> None:
    person = make_user("alice", concurrent_streams=2)
    apart = start_apart(person)
    client = apart.client()
    key = upstream.script([wire.Stall()])
    silent = client.chat(content=key).answer
    stateless = client.chat(messages=[{"role": "user", "content": key}]).answer
    apart.site.kill9()
    apart.site.start()
    wait_until(
        lambda: apart.usage(silent)[0] != "running" and apart.usage(stateless)[0] != "running",
        CLAIMED_SECONDS,
    )
    assert apart.answer(silent) == ("failed", "", "worker_lost")
    assert (apart.usage(silent), apart.usage(stateless)) == (("failed", True), ("failed", True))
    check_slot_is_free(apart.client())


def test_answer_of_a_host_whose_clock_was_ahead_is_claimed(person: Person) -> None:
    ahead = timezone.now() + timedelta(hours=1)
    usage = Usage.objects.create(
        answer=uuid4(),
        owner_key="u:0",
        limit_key="u:0",
        model="gpt-4o-mini",
        worker="lost",
        created=ahead,
    )
    assert recovery.claim(usage.answer, "some text", RunningCost("", Bill()))
    usage.refresh_from_db()
    assert (usage.outcome, usage.duration_ms) == ("interrupted", 0)


def test_lost_answer_of_which_no_text_is_kept_is_paid_for_as_far_as_it_came(
    make_user: "MakeUser", start_apart: "StartApart", upstream: Upstream
) -> None:
    apart = start_apart(make_user(concurrent_streams=2))
    silent = upstream.script(
        [wire.role(), *[wire.chunk({"reasoning_content": "hm "})] * 300, wire.Stall()]
    )
    spoken = [
        {"role": "user", "content": upstream.script([*wire.text("word " * 200), wire.Stall()])}
    ]
    with (
        apart.client().chat(content=silent) as thinking,
        apart.client().chat(messages=spoken) as stateless,
    ):
        wait_until(
            lambda: (
                min(apart.tokens_so_far(stream.answer) for stream in (thinking, stateless)) >= 250
            )
        )
        apart.site.kill9()
    apart.site.start()
    for stream in (thinking, stateless):
        wait_until(
            lambda stream=stream: apart.usage(stream.answer) == ("failed", True), CLAIMED_SECONDS
        )
        assert apart.rows(
            "SELECT completion_tokens >= 250 FROM chat_usage WHERE answer = ?",
            UUID(stream.answer).hex,
        ) == [(1,)]
