"""`manage.py doctor` against real deployments, good and bad."""

from collections.abc import Callable, Iterator
from ipaddress import ip_network
from pathlib import Path
from threading import Event
from time import monotonic, time
from typing import TYPE_CHECKING, Any

import httpx2
import msgspec
import pytest
import redis
from django.core import signing
from pytest_django import Settings

from chat.models import ChatModel
from chat.web import probe
from chatsite.doctor import bounded, proxy
from chatsite.doctor.findings import Check, Finding, ok
from tests.harness import wire
from tests.harness.doctor import Visit, address_of
from tests.harness.environment import Environment
from tests.harness.nginx import Nginx
from tests.harness.site import Site, free_port
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.conftest import StartSite
    from tests.harness.valkey import Valkey

FORGED = "203.0.113.9"


@pytest.fixture
def enabled_models(environment: Environment) -> Iterator[None]:
    """Other tests leave models behind that the fake upstream does not list."""
    others = list(ChatModel.objects.filter(enabled=True).exclude(slug=wire.MODEL).values_list("pk", flat=True))
    ChatModel.objects.filter(pk__in=others).update(enabled=False)
    yield
    ChatModel.objects.filter(pk__in=others).update(enabled=True)


# --- Whole deployments -------------------------------------------------------


def test_a_site_that_is_well_has_no_failures_and_no_warnings(environment: Environment, site: Site, enabled_models: None) -> None:
    visit = Visit(environment, site.url, **address_of(site))
    assert visit.code == 0, visit.output
    assert {line.split()[0] for line in visit.output.splitlines()} == {"ok"}, visit.output
    assert {"settings", "database", "redis", "upstream", "address", "ready", "headers", "static", "stream", "client"} <= set(visit.of("ok"))
    assert visit.of("ok")["database"].endswith("migrated")


def test_the_deployers_nginx_streams_and_hides_nothing(environment: Environment, start_site: "StartSite", nginx: Nginx) -> None:
    url = f"https://127.0.0.1:{nginx.port}"
    env: dict[str, Any] = {"SITE_URL": url, "TRUSTED_PROXIES": "127.0.0.1"}
    site = start_site(**env)
    nginx.start_deployed([site.port], environment.folder / "static")
    visit = Visit(environment, url, "--idle", "2", PORT=str(site.port), SSL_CERT_FILE=str(nginx.certificate), **env)
    assert visit.code == 0, visit.output
    found = visit.of("ok")
    assert {"headers", "cookies", "static", "stream", "client", "scheme", "idle"} <= set(found), visit.output
    assert "Strict-Transport-Security" in found["headers"]
    assert "one by one" in found["stream"]


def test_a_proxy_that_keeps_the_host_to_itself_is_the_first_thing_to_mend(
    environment: Environment, start_site: "StartSite", nginx: Nginx
) -> None:
    env: dict[str, Any] = {"SITE_URL": f"http://127.0.0.1:{nginx.port}", "TRUSTED_PROXIES": "127.0.0.1"}
    site = start_site(**env)
    nginx.start_with(site.port, "proxy_set_header Host backend;")
    visit = Visit(environment, PORT=str(site.port), **env)
    assert visit.code == 1
    assert visit.failures == {"address"}, visit.output
    assert "proxy_set_header Host $host" in visit.of("FAIL")["address"]
    assert "stream" not in visit.of("ok")


