"""Fixtures: a site of real processes in front of an upstream that does as it is told.

The test process and the sites share one database and one Valkey, so tests use
the ORM directly; no transaction is around a test. Each test makes people of
its own, whose limits and conversations no other test touches.
"""

import os
import signal
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import django
import hypothesis
import pytest
from django.conf import settings

from tests.harness.environment import Environment
from tests.harness.selection import longest_first, needs_server
from tests.harness.site import Site
from tests.harness.upstream import Upstream
from tests.harness.valkey import Valkey

if TYPE_CHECKING:
    import redis
    from pytest_django.plugin import DjangoDbBlocker

    from tests.harness.apart import Apart
    from tests.harness.database import Database
    from tests.harness.nginx import Nginx
    from tests.harness.people import Person

pytest_plugins = ["tests.harness.fixtures", "tests.harness.browser_fixtures"]

# What needs that database is no test on the other.
collect_ignore_glob = (
    [] if os.environ.get("TEST_DATABASE") == "postgresql" else ["*/test_postgresql_*.py"]
)
_environment: Environment | None = None
_LOG_TAIL_CHARS = 4000

# A busy machine takes its time over an input now and then; that is no fault of what is tested. The
# same inputs in every run, for a change is to be judged by itself; `--hypothesis-profile=search`
# tries others each time.
for _profile, _derandomize in (("search", False), ("site", True)):
    hypothesis.settings.register_profile(
        _profile,
        deadline=None,
        derandomize=_derandomize,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
hypothesis.settings.load_profile("site")


class StartSite(Protocol):
    def __call__(self, *, workers: int = 1, **env: str) -> Site: ...


class StartApart(Protocol):
    def __call__(self, person: "Person", *, workers: int = 1, **env: str) -> "Apart": ...


class MakeUser(Protocol):
    def __call__(self, name: str = "person", **quota_fields: Any) -> "Person": ...


# --- The run ----------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    global _environment
    if settings.configured:
        raise pytest.UsageError(
            "Django's settings were loaded before the tests' own environment was made: unset"
            " DJANGO_SETTINGS_MODULE, drop --ds."
        )
    # A run that is told to end ends what it started, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if _only_distributes(config):
        return
    _environment = Environment()
    _environment.start()
    django.setup()


def _only_distributes(config: pytest.Config) -> bool:
    """Returns whether this process only hands out tests: with `-n`, others run them."""
    return config.getoption("numprocesses", None) is not None and not hasattr(config, "workerinput")


@pytest.hookimpl(wrapper=True)
def pytest_unconfigure(config: pytest.Config) -> Iterator[None]:
    """Stops every process, after all other hooks and even when one of them raises.

    pytest raises for an unclosed socket, for one.
    """
    global _environment
    try:
        return (yield)
    finally:
        if _environment is not None:
            _environment.stop()
            _environment = None


def pytest_addoption(parser: pytest.Parser) -> None:
    told = "only the tests that need no site, upstream or browser"
    parser.addoption("--without-servers", action="store_true", help=told)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("without_servers"):
        left_out = [item for item in items if needs_server(item)]
        items[:] = [item for item in items if not needs_server(item)]
        config.hook.pytest_deselected(items=left_out)
    if hasattr(config, "workerinput"):
        items[:] = longest_first(items)
    for item in items:
        if item.get_closest_marker("django_db"):
            raise pytest.UsageError(
                f"{item.nodeid}: the database is shared with running sites and needs no django_db;"
                " that marker would lock or empty it."
            )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and _environment is not None:
        report.sections += [
            (f"log of {site.url}", site.log()[-_LOG_TAIL_CHARS:])
            for site in _environment.sites
            if site.running
        ]
    return report


@pytest.fixture(scope="session")
def environment() -> Environment:
    assert _environment is not None
    return _environment


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: "DjangoDbBlocker") -> None:
    """Takes the place of pytest-django's: the database of the settings itself, migrated once."""
    from django.core.management import call_command

    with django_db_blocker.unblock():
        call_command("migrate", interactive=False, verbosity=0)


