"""Signing in and out, signing up, changing and resetting a password."""

import re
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from django.urls import reverse

from chat.models import SitePolicy
from tests.conftest import MakeUser
from tests.harness.challenge import solved
from tests.harness.people import PASSWORD, Person
from tests.harness.visitor import all_at_once, visitor

pytestmark = pytest.mark.usefixtures("static_files", "fast_passwords", "closed_again")
NEW_PASSWORD = "another-fine-day-in-may"


@pytest.fixture
def alice(make_user: MakeUser, fast_passwords: None) -> Person:
    return with_fast_password(make_user("alice"))


@pytest.fixture
def bob(make_user: MakeUser, fast_passwords: None) -> Person:
    return with_fast_password(make_user("bob"))


def with_fast_password(person: Person) -> Person:
    """Or the first sign-in would hash it again, which ends the person's other sessions."""
    person.user.set_password(PASSWORD)
    person.user.save()
    return person


@pytest.fixture
def closed_again(db_ready: None) -> Iterator[None]:
    yield
    set_signup("closed")


def set_signup(signup: str) -> None:
    SitePolicy.objects.filter(pk=1).update(signup=signup)


def sign_in(client: Client, person: Person, password: str = PASSWORD, **fields: str) -> Any:
    return client.post(
        "/accounts/login/", {"username": person.user.username, "password": password, **fields}
    )


def sign_up(client: Client, username: str, **fields: str) -> Any:
    posted = {
        "username": username,
        "password1": NEW_PASSWORD,
        "password2": NEW_PASSWORD,
        "altcha": solved(),
        **fields,
    }
    return client.post("/accounts/signup/", posted)


def is_signed_in(client: Client) -> bool:
    return client.get("/usage/").status_code == 200


def mailed() -> list[mail.EmailMessage]:
    """What was mailed, once the threads that mail are done."""
    for thread in threading.enumerate():
        if thread.name == "reset-mail":
            thread.join(10)
    return list(mail.outbox)


# --- In and out -------------------------------------------------------------


def test_signing_in_leads_to_the_chat(alice: Person) -> None:
    client = visitor()
    assert sign_in(client, alice)["Location"] == "/"
    assert is_signed_in(client)


def test_signing_in_leads_back_to_the_page_that_asked_for_it(alice: Person) -> None:
    client = visitor()
    asked = client.get("/search/?q=cat")
    assert asked["Location"] == "/accounts/login/?next=/search/%3Fq%3Dcat"
    assert sign_in(client, alice, next="/search/?q=cat")["Location"] == "/search/?q=cat"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
    ],
)
def test_signing_in_never_leads_to_another_site(alice: Person, target: str) -> None:
    assert sign_in(visitor(), alice, next=target)["Location"] == "/"
    assert visitor(alice.user).get("/accounts/login/", {"next": target})["Location"] == "/"
    admin = visitor(alice.user).get("/admin/login/", {"next": target})
    assert "evil" not in admin.get("Location", "")


@pytest.mark.parametrize("target", ["/accounts/login/", "/accounts/login/?next=/accounts/login/"])
def test_signing_in_never_leads_back_to_itself(alice: Person, target: str) -> None:
    assert visitor(alice.user).get("/accounts/login/", {"next": target})["Location"] == "/"
    assert sign_in(visitor(), alice, next=target)["Location"] == "/"


def test_the_sessions_key_changes_when_signing_in(alice: Person) -> None:
    client = visitor()
    session = client.session
    session["guest"] = "somebody"
    session.save()
    before = session.session_key
    client.cookies[settings.SESSION_COOKIE_NAME] = before or ""
    sign_in(client, alice)
    assert client.session.session_key not in (None, before)
    stale = visitor()
    stale.cookies[settings.SESSION_COOKIE_NAME] = before or ""
    assert not is_signed_in(stale)


def test_signing_out_takes_a_post_and_ends_the_session(alice: Person) -> None:
    client = visitor(alice.user)
    assert client.get("/accounts/logout/").status_code == 405
    assert is_signed_in(client)
    key = client.session.session_key
    assert client.post("/accounts/logout/")["Location"] == "/accounts/login/"
    client.cookies[settings.SESSION_COOKIE_NAME] = key or ""
    assert not is_signed_in(client)


def test_a_form_without_its_csrf_token_is_refused(alice: Person) -> None:
    assert sign_in(visitor(enforce_csrf_checks=True), alice).status_code == 403


def test_a_wrong_password_a_wrong_name_and_a_closed_account_are_answered_alike(
    alice: Person, bob: Person
) -> None:
    User.objects.filter(pk=bob.user.pk).update(is_active=False)
    answers = [
        sign_in(visitor(), alice, "wrong"),
        sign_in(visitor(), bob),
        visitor().post("/accounts/login/", {"username": "nobody", "password": "wrong"}),
    ]
    assert {answer.status_code for answer in answers} == {200}
    errors = [
        re.findall(r"errorlist nonfield.*?</ul>", each.content.decode(), re.DOTALL)[0]
        for each in answers
    ]
    assert len(set(errors)) == 1


