"""Sites on one host keep cookies of their own: browsers do not tell its ports apart."""

from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.harness import wire
from tests.harness.chat_page import ask, ended, source, wait_until_live
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.conftest import StartApart
    from tests.harness.environment import Environment

DEFAULT_NAMES: dict[str, Any] = {"SESSION_COOKIE_NAME": "", "CSRF_COOKIE_NAME": ""}


@pytest.fixture(scope="module")
def first(environment: "Environment", db_ready: None) -> Iterator[Site]:
    """Yields a site whose cookies are named by default."""
    site = environment.start_site(**DEFAULT_NAMES)
    yield site
    site.stop()


@pytest.fixture
def visitor(first: Site) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=first.url, trust_env=False, timeout=20) as http:
        yield http


def sign_in(page: Page, site: Site, person: Person) -> None:
    page.goto(site.url + "/accounts/login/")
    page.fill("[name=username]", person.user.username)
    page.fill("[name=password]", person.password)
    page.keyboard.press("Enter")
    wait_until_live(page)


def names_on(page: Page) -> set[str]:
    """Returns the names of the cookies that the browser sends to sites on the page's host."""
    return {str(cookie["name"]) for cookie in page.context.cookies(page.url)}


# --- Two sites ----------------------------------------------------------------------------


def test_two_sites_on_one_host_leave_each_other_alone(
    first: Site,
    start_apart: "StartApart",
    alice: Person,
    bob: Person,
    page: Page,
    upstream: Upstream,
) -> None:
    second = start_apart(bob, **DEFAULT_NAMES).site
    key = upstream.script([wire.role(), *wire.text("so far"), wire.Stall()])
    sign_in(page, first, alice)
    ask(page, key)
    expect(page.locator("[data-body]")).to_have_text("so far")

    other = page.context.new_page()
    sign_in(other, second, bob)
    assert names_on(other) == {
        f"{name}_{site.port}" for name in ("sessionid", "csrftoken") for site in (first, second)
    }
    page.click("[data-stop]")
    ended(page, "stopped")
    assert source(page) == "so far"

    other.click(".user-menu > summary")
    other.get_by_role("button", name="Sign out").click()
    other.locator("[name=username]").wait_for()
    page.reload()
    wait_until_live(page)
    ask(page, upstream.script([wire.role(), *wire.text("again"), wire.Stall()]))
    expect(page.locator("[data-body]").last).to_have_text("again")
    page.click("[data-stop]")
    ended(page, "stopped")


def test_a_form_that_was_open_while_the_other_site_was_visited_can_be_sent(
    first: Site, start_apart: "StartApart", alice: Person, page: Page
) -> None:
    second = start_apart(alice, **DEFAULT_NAMES).site
    page.goto(first.url + "/accounts/login/")
    other = page.context.new_page()
    sign_in(other, second, alice)
    page.fill("[name=username]", alice.user.username)
    page.fill("[name=password]", alice.password)
    page.keyboard.press("Enter")
    wait_until_live(page)
    other.reload()
    wait_until_live(other)


# --- Programs -----------------------------------------------------------------------------


def test_a_program_finds_the_token_under_djangos_name_and_signs_in_as_the_protocol_says(
    first: Site, visitor: httpx2.Client, alice: Person
) -> None:
    visitor.get("/accounts/login/")
    fields = {
        "username": alice.user.username,
        "password": alice.password,
        "csrfmiddlewaretoken": visitor.cookies["csrftoken"],
    }
    assert visitor.post("/accounts/login/", data=fields).status_code == 302
    headers = {"X-CSRFToken": visitor.cookies["csrftoken"]}
    with visitor.stream(
        "POST", "/api/chat", json={"content": "Hello"}, headers=headers
    ) as response:
        assert response.status_code == 200
        assert "data: [DONE]" in list(response.iter_lines())


def test_the_cookie_with_djangos_name_is_an_addition_that_no_page_is_sent(
    first: Site, visitor: httpx2.Client
) -> None:
    made = SimpleCookie()
    for line in visitor.get("/accounts/login/").headers.get_list("set-cookie"):
        made.load(line)
    assert set(made) == {"csrftoken", f"csrftoken_{first.port}"}
    assert made["csrftoken"].value == made[f"csrftoken_{first.port}"].value
    assert (made["csrftoken"]["path"], made[f"csrftoken_{first.port}"]["path"]) == (
        "/api/csrftoken",
        "/",
    )
    sent = visitor.build_request("GET", "/accounts/login/").headers["cookie"]
    assert sent == f"csrftoken_{first.port}={made['csrftoken'].value}"


def test_cookies_with_djangos_names_count_where_there_are_none_of_ours(
    first: Site, alice: Person
) -> None:
    """Keeps sessions from before the names had a port, and programs with a token of their own."""
    token = "t" * 32
    cookies = {"sessionid": alice.new_session(), "csrftoken": token}
    with httpx2.Client(base_url=first.url, trust_env=False, cookies=cookies) as http:
        assert http.get("/api/limits").status_code == 200
        assert (
            http.post("/api/chat", json={}, headers={"X-CSRFToken": token}).json()["error"]["code"]
            == "invalid_request"
        )


def test_cookies_with_djangos_names_do_not_count_beside_ours(
    first: Site, alice: Person, bob: Person
) -> None:
    """Ignores cookies that may be of another site, on the standard port of this host."""
    ours, theirs = "o" * 32, "t" * 32
    cookies = {
        "sessionid": bob.new_session(),
        "csrftoken": theirs,
        f"sessionid_{first.port}": alice.new_session(),
        f"csrftoken_{first.port}": ours,
    }
    with httpx2.Client(base_url=first.url, trust_env=False, cookies=cookies) as http:
        assert http.get("/api/limits").json()["quota"] == alice.quota.name
        assert http.post("/api/chat", json={}, headers={"X-CSRFToken": ours}).status_code == 400
        assert (
            http.post("/api/chat", json={}, headers={"X-CSRFToken": theirs}).json()["error"]["code"]
            == "csrf_failed"
        )


def test_where_the_names_are_djangos_there_is_no_second_cookie(site: Site) -> None:
    answer = httpx2.get(f"{site.url}/accounts/login/", trust_env=False)
    assert [line.partition("=")[0] for line in answer.headers.get_list("set-cookie")] == [
        "csrftoken"
    ]
