"""Failed sign-ins, sign-ups and password resets are limited, and reveal no account."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from chat.abuse import signin
from chat.limits import windows
from tests.harness.challenge import solved
from tests.harness.client import Client as SiteClient
from tests.harness.people import PASSWORD
from tests.harness.valkey import Valkey
from tests.harness.visitor import all_at_once, new_address, visitor

if TYPE_CHECKING:
    from tests.conftest import MakeUser, StartSite

pytestmark = pytest.mark.usefixtures("static_files", "fast_passwords")
LIMIT = 10
WRONG = "not the password"


@pytest.fixture
def carol(make_user: "MakeUser", fast_passwords: None) -> User:
    user = make_user("carol").user
    user.set_password(PASSWORD)
    user.save()
    return user


def sign_in(client: Client, username: str, password: str) -> Any:
    return client.post("/accounts/login/", {"username": username, "password": password})


def fail(client: Client, username: str, times: int = LIMIT) -> list[int]:
    return [sign_in(client, username, WRONG).status_code for _ in range(times)]


def test_ten_failures_are_answered_and_the_eleventh_attempt_is_refused(carol: User) -> None:
    client = visitor()
    assert fail(client, carol.username) == [200] * LIMIT
    refused = sign_in(client, carol.username, WRONG)
    assert refused.status_code == 429
    assert 1 <= int(refused["Retry-After"]) <= 301
    assert "Too many attempts" in refused.content.decode()
    assert "Try again in" in refused.content.decode()


def test_the_right_password_is_refused_too_while_the_limit_holds(carol: User) -> None:
    client = visitor()
    fail(client, carol.username)
    refused = sign_in(client, carol.username, PASSWORD)
    assert refused.status_code == 429
    assert "_auth_user_id" not in client.session


def test_sign_ins_that_succeed_are_not_counted(carol: User) -> None:
    address = new_address()
    assert {
        sign_in(visitor(address=address), carol.username, PASSWORD).status_code
        for _ in range(LIMIT + 2)
    } == {302}


def test_an_address_is_refused_for_every_name(carol: User) -> None:
    client = visitor()
    for number in range(LIMIT):
        fail(client, f"guess-{number}", times=1)
    assert sign_in(client, carol.username, PASSWORD).status_code == 429


def test_another_address_is_not_refused(carol: User) -> None:
    fail(visitor(), carol.username)
    assert sign_in(visitor(), carol.username, PASSWORD).status_code == 302


def test_an_account_is_limited_at_an_address_by_itself(carol: User) -> None:
    """The two windows begin at different moments, so either may be the one that is full."""
    address = new_address()
    for _ in range(LIMIT):
        windows.take("sign-in-as", f"{address} {carol.username}", [signin.FAILED_SIGN_INS])
    assert sign_in(visitor(address=address), carol.username, PASSWORD).status_code == 429
    assert sign_in(visitor(address=address), carol.username.upper(), WRONG).status_code == 429
    assert sign_in(visitor(address=address), "somebody-else", WRONG).status_code == 200


def test_a_name_that_nobody_has_is_answered_and_refused_alike(carol: User) -> None:
    known, unknown = visitor(), visitor()
    for _ in range(LIMIT):
        pages = [
            sign_in(client, name, WRONG).content.decode()
            for client, name in ((known, carol.username), (unknown, "nobody"))
        ]
        assert "Please enter a correct username and password" in pages[0]
        assert "Please enter a correct username and password" in pages[1]
    assert (
        sign_in(known, carol.username, WRONG).status_code
        == sign_in(unknown, "nobody", WRONG).status_code
        == 429
    )


def test_of_many_guesses_at_once_ten_are_answered(carol: User) -> None:
    address = new_address()
    guesses = [
        lambda: sign_in(visitor(address=address), carol.username, WRONG).status_code
        for _ in range(24)
    ]
    answers = all_at_once(guesses)
    assert sorted(answers) == [200] * LIMIT + [429] * 14


def test_a_refused_failure_is_counted_nowhere(carol: User) -> None:
    address = new_address()
    fail(visitor(address=address), carol.username, times=LIMIT)
    sign_in(visitor(address=address), "somebody-else", WRONG)
    assert (
        windows.peek("sign-in-as", f"{address} somebody-else", [signin.FAILED_SIGN_INS])[0].used
        == 0
    )


def test_the_admins_own_sign_in_page_leads_to_the_limited_one(carol: User) -> None:
    client = visitor()
    asked = client.get("/admin/", follow=True)
    assert asked.redirect_chain[-1][0] == "/accounts/login/?next=/admin/"
    posted = client.post(
        "/admin/login/?next=/admin/", {"username": carol.username, "password": PASSWORD}
    )
    assert posted.status_code == 302
    assert "_auth_user_id" not in client.session


def test_the_admins_sign_in_page_turns_away_who_is_signed_in_but_no_operator(carol: User) -> None:
    assert visitor(carol).get("/admin/", follow=True).status_code == 403


def test_sign_up_is_limited_by_address(open_signup: None) -> None:
    client = visitor()
    tries = [
        client.post("/accounts/signup/", {"username": "", "altcha": solved()})
        for _ in range(LIMIT + 1)
    ]
    assert [answer.status_code for answer in tries] == [200] * LIMIT + [429]
    assert 1 <= int(tries[-1]["Retry-After"]) <= 3601


def test_password_reset_is_limited_by_who_asks() -> None:
    client = visitor()
    answers = [
        client.post("/accounts/reset/", {"email": f"{number}@nobody.example"}).status_code
        for number in range(6)
    ]
    assert answers == [302] * 5 + [429]


def test_password_reset_is_limited_by_who_would_be_mailed() -> None:
    answers = [
        visitor().post("/accounts/reset/", {"email": "One@Nobody.example"}).status_code
        for _ in range(5)
    ]
    assert answers == [302] * 5
    assert visitor().post("/accounts/reset/", {"email": "one@nobody.example"}).status_code == 429


def test_without_redis_a_sign_in_is_refused_with_503(
    start_site: "StartSite", start_valkey: Callable[[], Valkey], make_user: "MakeUser"
) -> None:
    valkey = start_valkey()
    site = start_site(REDIS_URL=valkey.url)
    person = make_user("dora")
    valkey.stop()
    with SiteClient(site.url) as client:
        refused = client.sign_in(person.user.username, PASSWORD)
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "2"


def test_without_redis_a_sign_in_is_allowed_where_the_setting_says_so(
    start_site: "StartSite", start_valkey: Callable[[], Valkey], make_user: "MakeUser"
) -> None:
    valkey = start_valkey()
    site = start_site(REDIS_URL=valkey.url, LIMITS_WHEN_REDIS_DOWN="allow")
    person = make_user("dora")
    valkey.stop()
    with SiteClient(site.url) as client:
        assert client.sign_in(person.user.username, WRONG).status_code == 200
        assert client.sign_in(person.user.username, PASSWORD).status_code == 302
