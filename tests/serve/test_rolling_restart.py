"""Two instances behind the deployer's nginx, restarted in turn while people ask and read."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event
from time import sleep
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from chat.models import Message, Usage
from tests.harness import wire
from tests.harness.client import Client, Stream
from tests.harness.environment import Environment
from tests.harness.nginx import Nginx
from tests.harness.people import Person
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.conftest import MakeUser, StartSite

READERS = 6
# An answer of two seconds: longer than an instance takes to be told to stop, to let its readers go
# and to refuse what is new.
PIECES = [f"“{number}” 👋🏽 " for number in range(40)]
PACE_SECONDS = 0.05


@dataclass
class Seen:
    """Holds what a reader saw of a turn: text, `done` payloads, refusals before it began."""

    answer: str = ""
    text: str = ""
    done: list[dict[str, Any]] = field(default_factory=list)
    resumed: int = 0
    refusals: list[tuple[int, str]] = field(default_factory=list)


def read(client: Client, key: str) -> Seen:
    """Reads a turn as the page does: sends it again when refused, resumes it when cut."""
    seen, turn, cursor = Seen(), str(uuid4()), None
    while not seen.done:
        with (
            client.resume(seen.answer, cursor)
            if seen.answer
            else client.chat(content=key, turn=turn) as stream
        ):
            if stream.status != 200:
                seen.refusals.append((stream.status, code_of(stream)))
                sleep(0.2)
                continue
            stream.read()
            assert stream.rest == b""  # let go between two frames
            seen.answer, seen.resumed, cursor = (
                stream.answer,
                seen.resumed + 1,
                stream.cursor or cursor,
            )
            seen.text += stream.text
            seen.done += stream.named("done")
    return seen


def code_of(stream: Stream) -> str:
    stream.response.read()
    is_ours = stream.headers["Content-Type"].startswith("application/json")
    return stream.json()["error"]["code"] if is_ours else "nginx"


def client_at(address: str, person: Person) -> Client:
    client = Client(address)
    client.http.headers["Origin"] = address
    client.http.cookies.set("sessionid", person.new_session())
    return client


def test_instances_restarted_in_turn_cut_no_answer_and_turn_nobody_away(
    environment: Environment,
    start_site: "StartSite",
    make_user: "MakeUser",
    nginx: Nginx,
    upstream: Upstream,
) -> None:
    address = f"https://127.0.0.1:{nginx.port}"
    instances = [start_site(SITE_URL=address, TRUSTED_PROXIES="127.0.0.1") for _ in range(2)]
    nginx.start_deployed([instance.port for instance in instances], environment.folder / "static")
    paced: wire.Script = [
        step for piece in PIECES for step in (*wire.text(piece), wire.Pause(PACE_SECONDS))
    ]
    key = upstream.script([wire.role(), *paced, *wire.answer()[1:]])
    people = [make_user("reader", concurrent_streams=1) for _ in range(READERS)]
    over = Event()

    def ask_on_and_on(person: Person) -> list[Seen]:
        with client_at(address, person) as client:
            seen = [read(client, key)]
            while not over.is_set():
                seen.append(read(client, key))
        return seen

    with ThreadPoolExecutor(READERS) as pool:
        asking = [pool.submit(ask_on_and_on, person) for person in people]
        upstream.wait_for_request(key, READERS)
        for instance in instances:
            instance.stop()
            instance.start()
        over.set()
        turns = [seen for readers in asking for seen in readers.result(60)]

    check_none_was_cut(turns)
    assert len(upstream.requests(key)) == len(turns)  # none was asked for twice


def check_none_was_cut(turns: list[Seen]) -> None:
    """Asserts that every turn is whole, as it was read and as it is stored."""
    assert {seen.text for seen in turns} == {"".join(PIECES)}
    assert {seen.done[0]["status"] for seen in turns} == {"complete"}
    assert sum(seen.resumed > 1 for seen in turns) >= READERS / 2  # they were let go, and came back
    assert {refusal for seen in turns for refusal in seen.refusals} <= {(503, "draining")}
    answers = [seen.answer for seen in turns]
    assert Message.objects.filter(
        id__in=answers, status=Message.Status.COMPLETE, content="".join(PIECES)
    ).count() == len(turns)
    assert Usage.objects.filter(
        answer__in=answers, outcome=Usage.Outcome.COMPLETE, estimated=False
    ).count() == len(turns)
