"""`manage.py doctor` on whole deployments and on parts that are away."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis

from chat.models import ChatModel
from tests.harness import wire
from tests.harness.doctor import Visit, address_of
from tests.harness.environment import Environment
from tests.harness.nginx import Nginx
from tests.harness.site import Site, free_port
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.conftest import StartSite
    from tests.harness.valkey import Valkey


@pytest.fixture
def enabled_models(environment: Environment) -> Iterator[None]:
    """Disables models of other tests, which the fake upstream does not list."""
    others = list(
        ChatModel.objects.filter(enabled=True).exclude(slug=wire.MODEL).values_list("pk", flat=True)
    )
    ChatModel.objects.filter(pk__in=others).update(enabled=False)
    yield
    ChatModel.objects.filter(pk__in=others).update(enabled=True)


# --- Whole deployments ------------------------------------------------------------


def test_a_site_that_is_well_has_no_failures_and_no_warnings(
    environment: Environment, site: Site, enabled_models: None
) -> None:
    visit = Visit(environment, site.url, **address_of(site))
    assert visit.code == 0, visit.output
    assert {line.split()[0] for line in visit.output.splitlines()} == {"ok"}, visit.output
    assert {
        "settings",
        "database",
        "redis",
        "upstream",
        "address",
        "ready",
        "headers",
        "static",
        "stream",
        "client",
    } <= set(visit.of("ok"))
    assert visit.of("ok")["database"].endswith("migrated")


def test_the_deployers_nginx_streams_and_hides_nothing(
    environment: Environment, start_site: "StartSite", nginx: Nginx
) -> None:
    url = f"https://127.0.0.1:{nginx.port}"
    env: dict[str, Any] = {"SITE_URL": url, "TRUSTED_PROXIES": "127.0.0.1"}
    site = start_site(**env)
    nginx.start_deployed([site.port], environment.folder / "static")
    visit = Visit(
        environment,
        url,
        "--idle",
        "2",
        PORT=str(site.port),
        SSL_CERT_FILE=str(nginx.certificate),
        **env,
    )
    assert visit.code == 0, visit.output
    found = visit.of("ok")
    assert {"headers", "cookies", "static", "stream", "client", "scheme", "idle"} <= set(found), (
        visit.output
    )
    assert "Strict-Transport-Security" in found["headers"]
    assert "one by one" in found["stream"]


def test_a_proxy_that_keeps_the_host_to_itself_is_the_first_thing_to_mend(
    environment: Environment, start_site: "StartSite", nginx: Nginx
) -> None:
    env: dict[str, Any] = {
        "SITE_URL": f"http://127.0.0.1:{nginx.port}",
        "TRUSTED_PROXIES": "127.0.0.1",
    }
    site = start_site(**env)
    nginx.start_with(site.port, "proxy_set_header Host backend;")
    visit = Visit(environment, PORT=str(site.port), **env)
    assert visit.code == 1
    assert visit.failures == {"address"}, visit.output
    assert "proxy_set_header Host $host" in visit.of("FAIL")["address"]
    assert "stream" not in visit.of("ok")


def test_each_fault_of_a_proxy_has_a_line_of_its_own(
    environment: Environment, start_site: "StartSite", nginx: Nginx
) -> None:
    env: dict[str, Any] = {
        "SITE_URL": f"http://127.0.0.1:{nginx.port}",
        "TRUSTED_PROXIES": "127.0.0.1",
        "ALLOWED_HOSTS": "*",
    }
    site = start_site(**env)
    nginx.start_with(
        site.port,
        "proxy_ignore_headers X-Accel-Buffering; gzip on; gzip_types text/event-stream;"
        " gzip_min_length 0;proxy_set_header Host chat.example.org; proxy_set_header"
        " X-Forwarded-Proto https;proxy_hide_header Content-Security-Policy; location /static/ {"
        " return 403; }",
    )
    visit = Visit(environment, PORT=str(site.port), **env)
    assert visit.code == 1
    lines = [line for line in visit.output.splitlines() if line.startswith("FAIL")]
    expected = [
        "headers: pages arrive without a good Content-Security-Policy",
        "static: /static/",
        "stream: frames arrive all at once. Switch buffering off: proxy_buffering off;",
        "stream: it is compressed (gzip)",
        "client: a forged X-Forwarded-For is believed",
        "scheme: the site takes http for https",
        "host: the site takes 127.0.0.1 for chat.example.org",
    ]
    assert len(lines) == len(expected), visit.output
    for line, start in zip(lines, expected, strict=True):
        assert line.startswith(f"FAIL  {start}"), visit.output


def test_a_proxy_that_the_site_was_not_told_of_is_found(
    environment: Environment, start_site: "StartSite", nginx: Nginx
) -> None:
    env: dict[str, Any] = {"SITE_URL": f"http://127.0.0.1:{nginx.port}"}
    site = start_site(**env)
    nginx.start_with(
        site.port, "proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;"
    )
    visit = Visit(environment, PORT=str(site.port), **env)
    assert visit.failures == {"client"}, visit.output
    assert "Set TRUSTED_PROXIES=127.0.0.1" in visit.of("FAIL")["client"]


def test_a_stream_that_silence_cuts_is_found(
    environment: Environment, start_site: "StartSite", nginx: Nginx
) -> None:
    env: dict[str, Any] = {
        "SITE_URL": f"http://127.0.0.1:{nginx.port}",
        "TRUSTED_PROXIES": "127.0.0.1",
    }
    site = start_site(**env)
    nginx.start_with(
        site.port,
        "proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;"
        " proxy_read_timeout 2s; proxy_http_version 1.1;",
    )
    visit = Visit(environment, "--idle", "6", PORT=str(site.port), **env)
    assert visit.failures == {"idle"}, visit.output
    assert visit.of("FAIL")["idle"].startswith("a stream is cut after 2 s of silence")


# --- Parts that are away ----------------------------------------------------------


def test_redis_away_is_two_lines_and_the_rest_is_looked_at(
    environment: Environment,
    start_site: "StartSite",
    start_valkey: "Callable[[], Valkey]",
    enabled_models: None,
) -> None:
    valkey = start_valkey()
    site = start_site(REDIS_URL=valkey.url)
    valkey.stop()
    visit = Visit(environment, REDIS_URL=valkey.url, **address_of(site))
    assert visit.code == 1
    assert visit.failures == {"redis", "ready"}, visit.output
    assert "redis unavailable" in visit.of("FAIL")["ready"]
    assert {"database", "upstream", "headers", "stream", "client"} <= set(visit.of("ok"))


def test_a_redis_that_forgets_is_found(
    environment: Environment, site: Site, start_valkey: "Callable[[], Valkey]"
) -> None:
    valkey = start_valkey()
    with redis.Redis.from_url(valkey.url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        visit = Visit(environment, REDIS_URL=valkey.url, **address_of(site))
        assert "allkeys-lru" in visit.of("warn")["redis"]
        client.config_set("maxmemory", "100mb")
        visit = Visit(environment, REDIS_URL=valkey.url, **address_of(site))
    assert "Set maxmemory-policy noeviction" in visit.of("FAIL")["redis"]


def test_nothing_there_at_all_is_said_part_by_part(
    environment: Environment, tmp_path: Path
) -> None:
    port = str(free_port())
    nowhere = {
        "SITE_URL": "",
        "REDIS_URL": f"redis://:secret@127.0.0.1:{free_port()}",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1",
    }
    visit = Visit(environment, DATA_DIR=str(tmp_path), DATABASE_URL="", PORT=port, **nowhere)
    assert visit.code == 1
    assert visit.failures == {"database", "redis", "upstream", "address"}, visit.output
    assert "secret" not in visit.output + visit.errors
    assert not (tmp_path / "db.sqlite3").exists()


def test_a_database_that_was_not_migrated_is_found(
    environment: Environment, tmp_path: Path
) -> None:
    (tmp_path / "db.sqlite3").touch()
    visit = Visit(environment, DATA_DIR=str(tmp_path), DATABASE_URL="", PORT=str(free_port()))
    assert "migrations are missing. Run manage.py migrate" in visit.of("FAIL")["database"]


@pytest.mark.parametrize(
    ("answer", "level", "text"),
    [
        (
            wire.Http(401, wire.error("Incorrect API key provided")),
            "FAIL",
            "refuses our key (401). Set OPENAI_API_KEY",
        ),
        (wire.Http(404, wire.error("Unknown address")), "warn", "has no list of models (404)"),
        (wire.Http(503, wire.error("Overloaded")), "FAIL", "answers 503"),
        (
            wire.Http(308, b"", {"location": "/v2/models"}),
            "FAIL",
            "sends us elsewhere (308). Set OPENAI_BASE_URL",
        ),
        (wire.Http(200, b"<html>", {"content-type": "text/html"}), "FAIL", "not as OpenAI would"),
    ],
    ids=["refused key", "no list", "overloaded", "moved", "something else"],
)
def test_what_an_upstream_says_instead_of_its_models(
    environment: Environment, answer: wire.Http, level: str, text: str
) -> None:
    with Upstream() as upstream:
        upstream.models = answer
        visit = Visit(environment, OPENAI_BASE_URL=upstream.url, PORT=str(free_port()))
    assert text in visit.of(level)["upstream"], visit.output


def test_a_model_that_the_upstream_does_not_know_is_a_warning(
    environment: Environment, site: Site, enabled_models: None
) -> None:
    with Upstream() as upstream:
        upstream.models = wire.Http(
            200, {"object": "list", "data": [{"id": "another", "object": "model"}]}
        )
        visit = Visit(environment, OPENAI_BASE_URL=upstream.url, **address_of(site))
    assert visit.code == 0, visit.output
    assert visit.of("warn")["models"].startswith(f"{wire.MODEL} is enabled, but")


def test_another_secret_key_than_the_sites_is_said(environment: Environment, site: Site) -> None:
    visit = Visit(environment, SECRET_KEY="y" * 50, **address_of(site))
    assert visit.failures == {"stream"}, visit.output
    assert "SECRET_KEY" in visit.of("FAIL")["stream"]


def test_settings_that_contradict_themselves_are_findings_and_stop_nothing(
    environment: Environment, site: Site
) -> None:
    visit = Visit(environment, EMAIL_USE_TLS="true", EMAIL_USE_SSL="true", **address_of(site))
    assert visit.failures == {"settings"}, visit.output
    assert "no mail would be sent. Keep EMAIL_USE_TLS for port 587" in visit.of("FAIL")["settings"]


@pytest.mark.parametrize(
    "arguments",
    [["chat.example.org"], ["https://chat.example.org/app/"], ["--idle", "66"], ["--idle", "0"]],
)
def test_arguments_that_make_no_sense_are_refused_in_a_sentence(
    environment: Environment, arguments: list[str]
) -> None:
    visit = Visit(environment, *arguments)
    assert visit.code == 1
    assert visit.output == ""
    assert visit.errors.startswith("CommandError: ")
