"""The operator's pages in a browser, under the site's content security policy."""

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from chat.models import Pause
from tests.harness.page_faults import FAULTS
from tests.harness.site import Site

if TYPE_CHECKING:
    from tests.conftest import MakeUser
    from tests.harness.people import Person


@pytest.fixture
def operator(alice: "Person") -> "Person":
    User.objects.filter(pk=alice.user.pk).update(is_staff=True, is_superuser=True)
    return alice


def test_person_is_searched_for_and_named_by_a_quota(
    site: Site, operator: "Person", make_user: "MakeUser", page: Page
) -> None:
    person, wanted = make_user("first"), make_user("wanted")
    page.context.add_cookies(operator.cookies(site))
    page.goto(f"{site.url}/admin/chat/quota/{person.quota.pk}/change/")
    page.locator(".field-users .select2-search__field").press_sequentially(wanted.user.username)
    page.get_by_role("option", name=wanted.user.username, exact=True).click()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".messagelist")).to_contain_text("was changed successfully")
    assert set(person.quota.users.all()) == {person.user, wanted.user}


def test_person_is_paused_and_unpaused_by_the_buttons(
    site: Site, operator: "Person", bob: "Person", page: Page
) -> None:
    page.context.add_cookies(operator.cookies(site))
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{site.url}/admin/auth/user/{bob.user.pk}/change/")
    page.get_by_role("button", name="Pause …").click()
    page.get_by_label("Note").fill("Come and talk to us.")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.locator(".errornote")).to_contain_text("“Come and talk to us.”")
    assert Pause.objects.filter(user=bob.user).exists()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Unpause").click()
    expect(page.locator(".messagelist")).to_contain_text("No longer paused")
    assert not Pause.objects.filter(user=bob.user).exists()


def test_bars_and_tables_of_our_own_have_names(
    site: Site, operator: "Person", make_user: "MakeUser", page: Page
) -> None:
    person = make_user(requests="10/m", tokens_per_day=100)
    page.context.add_cookies(operator.cookies(site))
    for path in (f"auth/user/{person.user.pk}", f"chat/quota/{person.quota.pk}"):
        page.goto(f"{site.url}/admin/{path}/change/")
        panel = page.locator(".panel")
        assert panel.locator("table").count() == panel.locator("table > caption").count()
        assert panel.locator("meter").count() == panel.locator("meter[aria-label]").count()
        assert [
            fault for fault in page.evaluate(FAULTS) if "panel" in fault or "meter" in fault
        ] == []
