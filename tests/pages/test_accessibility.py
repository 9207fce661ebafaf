"""Every page before axe-core, in both themes, wide and on a phone: WCAG 2.2 AA, best practice."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page

from chat.models import Message, SitePolicy
from tests.harness.admin_pages import AdminPage, Rows, make_rows, pages
from tests.harness.axe import violations_everywhere
from tests.harness.browser import new_context
from tests.harness.people import Person
from tests.harness.site import Site

if TYPE_CHECKING:
    from chat.models import Quota

# These are no pages: a file, a script, a redirect, an answer to a POST.
NO_PAGES = {"jsi18n", "autocomplete", "logout", "export", "stop", "read", "site", "pause"}


@pytest.fixture
def tab(browser: Browser) -> Iterator[Page]:
    """Yields a page whose content security policy lets axe-core in."""
    with new_context(browser, bypass_csp=True) as context:
        yield context.new_page()


@pytest.fixture
def operator(alice: Person, site: Site, tab: Page) -> Person:
    """Signs Alice in at the page, as a superuser."""
    User.objects.filter(pk=alice.user.pk).update(is_staff=True, is_superuser=True)
    tab.context.add_cookies(alice.cookies(site))
    return alice


@pytest.fixture
def rows(operator: Person, bob: Person) -> Rows:
    return make_rows(bob.user, operator.user)


def is_shown(page: AdminPage) -> bool:
    return page.kind not in NO_PAGES or page.path.endswith("/change/")


def faults(tab: Page, url: str) -> list[str]:
    tab.goto(url)
    return [f"{url}: {line}" for line in violations_everywhere(tab)]


def test_every_page_of_the_admin(site: Site, rows: Rows, tab: Page) -> None:
    paths = [page.path for page in pages(rows) if is_shown(page)]
    paths += [
        "/admin/auth/group/add/?_popup=1",
        "/admin/nowhere/",
        "/admin/chat/quota/?q=nothing+like+it",
        "/admin/chat/quota/?nope=1&e=1",
    ]
    assert [line for path in paths for line in faults(tab, site.url + path)] == []


def seen(tab: Page, what: str) -> list[str]:
    """Returns the violations on the page that is open, each behind what it shows."""
    return [f"{what}: {line}" for line in violations_everywhere(tab)]


def test_forms_with_errors_and_questions_before_an_action(
    site: Site, rows: Rows, tab: Page
) -> None:
    found: list[str] = []
    for path in ("chat/quota", "chat/grant", "chat/invitation", "auth/user"):
        tab.goto(f"{site.url}/admin/{path}/add/")
        tab.evaluate("document.querySelector('#content form').noValidate = true")
        tab.locator("input[name^=expires_], input[name=day]").evaluate_all(
            "boxes => boxes.forEach((box) => { box.value = 'x'; })"
        )
        tab.get_by_role("button", name="Save", exact=True).click()
        tab.wait_for_selector(".errornote")
        found += seen(tab, f"{path} with errors")
    for action in ("pause", "grant_tokens", "delete_selected"):
        tab.goto(f"{site.url}/admin/auth/user/?q={rows.person.username}")
        tab.check("#action-toggle")
        tab.select_option("select[name=action]", action)
        tab.get_by_role("button", name="Run").or_(
            tab.get_by_role("button", name="Go")
        ).first.click()
        tab.wait_for_selector("input[name=_selected_action][type=hidden]", state="attached")
        found += seen(tab, f"asking before {action}")
    assert found == []


def test_pages_of_the_admin_that_follow_a_press(
    site: Site, rows: Rows, tab: Page, policy_kept: None
) -> None:
    found: list[str] = []
    SitePolicy.objects.filter(pk=1).update(content_access=True, notice="Closed on Sunday.")
    tab.goto(f"{site.url}/admin/chat/conversation/{conversation_of(rows)}/change/")
    tab.get_by_role("button", name="Record my access").click()
    tab.wait_for_selector(".content-thread")
    found += seen(tab, "a conversation that is read")
    tab.goto(f"{site.url}/admin/chat/grant/add/")
    tab.locator("[id^=calendarlink]").first.click()
    found += seen(tab, "the calendar")
    tab.keyboard.press("Escape")
    tab.locator(".select2-selection").click()
    tab.wait_for_selector(".select2-results__option[role=option]")
    found += seen(tab, "the search for a person")
    tab.goto(f"{site.url}/admin/chat/quota/")
    tab.locator("input[name=_save]").click()
    found += seen(tab, "a list that was saved")
    tab.locator("#logout-form button").click()
    found += seen(tab, "signed out")
    assert found == []


def conversation_of(rows: Rows) -> str:
    return str(
        Message.objects.filter(conversation__user=rows.person).values_list(
            "conversation", flat=True
        )[0]
    )


STRANGERS_PATHS = [
    "/",
    "/accounts/login/",
    "/accounts/login/?next=/admin/",
    "/accounts/signup/",
    "/accounts/reset/",
    "/accounts/reset/sent/",
    "/accounts/reset/MQ/none/",
    "/accounts/reset/done/",
    "/setup/none/",
    "/nowhere/",
    "/usage/",
]
OWN_PATHS = [
    "/",
    "/search/",
    "/search/?q=question",
    "/search/?q=nothing+like+it",
    "/usage/",
    "/accounts/password/",
    "/accounts/password/done/",
    "/admin/",
    "/c/none/",
]


def test_every_page_of_people(
    site: Site, bob: Person, rows: Rows, tab: Page, open_signup: None, guests: "Quota"
) -> None:
    own = [f"/c/{conversation_of(rows)}/", *OWN_PATHS]
    tab.context.clear_cookies()
    found = [line for path in STRANGERS_PATHS for line in faults(tab, site.url + path)]
    tab.context.add_cookies(bob.cookies(site))
    found += [line for path in own for line in faults(tab, site.url + path)]
    assert found == []
