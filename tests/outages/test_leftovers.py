"""After many turns with every kind of end, on two workers, nothing is left behind."""

import os
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx2
import pytest
import redis

from chat.models import Message, Usage
from tests.harness import wire
from tests.harness.answers import client_of_worker, wait_until
from tests.harness.client import Client
from tests.harness.footprint import footprint
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.conftest import MakeUser, StartSite

TURNS = 200
AT_ONCE = 12
# A worker keeps idle connections to the upstream, to Redis and to clients for a while.
_FEW = 40
# asyncio's own pool, which looks up names: as many as its documentation says.
_LOOP_THREADS = min(32, (os.cpu_count() or 1) + 4)


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.fixture
def scripts(upstream: Upstream) -> list[str]:
    """Prompts whose answers end well, badly, late, or never."""
    pieces = [f"word {number} " for number in range(30)]
    return [
        upstream.script(wire.answer(*pieces)),
        upstream.script(wire.answer(*pieces)),
        upstream.script([*wire.text("half an"), wire.Cut()]),
        upstream.script([*wire.text("half an"), wire.Reset()]),
        upstream.script([*wire.text("half an"), b"data: {broken\n\n"]),
        upstream.script([*wire.text("all of it"), wire.DONE]),
        upstream.script([*wire.text("it hangs"), wire.Stall()]),
        upstream.script([wire.Stall()]),
        upstream.script(wire.refused(400)),
        upstream.script(wire.refused(429, retry_after="0"), wire.answer("at last")),
    ]


def read_whole(client: Client, prompt: str) -> None:
    client.chat(content=prompt, turn=str(uuid4())).read()


def warm_up(person: Person, site: Site, pid: int, prompt: str) -> None:
    """Opens what a worker opens once, for as many requests at a time as are counted later."""
    clients = [client_of_worker(person, site, pid) for _ in range(AT_ONCE)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda client: read_whole(client, prompt), clients))
    for client in clients:
        client.close()


def leave_early(client: Client, prompt: str) -> None:
    with client.chat(content=prompt) as stream:
        stream.until("start")


def stop_it(client: Client, prompt: str) -> None:
    with client.chat(content=prompt) as stream:
        client.stop(stream.answer)


def leave_a_stateless_one(client: Client, prompt: str) -> None:
    with client.chat(messages=[{"role": "user", "content": prompt}]) as stream:
        stream.until("start")


def send_it_twice(client: Client, prompt: str) -> None:
    body = {"content": prompt, "turn": str(uuid4())}
    with client.chat(body) as first, client.chat(body) as second:
        assert first.answer == second.answer
        client.stop(first.answer)


def delete_it(client: Client, prompt: str) -> None:
    with client.chat(content=prompt) as stream:
        conversation = stream.until("start").data["conversation"]
        assert client.post(f"/c/{conversation}/delete/").status_code == 302


ACTIONS: list[Callable[[Client, str], None]] = [
    read_whole,
    leave_early,
    stop_it,
    leave_a_stateless_one,
    send_it_twice,
    delete_it,
]


def play_all(clients: list[Client], scripts: list[str]) -> None:
    """Plays TURNS turns, drawn from ACTIONS and `scripts`, with all clients at once."""
    dice = random.Random(7)

    def play(client: Client, plan: list[tuple[Callable[[Client, str], None], str]]) -> None:
        for action, prompt in plan:
            with suppress(httpx2.RemoteProtocolError):
                action(client, prompt)

    plans = [
        [(dice.choice(ACTIONS), dice.choice(scripts)) for _ in range(TURNS // AT_ONCE)]
        for _ in range(AT_ONCE)
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(play, clients, plans))


def check_nothing_runs(person: Person, upstream: Upstream, scripts: list[str]) -> None:
    mine = Usage.objects.filter(owner_key=person.requester.owner_key)
    wait_until(lambda: not mine.filter(outcome=Usage.Outcome.RUNNING).exists(), 20)
    assert (
        not Message.objects.owned_by(person.requester)
        .filter(status=Message.Status.STREAMING)
        .exists()
    )
    wait_until(
        lambda: (
            footprint(person.requester).slots == 0 and footprint(person.requester).reservations == 0
        )
    )
    wait_until(lambda: not any(upstream.running(prompt) for prompt in scripts))
    assert mine.count() >= TURNS - AT_ONCE


def test_nothing_is_left_behind_after_two_hundred_turns_with_every_kind_of_end(
    make_user: "MakeUser",
    start_site: "StartSite",
    upstream: Upstream,
    scripts: list[str],
    redis_client: redis.Redis,
) -> None:
    seconds: dict[str, Any] = {"UPSTREAM_IDLE_SECONDS": "2", "UPSTREAM_FIRST_TOKEN_SECONDS": "2"}
    site = start_site(workers=2, RESUME_GRACE_SECONDS="1", **seconds)
    person = make_user("alice")
    clients = [person.client_on(site) for _ in range(AT_ONCE)]
    for pid in site.worker_pids():
        warm_up(person, site, pid, scripts[0])
    before = {pid: (threads(pid), descriptors(pid)) for pid in site.worker_pids()}
    keys_before = set(redis_client.keys("chatsite:*"))
    play_all(clients, scripts)
    check_nothing_runs(person, upstream, scripts)
    for client in clients:
        client.close()
    for pid, (threads_before, descriptors_before) in before.items():
        # The thread of the last request ends a moment after it.
        wait_until(lambda pid=pid, most=threads_before + 8 + _LOOP_THREADS: threads(pid) <= most)
        wait_until(lambda pid=pid, most=descriptors_before + _FEW: descriptors(pid) <= most)
    made = [
        key
        for key in set(redis_client.keys("chatsite:{*")) - keys_before
        if redis_client.exists(key)
    ]
    assert [key for key in made if not 0 < redis_client.ttl(key) <= 3600] == []
    log = site.log()
    assert "Traceback" not in log
    assert "ERROR" not in log