def test_each_fault_of_a_proxy_has_a_line_of_its_own(environment: Environment, start_site: "StartSite", nginx: Nginx) -> None:
    env: dict[str, Any] = {"SITE_URL": f"http://127.0.0.1:{nginx.port}", "TRUSTED_PROXIES": "127.0.0.1", "ALLOWED_HOSTS": "*"}
    site = start_site(**env)
    nginx.start_with(
        site.port,
        "proxy_ignore_headers X-Accel-Buffering; gzip on; gzip_types text/event-stream; gzip_min_length 0;"
        "proxy_set_header Host chat.example.org; proxy_set_header X-Forwarded-Proto https;"
        "proxy_hide_header Content-Security-Policy; location /static/ { return 403; }",
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


def test_a_proxy_that_the_site_was_not_told_of_is_found(environment: Environment, start_site: "StartSite", nginx: Nginx) -> None:
    env: dict[str, Any] = {"SITE_URL": f"http://127.0.0.1:{nginx.port}"}
    site = start_site(**env)
    nginx.start_with(site.port, "proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;")
    visit = Visit(environment, PORT=str(site.port), **env)
    assert visit.failures == {"client"}, visit.output
    assert "Set TRUSTED_PROXIES=127.0.0.1" in visit.of("FAIL")["client"]


def test_a_stream_that_silence_cuts_is_found(environment: Environment, start_site: "StartSite", nginx: Nginx) -> None:
    env: dict[str, Any] = {"SITE_URL": f"http://127.0.0.1:{nginx.port}", "TRUSTED_PROXIES": "127.0.0.1"}
    site = start_site(**env)
    nginx.start_with(
        site.port,
        "proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; proxy_read_timeout 2s; proxy_http_version 1.1;",
    )
    visit = Visit(environment, "--idle", "6", PORT=str(site.port), **env)
    assert visit.failures == {"idle"}, visit.output
    assert visit.of("FAIL")["idle"].startswith("a stream is cut after 2 s of silence")


# --- Parts that are away ------------------------------------------------------


def test_redis_away_is_two_lines_and_the_rest_is_looked_at(
    environment: Environment, start_site: "StartSite", start_valkey: "Callable[[], Valkey]", enabled_models: None
) -> None:
    valkey = start_valkey()
    site = start_site(REDIS_URL=valkey.url)
    valkey.stop()
    visit = Visit(environment, REDIS_URL=valkey.url, **address_of(site))
    assert visit.code == 1
    assert visit.failures == {"redis", "ready"}, visit.output
    assert "redis unavailable" in visit.of("FAIL")["ready"]
    assert {"database", "upstream", "headers", "stream", "client"} <= set(visit.of("ok"))


def test_a_redis_that_forgets_is_found(environment: Environment, site: Site, start_valkey: "Callable[[], Valkey]") -> None:
    valkey = start_valkey()
    with redis.Redis.from_url(valkey.url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        visit = Visit(environment, REDIS_URL=valkey.url, **address_of(site))
        assert "allkeys-lru" in visit.of("warn")["redis"]
        client.config_set("maxmemory", "100mb")
        visit = Visit(environment, REDIS_URL=valkey.url, **address_of(site))
    assert "Set maxmemory-policy noeviction" in visit.of("FAIL")["redis"]


def test_nothing_there_at_all_is_said_part_by_part(environment: Environment, tmp_path: Path) -> None:
    begin = monotonic()
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
    assert monotonic() - begin < 30
    assert not (tmp_path / "db.sqlite3").exists()


def test_a_database_that_was_not_migrated_is_found(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "db.sqlite3").touch()
    visit = Visit(environment, DATA_DIR=str(tmp_path), DATABASE_URL="", PORT=str(free_port()))
    assert "migrations are missing. Run manage.py migrate" in visit.of("FAIL")["database"]


@pytest.mark.parametrize(
    ("answer", "level", "text"),
    [
        (wire.Http(401, wire.error("Incorrect API key provided")), "FAIL", "refuses our key (401). Set OPENAI_API_KEY"),
        (wire.Http(404, wire.error("Unknown address")), "warn", "has no list of models (404)"),
        (wire.Http(503, wire.error("Overloaded")), "FAIL", "answers 503"),
        (wire.Http(308, b"", {"location": "/v2/models"}), "FAIL", "sends us elsewhere (308). Set OPENAI_BASE_URL"),
        (wire.Http(200, b"<html>", {"content-type": "text/html"}), "FAIL", "not as OpenAI would"),
    ],
    ids=["refused key", "no list", "overloaded", "moved", "something else"],
)
def test_what_an_upstream_says_instead_of_its_models(environment: Environment, answer: wire.Http, level: str, text: str) -> None:
    with Upstream() as upstream:
        upstream.models = answer
        visit = Visit(environment, OPENAI_BASE_URL=upstream.url, PORT=str(free_port()))
    assert text in visit.of(level)["upstream"], visit.output


def test_a_model_that_the_upstream_does_not_know_is_a_warning(environment: Environment, site: Site, enabled_models: None) -> None:
    with Upstream() as upstream:
        upstream.models = wire.Http(200, {"object": "list", "data": [{"id": "another", "object": "model"}]})
        visit = Visit(environment, OPENAI_BASE_URL=upstream.url, **address_of(site))
    assert visit.code == 0, visit.output
    assert visit.of("warn")["models"].startswith(f"{wire.MODEL} is enabled, but")


def test_another_secret_key_than_the_sites_is_said(environment: Environment, site: Site) -> None:
    visit = Visit(environment, SECRET_KEY="y" * 50, **address_of(site))
    assert visit.failures == {"stream"}, visit.output
    assert "SECRET_KEY" in visit.of("FAIL")["stream"]


def test_settings_that_contradict_themselves_are_findings_and_stop_nothing(environment: Environment, site: Site) -> None:
    visit = Visit(environment, EMAIL_USE_TLS="true", EMAIL_USE_SSL="true", **address_of(site))
    assert visit.failures == {"settings"}, visit.output
    assert "no mail would be sent. Keep EMAIL_USE_TLS for port 587" in visit.of("FAIL")["settings"]


@pytest.mark.parametrize("arguments", [["chat.example.org"], ["https://chat.example.org/app/"], ["--idle", "66"], ["--idle", "0"]])
def test_arguments_that_make_no_sense_are_refused_in_a_sentence(environment: Environment, arguments: list[str]) -> None:
    visit = Visit(environment, *arguments)
    assert visit.code == 1
    assert visit.output == ""
    assert visit.errors.startswith("CommandError: ")


# --- What is believed of a client ----------------------------------------------


def judged(settings: Settings, url: str, trusted: str, **seen: Any) -> Finding:
    settings.TRUSTED_PROXIES = [ip_network(trusted)] if trusted else []
    settings.PORT = 8000
    host = httpx2.URL(url)
    return next(proxy.check({"scheme": host.scheme, "host": host.host, **seen}, host))


@pytest.mark.parametrize(
    ("url", "trusted", "peer", "client", "forwarded", "level", "text"),
    [
        ("http://a.example", "", FORGED, FORGED, FORGED, "FAIL", "--no-proxy-headers"),
        ("http://a.example", "10.0.0.0/8", "10.0.0.1", FORGED, f"{FORGED}, 10.1.1.1", "FAIL", "from 10.1.1.1, which TRUSTED_PROXIES names"),
        ("http://a.example", "127.0.0.1", "127.0.0.1", FORGED, f"{FORGED}, 127.0.0.1", "warn", "run doctor on another machine"),
        ("http://127.0.0.1:8000", "127.0.0.1", "127.0.0.1", FORGED, FORGED, "warn", "asked past the proxy"),
        ("http://a.example", "127.0.0.1", "127.0.0.1", "127.0.0.1", "", "FAIL", "Have the proxy say it"),
        ("http://a.example", "", None, "0.0.0.0", FORGED, "FAIL", "Set TRUSTED_PROXIES=127.0.0.1"),
        ("http://127.0.0.1:9000", "", "127.0.0.1", "127.0.0.1", FORGED, "FAIL", "no proxy, give doctor the PORT"),
        ("http://a.example", "127.0.0.1", None, "198.51.100.7", "198.51.100.7", "ok", "this machine is 198.51.100.7"),
        ("http://a.example:8000", "", "198.51.100.7", "198.51.100.7", FORGED, "ok", "this machine is 198.51.100.7"),
    ],
    ids=["uvicorn believes", "too wide", "appended", "past the proxy", "kept back", "socket", "another port", "good", "no proxy"],
)
def test_what_the_site_saw_is_judged(
    settings: Settings, url: str, trusted: str, peer: str | None, client: str, forwarded: str, level: str, text: str
) -> None:
    finding = judged(settings, url, trusted, peer=peer, client=client, forwarded_for=forwarded)
    assert (finding.level, text in str(finding)) == (level, True), str(finding)


# --- A check that misbehaves ----------------------------------------------------


def test_a_check_that_breaks_or_hangs_keeps_what_it_found_and_is_a_line_itself() -> None:
    forever = Event()

    def checking(then: Callable[[], object]) -> Check:
        def check() -> Iterator[Finding]:
            yield ok("part", "so far")
            then()

        return check

    broken = list(bounded.run("part", checking(lambda: {"": 0}["x"]), 5))
    assert [str(finding) for finding in broken] == [
        "ok    part: so far",
        "FAIL  part: the check itself broke (KeyError). Please report this.",
    ]
    hanging = [str(finding) for finding in bounded.run("part", checking(forever.wait), 0.2)]
    forever.set()
    assert hanging[0] == "ok    part: so far"
    assert hanging[1].startswith("FAIL  part: no end after")


def test_a_finding_is_one_line_whatever_a_driver_says() -> None:
    assert str(ok("database", "connection failed:\n\tis it  running?\n")) == "ok    database: connection failed: is it running?"


# --- The probe --------------------------------------------------------------------


def ask(site: Site, token: str) -> httpx2.Response:
    return httpx2.get(f"{site.url}/api/probe", headers={"Authorization": f"Bearer {token}"}, timeout=10, trust_env=False)


def test_the_probe_is_not_there_without_a_token_of_this_site(site: Site) -> None:
    other = signing.dumps([0], salt="chat.setup")
    foreign = signing.dumps([0], key="z" * 50, salt="chat.web.probe")
    unknown = httpx2.get(f"{site.url}/api/no-such-thing", trust_env=False)
    for token in ("none", "x:y:z", other, foreign):
        answer = ask(site, token)
        assert (answer.status_code, answer.json()) == (404, unknown.json())


def test_a_token_of_the_probe_is_good_for_a_minute(monkeypatch: pytest.MonkeyPatch, site: Site) -> None:
    now = time()
    monkeypatch.setattr("django.core.signing.time.time", lambda: now - probe.MAX_AGE_SECONDS - 5)
    old = probe.make_token([0])
    monkeypatch.undo()
    assert ask(site, old).status_code == 404
    assert ask(site, probe.make_token([0])).status_code == 200


def test_the_probe_says_what_it_saw_and_ends(site: Site) -> None:
    answer = ask(site, probe.make_token([0, 0]))
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["x-accel-buffering"] == "no"
    first, *frames = answer.text.split("\n\n")
    seen = msgspec.json.decode(first.partition("data: ")[2])
    assert seen == {"peer": "127.0.0.1", "client": "127.0.0.1", "scheme": "http", "host": f"127.0.0.1:{site.port}", "forwarded_for": ""}
    assert frames == ['event: frame\ndata: {"after":0}', 'event: frame\ndata: {"after":0}', "data: [DONE]", ""]


def test_a_probe_does_not_hold_up_a_stop(start_site: "StartSite") -> None:
    site = start_site()
    headers = {"Authorization": f"Bearer {probe.make_token([60])}"}
    with httpx2.stream("GET", f"{site.url}/api/probe", headers=headers, timeout=30, trust_env=False) as answer:
        body = answer.iter_text()
        assert next(body).startswith("event: seen")
        begin = monotonic()
        site.terminate()
        assert "".join(body) == ""
        site.process.wait(10)
        assert monotonic() - begin < 8
