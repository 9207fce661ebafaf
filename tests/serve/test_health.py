"""What machines ask: is it up, is it ready, how is it doing."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from chat.limits import refusal_counts
from tests.harness.client import Client
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.valkey import Valkey

if TYPE_CHECKING:
    from tests.conftest import StartSite


def test_healthz_answers_without_touching_anything(site: Site) -> None:
    with Client(site.url) as client:
        answer = client.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")


def test_readyz_names_every_part(site: Site) -> None:
    with Client(site.url) as client:
        answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "database": "ok", "redis": "ok", "worker": "ok"}


def test_readyz_is_503_and_names_redis_when_it_is_away(
    start_site: "StartSite", start_valkey: Callable[[], Valkey]
) -> None:
    valkey = start_valkey()
    site = start_site(REDIS_URL=valkey.url)
    valkey.stop()
    with Client(site.url) as client:
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "ready": False,
        "database": "ok",
        "redis": "unavailable",
        "worker": "ok",
    }


def test_metrics_are_not_there_until_a_token_is_set(site: Site) -> None:
    with Client(site.url) as client:
        assert client.get("/metrics").status_code == 404
        assert client.get("/metrics", headers={"Authorization": "Bearer none"}).status_code == 404


def test_metrics_are_for_whoever_has_the_token_and_count_what_ended(
    start_site: "StartSite", alice: Person
) -> None:
    site = start_site(METRICS_TOKEN="a-token-of-this-test")
    alice.client_on(site).chat(content="Count me").read()
    for shadow, code in ((False, "rate_limited"), (True, "rate_limited"), (False, "rate_limited")):
        refusal_counts.record(alice.requester, "Some quota", code, shadow=shadow)
    refusal_counts.write()
    with Client(site.url) as client:
        assert client.get("/metrics").status_code == 401
        assert (
            client.get("/metrics", headers={"Authorization": "Bearer another"}).status_code == 401
        )
        answer = client.get("/metrics", headers={"Authorization": "Bearer a-token-of-this-test"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    samples = {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in lines
        if not line.startswith("#")
    }
    assert samples['chatsite_answers_total{model="gpt-4o-mini",outcome="complete"}'] >= 1
    assert samples["chatsite_answers_running"] >= 0
    assert samples['chatsite_refusals_today{code="rate_limited",shadow="false"}'] >= 2
    assert samples['chatsite_refusals_today{code="rate_limited",shadow="true"}'] >= 1
    assert "# TYPE chatsite_answers_total counter" in lines


def test_favicon_is_where_browsers_look_for_it(site: Site) -> None:
    with Client(site.url) as client:
        redirect = client.get("/favicon.ico")
        assert redirect.status_code == 302
        assert (
            client.get(redirect.headers["Location"])
            .headers["Content-Type"]
            .startswith("image/svg+xml")
        )


def test_api_errors_are_json_and_page_errors_are_pages(site: Site) -> None:
    with Client(site.url) as client:
        missing = client.get("/api/nothing")
        assert missing.status_code == 404
        assert missing.json()["error"]["code"] == "not_found"
        page = client.get("/nothing/")
        assert page.status_code == 404
        assert "Not found" in page.text
