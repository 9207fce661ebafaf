"""The operator's pause and notice, as people and operators see them."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User

from chat.models import Pause, SitePolicy
from tests.harness import wire
from tests.harness.people import Person
from tests.harness.site import Site
from tests.harness.upstream import Upstream
from tests.harness.visitor import visitor

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.usefixtures("static_files")
PAUSE = "/admin/chat/sitepolicy/pause/"
GOES_ON = "answers that are being written go on"


@pytest.fixture
def policy(db_ready: None) -> Iterator[Callable[..., None]]:
    """Sets fields of the site policy; all is as before after the test."""

    def change(**fields: object) -> None:
        SitePolicy.objects.filter(pk=1).update(**fields)

    yield change
    change(paused=False, notice="")


def staff(person: Person, *permissions: str) -> Person:
    User.objects.filter(pk=person.user.pk).update(is_staff=True)
    person.user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return person


def test_the_notice_stands_on_top_of_every_page(alice: Person, policy: Callable[..., None]) -> None:
    policy(notice="Back at <noon>.")
    pages = [
        (visitor(alice.user), path)
        for path in ("/", "/search/", "/usage/", "/accounts/password/", "/nothing/")
    ]
    for client, path in [*pages, (visitor(), "/accounts/login/")]:
        assert client.get(path).content.decode().count("Back at &lt;noon&gt;.") == 1, path
    policy(notice="")
    assert "site-notice" not in visitor(alice.user).get("/").content.decode()


def test_the_composer_says_why_nothing_can_be_asked(
    alice: Person, policy: Callable[..., None]
) -> None:
    client = visitor(alice.user)
    assert GOES_ON not in client.get("/").content.decode()
    policy(paused=True)
    assert (
        f"The site is paused. Try again later. Until then you can read what there is; {GOES_ON}."
        in client.get("/").content.decode()
    )
    policy(paused=False)
    Pause.objects.create(user=alice.user, note="Come and talk to us.")
    assert "Come and talk to us. Until then" in client.get("/").content.decode()


def test_a_pause_stops_no_answer_and_keeps_the_prompt(
    alice: Person, site: Site, upstream: Upstream, page: "Page", policy: Callable[..., None]
) -> None:
    from tests.harness.chat_page import ask, ended, last_body, open_chat, wait_until_live

    gate = wire.Gate()
    key = upstream.script([*wire.text("It goes"), gate, *wire.answer(" on.")])
    open_chat(page, site, alice)
    ask(page, key)
    page.locator("[data-body]").get_by_text("It goes").wait_for()
    policy(paused=True, notice="Back at noon.")
    gate.open()
    ended(page)
    assert last_body(page) == "It goes on."
    ask(page, "And then?")
    page.locator("[data-alert]").get_by_text("Back at noon.").wait_for()
    assert page.input_value("#content") == "And then?"
    page.reload()
    wait_until_live(page)
    assert GOES_ON in page.inner_text("[data-alert]")
    policy(paused=False)
    ask(page, upstream.script(wire.answer("All is well again.")))
    page.locator("[data-body]").get_by_text("All is well again.").wait_for()
    assert page.locator("[data-alert]").is_hidden()


def test_a_button_pauses_the_site_and_the_history_says_who_pressed_it(
    alice: Person, bob: Person, policy: Callable[..., None]
) -> None:
    operator = visitor(staff(alice, "change_sitepolicy").user)
    assert "Pause the site" in operator.get("/admin/").content.decode()
    for wanted, button in (("yes", "Go on"), ("yes", "Go on"), ("no", "Pause the site")):
        answer = operator.post(PAUSE, {"paused": wanted}, follow=True)
        assert button in answer.content.decode()
        assert SitePolicy.current().paused is (wanted == "yes")
    told = LogEntry.objects.filter(user=alice.user).order_by("action_time")
    assert [entry.get_change_message() for entry in told] == [
        "Paused: no → yes.",
        "Paused: yes → no.",
    ]
    assert operator.get(PAUSE).status_code == 405


def test_whoever_may_not_change_the_policy_pauses_nothing(
    alice: Person, bob: Person, policy: Callable[..., None]
) -> None:
    looker = visitor(staff(alice, "view_sitepolicy", "view_usage").user)
    first = looker.get("/admin/").content.decode()
    assert "Running answers" in first
    assert "Pause the site" not in first
    assert looker.post(PAUSE, {"paused": "yes"}).status_code == 403
    assert visitor(bob.user).post(PAUSE, {"paused": "yes"}).status_code == 302
    assert SitePolicy.current().paused is False
    assert (
        "The site</h2>"
        not in visitor(staff(bob, "view_quota").user).get("/admin/").content.decode()
    )