@pytest.fixture(scope="session", autouse=True)
def db_ready(django_db_setup: None, django_db_blocker: "DjangoDbBlocker") -> Iterator[None]:
    """The ORM may be used everywhere."""
    from django.db import connections

    with django_db_blocker.unblock():
        yield
        connections.close_all()


@pytest.fixture(scope="session")
def static_files(environment: Environment) -> None:
    """Pages can be rendered in the test process, which needs to know the hashed names."""
    environment.collect_static()


# --- Servers ----------------------------------------------------------------


@pytest.fixture(scope="session")
def site(environment: Environment, db_ready: None) -> Site:
    """A site with one worker, for every test that does not need special settings."""
    return environment.start_site()


@pytest.fixture(scope="session")
def site2(environment: Environment, db_ready: None) -> Site:
    """The same with two workers."""
    return environment.start_site(workers=2)


@pytest.fixture(scope="module")
def quick(environment: Environment, db_ready: None) -> Iterator[Site]:
    """A site that waits for nothing longer than a second, and tries twice."""
    seconds: dict[str, Any] = {"UPSTREAM_FIRST_TOKEN_SECONDS": "1", "UPSTREAM_IDLE_SECONDS": "1"}
    site = environment.start_site(UPSTREAM_RETRIES="1", **seconds)
    yield site
    site.stop()


@pytest.fixture
def start_site(environment: Environment, db_ready: None) -> Iterator[StartSite]:
    """Starts sites of the test's own: `start_site(workers=2, RESUME_GRACE_SECONDS="1")`.

    They are stopped after it.
    """
    started: list[Site] = []

    def start(*, workers: int = 1, **env: str) -> Site:
        started.append(environment.start_site(workers=workers, **env))
        return started[-1]

    yield start
    for site in started:
        if site.running:
            site.stop()


@pytest.fixture(scope="session")
def upstream(environment: Environment) -> Upstream:
    """What the sites take for OpenAI."""
    return environment.upstream


@pytest.fixture
def nginx(tmp_path: Path) -> "Iterator[Nginx]":
    """One to be started in front of a site."""
    from tests.harness.nginx import Nginx

    server = Nginx(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def start_valkey(environment: Environment) -> Iterator[Callable[[], Valkey]]:
    """Starts a Valkey of the test's own, to be paused or killed.

    Use it as `start_site(REDIS_URL=start_valkey().url)`.
    """
    started: list[Valkey] = []

    def start() -> Valkey:
        started.append(environment.make_valkey())
        started[-1].start()
        return started[-1]

    yield start
    for valkey in started:
        if valkey.running:
            valkey.stop()


@pytest.fixture
def start_apart(
    environment: Environment, start_site: StartSite, start_valkey: Callable[[], Valkey]
) -> "Iterator[StartApart]":
    """Starts a site with a database and a Valkey of its own for a person."""
    from tests.harness.apart import Apart, copy_of_database

    started: list[Apart] = []

    def start(person: "Person", *, workers: int = 1, **env: str) -> Apart:
        session, valkey = person.new_session(), start_valkey()
        database = copy_of_database(environment)
        site = start_site(
            workers=workers, DATABASE_URL=f"sqlite:///{database}", REDIS_URL=valkey.url, **env
        )
        started.append(Apart(site, valkey, database, session))
        return started[-1]

    yield start
    for apart in started:
        apart.close()


@pytest.fixture
def database(environment: Environment, site: Site) -> "Iterator[Database]":
    """The common database, to be taken away; it is back when the test is over."""
    from tests.harness.database import Database

    database = Database(environment)
    yield database
    database.come_back()


@pytest.fixture
def redis_client(environment: Environment) -> "Iterator[redis.Redis]":
    """The Valkey that the common sites use."""
    import redis

    with redis.Redis.from_url(environment.valkey.url) as client:
        yield client


@pytest.fixture
def redis_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """For this process, not for the sites."""
    from redis import ConnectionError

    from chat.redis_client import client

    def fails(*args: object, **kwargs: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(client(), "execute_command", fails)
