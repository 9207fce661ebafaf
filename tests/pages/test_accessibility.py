"""Every page before axe-core: both themes, wide and on a phone, WCAG 2.2 A and AA and best
practice; no rule and no part left out.
"""

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
    """A page whose content security policy lets axe-core in."""
    with new_context(browser, bypass_csp=True) as context:
        yield context.new_page()


@pytest.fixture
def operator(alice: Person, site: Site, tab: Page) -> Person:
    """Alice, who runs the site, at the page."""
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


def test_pages_of_the_admin_that_follow_a_press(
    site: Site, rows: Rows, tab: Page, policy_kept: None
) -> None:
    found: list[str] = []

    def look(what: str) -> None:
        found.extend(f"{what}: {line}" for line in violations_everywhere(tab))

    for path in ("chat/quota", "chat/grant", "chat/invitation", "auth/user"):
        tab.goto(f"{site.url}/admin/{path}/add/")
        tab.evaluate("document.querySelector('#content form').noValidate = true")
        tab.locator("input[name^=expires_], input[name=day]").evaluate_all(
            "boxes => boxes.forEach((box) => { box.value = 'x'; })"
        )
        tab.get_by_role("button", name="Save", exact=True).click()
        tab.wait_for_selector(".errornote")
        look(f"{path} with errors")
    for action in ("pause", "grant_tokens", "delete_selected"):
        tab.goto(f"{site.url}/admin/auth/user/?q={rows.person.username}")
        tab.check("#action-toggle")
        tab.select_option("select[name=action]", action)
        tab.get_by_role("button", name="Run").or_(
            tab.get_by_role("button", name="Go")
        ).first.click()
        tab.wait_for_selector("input[name=_selected_action][type=hidden]", state="attached")
        look(f"asking before {action}")
    SitePolicy.objects.filter(pk=1).update(content_access=True, notice="Closed on Sunday.")
    tab.goto(f"{site.url}/admin/chat/conversation/{conversation_of(rows)}/change/")
    tab.get_by_role("button", name="Record my access").click()
    tab.wait_for_selector(".content-thread")
    look("a conversation that is read")
    tab.goto(f"{site.url}/admin/chat/grant/add/")
    tab.locator("[id^=calendarlink]").first.click()
    look("the calendar")
    tab.keyboard.press("Escape")
    tab.locator(".select2-selection").click()
    tab.wait_for_selector(".select2-results__option[role=option]")
    look("the search for a person")
    tab.goto(f"{site.url}/admin/chat/quota/")
    tab.locator("input[name=_save]").click()
    look("a list that was saved")
    tab.locator("#logout-form button").click()
    look("signed out")
    assert found == []


def conversation_of(rows: Rows) -> str:
    return str(
        Message.objects.filter(conversation__user=rows.person).values_list(
            "conversation", flat=True
        )[0]
    )


def test_every_page_of_people(
    site: Site, bob: Person, rows: Rows, tab: Page, open_signup: None, guests: "Quota"
) -> None:
    conversation = conversation_of(rows)
    strangers = [
        "/",
        "/accounts/login/",
        "/accounts/login/?next=/admin/",
        "/accounts/signup/",
        "/accounts/reset/",
        "/accounts/reset/sent/",
    ]
    strangers += [
        "/accounts/reset/MQ/none/",
        "/accounts/reset/done/",
        "/setup/none/",
        "/nowhere/",
        "/usage/",
    ]
    own = ["/", f"/c/{conversation}/", "/search/", "/search/?q=question"]
    own += [
        "/search/?q=nothing+like+it",
        "/usage/",
        "/accounts/password/",
        "/accounts/password/done/",
        "/admin/",
        "/c/none/",
    ]
    tab.context.clear_cookies()
    found = [line for path in strangers for line in faults(tab, site.url + path)]
    tab.context.add_cookies(bob.cookies(site))
    found += [line for path in own for line in faults(tab, site.url + path)]
    assert found == []
