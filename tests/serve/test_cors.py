"""No other origin may call the API unless it is named, exactly."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured

from chatsite.checks import SETTINGS
from chatsite.env import Env
from tests.harness.client import Client
from tests.harness.refusals import assert_refused
from tests.harness.site import Site

if TYPE_CHECKING:
    from pytest_django import Settings

    from tests.harness.environment import Environment
    from tests.harness.people import Person

APP = "https://app.example.org"
OTHERS = [
    "https://evil.example",
    "http://app.example.org",
    "https://app.example.org.evil.example",
    "https://app.example.org:8443",
    "null",
]
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type,x-csrftoken",
}


@pytest.fixture(scope="module")
def opened(environment: "Environment", db_ready: None) -> Iterator[Site]:
    """Yields a site that lets the app in, and trusts its forms."""
    site = environment.start_site(CORS_ORIGINS=APP, CSRF_TRUSTED_ORIGINS=APP)
    yield site
    site.stop()


def allowed(headers: Iterable[str]) -> set[str]:
    return {name.lower() for name in headers if name.lower().startswith("access-control-")}


def test_without_the_setting_nobody_is_let_in(site: Site) -> None:
    with Client(site.url) as client:
        for origin in (APP, site.url, "null"):
            answers = [
                client.get("/api/challenge", headers={"Origin": origin}),
                client.http.options("/api/chat", headers={"Origin": origin, **PREFLIGHT}),
            ]
            assert [allowed(answer.headers) for answer in answers] == [set(), set()]
            assert answers[1].status_code == 405


@pytest.mark.parametrize("origin", OTHERS)
def test_an_origin_that_is_not_named_is_not_let_in(opened: Site, origin: str) -> None:
    with Client(opened.url) as client:
        answer = client.get("/api/challenge", headers={"Origin": origin})
        assert allowed(answer.headers) == set()
        assert "origin" in answer.headers["vary"].lower()
        assert (
            allowed(
                client.http.options("/api/chat", headers={"Origin": origin, **PREFLIGHT}).headers
            )
            == set()
        )


def test_the_named_origin_is_let_in_with_its_cookies_and_sees_its_limits(opened: Site) -> None:
    with Client(opened.url) as client:
        asked = client.http.options("/api/chat", headers={"Origin": APP, **PREFLIGHT})
        assert asked.status_code == 200
        assert asked.headers["access-control-allow-origin"] == APP
        assert asked.headers["access-control-allow-credentials"] == "true"
        assert "x-csrftoken" in asked.headers["access-control-allow-headers"]
        answer = client.get("/api/challenge", headers={"Origin": APP})
        assert answer.headers["access-control-allow-origin"] == APP
        assert "Retry-After" in answer.headers["access-control-expose-headers"]
        assert "origin" in answer.headers["vary"].lower()


def test_pages_are_open_to_nobody(opened: Site) -> None:
    with Client(opened.url) as client:
        for path in (
            "/accounts/login/",
            "/healthz",
            "/",
            "/c/00000000-0000-0000-0000-000000000000/export.json",
        ):
            assert allowed(client.get(path, headers={"Origin": APP}).headers) == set()


def test_a_turn_from_the_named_origin_streams_with_the_token_that_it_may_read(
    opened: Site, alice: "Person"
) -> None:
    client = alice.client_on(opened)
    token = client.get("/api/limits", headers={"Origin": APP}).headers["X-CSRFToken"]
    with client.chat(content="hello", headers={"Origin": APP, "X-CSRFToken": token}) as stream:
        assert stream.status == 200
        assert stream.headers["access-control-allow-origin"] == APP
        stream.read()
        assert stream.ended
    forged = client.post(
        "/api/chat", json={"content": "hello"}, headers={"Origin": OTHERS[0], "X-CSRFToken": token}
    )
    assert_refused(forged, 403, "csrf_failed")


def test_the_token_is_in_no_header_where_no_other_origin_may_come(alice: "Person") -> None:
    assert "x-csrftoken" not in alice.client.get("/api/limits").headers


@pytest.mark.parametrize(
    "value",
    [
        "*",
        "https://*",
        "https://*.example.org",
        "https://app.example.org/",
        "https://app.example.org/path",
        "https://app.example.org?q",
        "https://me@app.example.org",
        "https://app.example.org:443",
        "https://app.example.org:port",
        "app.example.org",
        "ftp://app.example.org",
        "https://",
        "https://bücher.example",
        "null",
        f"{APP}, *",
    ],
)
def test_a_value_that_is_no_origin_stops_the_start(value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"CORS_ORIGINS=.* is not valid: it takes"):
        Env({"CORS_ORIGINS": value}).origins("CORS_ORIGINS")


def test_origins_are_read_as_browsers_send_them() -> None:
    assert Env({"CORS_ORIGINS": "HTTPS://App.Example.org, http://localhost:3000,"}).origins(
        "CORS_ORIGINS"
    ) == [
        APP,
        "http://localhost:3000",
    ]
    assert Env({}).origins("CORS_ORIGINS") == []


@pytest.mark.parametrize(
    ("trusted", "found"),
    [
        ([], True),
        ([APP], False),
        (["https://*.example.org"], False),
        (["http://app.example.org"], True),
        (["https://other.example.org"], True),
    ],
)
def test_an_origin_whose_posts_would_be_refused_is_a_finding(
    settings: "Settings", trusted: list[str], found: bool
) -> None:
    settings.CORS_ORIGINS, settings.CSRF_TRUSTED_ORIGINS = [APP], trusted
    assert ("chatsite.W004" in {message.id for message in run_checks(tags=[SETTINGS])}) == found
