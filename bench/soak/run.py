"""Runs one soak: two workers behind nginx, people who ask at once, and faults."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from random import Random
from time import monotonic, sleep

from bench.soak import invariants, model
from bench.soak.faults import Faults
from bench.soak.visitor import MARK, Visitor
from tests.harness.apart import Apart, copy_of_database
from tests.harness.client import Client
from tests.harness.environment import Environment
from tests.harness.nginx import Nginx
from tests.harness.people import create_person
from tests.harness.site import Site

PEOPLE = 4
# One more than they have slots: some are refused now and then, and all slots must be free at the
# end.
TABS_EACH = 3
_SETTLE_SECONDS = 40
_WARM_UP_TURNS = 3
_SETTINGS = {
    "TRUSTED_PROXIES": "127.0.0.1",
    "RESUME_GRACE_SECONDS": "3",
    "DRAIN_SECONDS": "3",
    "UPSTREAM_FIRST_TOKEN_SECONDS": "3",
    "UPSTREAM_IDLE_SECONDS": "3",
    "UPSTREAM_RETRIES": "2",
}


@dataclass
class Report:
    """Holds the result of a soak; `wrong` is empty after a good run."""

    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    struck: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def turns(self) -> int:
        return self.counts["turns"]

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {name}" for name, count in self.counts.most_common())
        return "\n".join(
            [
                f"seed {self.seed}: {counts}",
                *self.struck,
                *(f"WRONG: {words}" for words in self.wrong),
            ]
        )


def soak(environment: Environment, seconds: float, seed: int) -> Report:
    """Runs for `seconds`, and then up to 40 s more until everything is settled."""
    dice, report = Random(seed), Report(seed)
    sessions = [_new_session() for _ in range(PEOPLE)]
    with (
        _site(environment, sessions[0]) as (apart, address),
        ThreadPoolExecutor(PEOPLE * TABS_EACH) as pool,
    ):
        visitors = [
            Visitor(_client(address, session), environment.upstream, Random(dice.random()))
            for session in sessions * TABS_EACH
        ]
        list(pool.map(_warm_up, visitors))
        before = invariants.largest(apart)
        faults = Faults(apart, dice, seconds)
        faults.start()
        list(pool.map(lambda visitor: visitor.run(monotonic() + seconds), visitors))
        faults.stop()
        report.struck = faults.struck
        report.wrong = [words for visitor in visitors for words in visitor.faults]
        report.counts = sum((visitor.counts for visitor in visitors), Counter())
        report.wrong += _wrong_after(environment, apart, visitors, before)
        report.counts.update(_ends(apart))
    return report


def _wrong_after(
    environment: Environment,
    apart: Apart,
    visitors: Sequence[Visitor],
    before: invariants.Footprint,
) -> Iterator[str]:
    """Yields the invariants that do not hold after the faults, and closes the visitors."""
    # Turns that are taken to settle things are not checked themselves.
    readings = [reading for visitor in visitors for reading in visitor.readings]
    yield from _settled(
        lambda: [
            *invariants.of_ledger(apart),
            *invariants.of_redis(apart),
            *_upstream(environment),
        ],
        visitors[:PEOPLE],
    )
    yield from invariants.of_answers(apart, readings)
    for visitor in visitors:
        visitor.close()
    yield from _settled(lambda: invariants.of_processes(before, invariants.largest(apart)))
    yield from invariants.of_log(apart.site.log())


def _new_session() -> str:
    def no_site() -> Site:
        raise AssertionError("a soak has its own site")

    return create_person(
        "soak",
        no_site,
        concurrent_streams=TABS_EACH - 1,
        tokens_per_day=10**9,
        spend_per_month_usd=10**6,
    ).new_session()


def _client(address: str, session: str) -> Client:
    client = Client(address)
    client.http.headers["Origin"] = address
    client.http.cookies.set("sessionid", session)
    return client


@contextmanager
def _site(environment: Environment, session: str) -> Iterator[tuple[Apart, str]]:
    """Yields the site, and the address at which nginx serves it."""
    with ExitStack() as running:
        valkey = environment.make_valkey()
        valkey.start()
        running.callback(valkey.stop)
        nginx = Nginx(valkey.socket.parent)
        address = f"https://127.0.0.1:{nginx.port}"
        database = copy_of_database(environment)
        where = {
            "SITE_URL": address,
            "DATABASE_URL": f"sqlite:///{database}",
            "REDIS_URL": valkey.url,
        }
        site = environment.start_site(workers=2, **_SETTINGS, **where)
        running.callback(site.stop)
        nginx.start_deployed([site.port], environment.folder / "static")
        running.callback(nginx.stop)
        yield Apart(site, valkey, database, session), address


def _warm_up(visitor: Visitor) -> None:
    for _ in range(_WARM_UP_TURNS):
        visitor.turn(model.SHORT)


def _upstream(environment: Environment) -> Iterator[str]:
    if running := environment.upstream.running(MARK):
        yield f"{running} answers of the upstream are still open"


def _settled(look: Callable[[], Iterable[str]], callers: Sequence[Visitor] = ()) -> list[str]:
    """Returns what is still wrong after _SETTLE_SECONDS, during which `callers` take turns.

    What a process held that was killed during an admission is released by the next turn of the same
    person.
    """
    deadline = monotonic() + _SETTLE_SECONDS
    while (wrong := list(look())) and monotonic() < deadline:
        sleep(1)
        for visitor in callers:
            visitor.turn(model.SHORT)
    return wrong


def _ends(apart: Apart) -> dict[str, int]:
    ends = dict(apart.rows("SELECT outcome, count(*) FROM chat_usage GROUP BY outcome"))
    return {"turns": sum(ends.values())} | ends