# --- Sign-up ----------------------------------------------------------------


def test_sign_up_is_closed_by_default() -> None:
    client = visitor()
    assert client.get("/accounts/signup/").status_code == 403
    assert sign_up(client, "eve-closed").status_code == 403
    assert not User.objects.filter(username="eve-closed").exists()
    assert "/accounts/signup/" not in client.get("/accounts/login/").content.decode()


def test_sign_up_makes_an_account_where_it_is_open() -> None:
    set_signup("open")
    client = visitor()
    assert "/accounts/signup/" in client.get("/accounts/login/").content.decode()
    assert client.get("/accounts/signup/").status_code == 200
    assert sign_up(client, "eve-open", email="eve@example.org")["Location"] == "/"
    user = User.objects.get(username="eve-open")
    assert (user.email, user.is_staff, user.is_superuser) == ("eve@example.org", False, False)
    assert is_signed_in(client)


def test_sign_up_makes_no_operator_whatever_is_posted() -> None:
    set_signup("open")
    sign_up(visitor(), "eve-grabs", is_staff="on", is_superuser="on")
    assert not User.objects.get(username="eve-grabs").is_staff


def test_a_taken_name_and_a_weak_password_are_said(alice: Person) -> None:
    set_signup("open")
    taken = sign_up(visitor(), alice.user.username.upper())
    assert "already exists" in taken.content.decode()
    weak = sign_up(visitor(), "eve-weak", password1="12345", password2="12345")
    assert "too short" in weak.content.decode()
    assert not User.objects.filter(username="eve-weak").exists()


def test_an_address_that_an_account_has_is_no_error_at_sign_up(alice: Person) -> None:
    set_signup("open")
    assert sign_up(visitor(), "eve-same-address", email=alice.user.email).status_code == 302


def test_two_who_want_one_name_at_once_get_one_account_and_one_answer() -> None:
    set_signup("open")
    answers = all_at_once([lambda: sign_up(visitor(), "eve-twice").status_code] * 4)
    assert sorted(answers) == [200, 200, 200, 302]


# --- Passwords --------------------------------------------------------------


def test_changing_the_password_ends_the_other_sessions_and_not_this_one(alice: Person) -> None:
    here, there = visitor(alice.user), visitor(alice.user)
    assert here.get("/accounts/password/").status_code == 200
    fields = {
        "old_password": PASSWORD,
        "new_password1": NEW_PASSWORD,
        "new_password2": NEW_PASSWORD,
    }
    assert here.post("/accounts/password/", fields, follow=True).status_code == 200
    assert is_signed_in(here)
    assert not is_signed_in(there)
    assert sign_in(visitor(), alice, NEW_PASSWORD).status_code == 302


def test_changing_the_password_takes_the_old_one(alice: Person) -> None:
    fields = {"old_password": "wrong", "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    assert (
        "entered incorrectly"
        in visitor(alice.user).post("/accounts/password/", fields).content.decode()
    )


def test_changing_a_password_takes_a_sign_in() -> None:
    assert visitor().get("/accounts/password/")["Location"].startswith("/accounts/login/")


def test_a_reset_link_is_built_from_the_settings_and_works_once(alice: Person) -> None:
    mail.outbox.clear()
    client = visitor()
    client.post(
        "/accounts/reset/",
        {"email": alice.user.email},
        headers={"host": "localhost", "x-forwarded-host": "evil.example"},
    )
    (message,) = mailed()
    assert message.to == [alice.user.email]
    link = urlsplit(re.search(r"\S+://\S+", str(message.body))[0])  # type: ignore[index]
    assert f"{link.scheme}://{link.netloc}" == settings.SITE_URL
    form = client.get(link.path, follow=True)
    assert form.status_code == 200
    done = client.post(
        form.redirect_chain[-1][0],
        {"new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD},
        follow=True,
    )
    assert "new password is set" in done.content.decode()
    assert sign_in(visitor(), alice, NEW_PASSWORD).status_code == 302
    assert "no longer valid" in visitor().get(link.path, follow=True).content.decode()


def test_a_reset_is_answered_alike_whether_or_not_an_account_has_the_address(alice: Person) -> None:
    mail.outbox.clear()
    known = visitor().post("/accounts/reset/", {"email": alice.user.email}, follow=True)
    unknown = visitor().post("/accounts/reset/", {"email": "nobody@nowhere.example"}, follow=True)
    assert known.content == unknown.content
    assert [message.to for message in mailed()] == [[alice.user.email]]


@pytest.mark.parametrize(
    "name", ["login", "password_reset", "password_reset_done", "password_reset_complete"]
)
def test_each_page_of_the_signed_out_can_be_seen(name: str) -> None:
    assert visitor().get(reverse(name)).status_code == 200
