"""An invitation's link works once, until it expires or is withdrawn, unless sign-up is closed."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core import signing
from django.test import Client
from django.utils import timezone

from chat.accounts.signed_links import invitation_url
from chat.models import Invitation, SitePolicy
from tests.harness.challenge import solved
from tests.harness.visitor import all_at_once, visitor

pytestmark = pytest.mark.usefixtures("static_files", "fast_passwords", "by_invitation")
PASSWORD = "another-fine-day-in-may"


@pytest.fixture
def by_invitation(db_ready: None) -> Iterator[None]:
    SitePolicy.objects.filter(pk=1).update(signup="invite")
    yield
    SitePolicy.objects.filter(pk=1).update(signup="closed")


def link_of(invitation: Invitation) -> str:
    """The link without the site's address."""
    url = invitation_url(invitation)
    assert url.startswith(settings.SITE_URL)
    return url.removeprefix(settings.SITE_URL)


def sign_up(client: Client, link: str, username: str, **fields: str) -> Any:
    return client.post(
        link,
        {
            "username": username,
            "password1": PASSWORD,
            "password2": PASSWORD,
            "altcha": solved(),
            **fields,
        },
    )


def test_an_invitation_makes_one_account_and_remembers_it() -> None:
    invitation = Invitation.objects.create()
    link = link_of(invitation)
    assert visitor().get(link).status_code == 200
    assert sign_up(visitor(), link, "invited-one")["Location"] == "/"
    invitation.refresh_from_db()
    assert invitation.used_by == User.objects.get(username="invited-one")
    assert visitor().get(link).status_code == 403
    assert sign_up(visitor(), link, "invited-again").status_code == 403
    assert not User.objects.filter(username="invited-again").exists()


def test_an_invitation_stays_used_when_the_account_is_deleted() -> None:
    link = link_of(Invitation.objects.create())
    sign_up(visitor(), link, "invited-and-gone")
    User.objects.get(username="invited-and-gone").delete()
    assert visitor().get(link).status_code == 403


def test_of_several_who_use_one_invitation_at_once_one_gets_in() -> None:
    link = link_of(Invitation.objects.create())
    names = [f"invited-race-{number}" for number in range(4)]
    answers = all_at_once(
        [lambda name=name: sign_up(visitor(), link, name).status_code for name in names]
    )
    assert sorted(answers) == [302, 403, 403, 403]
    assert User.objects.filter(username__in=names).count() == 1


def test_a_form_with_a_mistake_does_not_use_up_the_invitation() -> None:
    link = link_of(Invitation.objects.create())
    assert sign_up(visitor(), link, "invited-late", password2="other").status_code == 200
    assert sign_up(visitor(), link, "invited-late").status_code == 302


@pytest.mark.parametrize("signup", ["invite", "open"])
def test_an_invitation_is_used_up_while_sign_up_is_open_too(signup: str) -> None:
    SitePolicy.objects.filter(pk=1).update(signup=signup)
    invitation = Invitation.objects.create()
    sign_up(visitor(), link_of(invitation), f"invited-{signup}")
    assert not Invitation.objects.usable().filter(pk=invitation.pk).exists()


def test_an_expired_and_a_withdrawn_invitation_are_refused() -> None:
    expired = Invitation.objects.create(expires=timezone.now() - timedelta(seconds=1))
    withdrawn = Invitation.objects.create()
    links = [link_of(expired), link_of(withdrawn)]
    withdrawn.delete()
    assert [visitor().get(link).status_code for link in links] == [403, 403]


def test_a_forged_or_missing_token_is_refused() -> None:
    invitation = Invitation.objects.create()
    (token,) = parse_qs(urlsplit(link_of(invitation)).query)["invite"]
    forged = [
        token[:-1] + ("A" if token[-1] != "A" else "B"),
        invitation.pk.hex,
        signing.Signer(salt="another purpose").sign(invitation.pk.hex),
        signing.Signer(salt="chat.invitation").sign("no id"),
        "\0",
        "",
    ]
    assert {
        visitor().get("/accounts/signup/", {"invite": text}).status_code for text in forged
    } == {403}
    assert visitor().get("/accounts/signup/").status_code == 403


def test_no_invitation_opens_a_closed_site() -> None:
    SitePolicy.objects.filter(pk=1).update(signup="closed")
    link = link_of(Invitation.objects.create())
    assert visitor().get(link).status_code == 403
    assert sign_up(visitor(), link, "invited-closed").status_code == 403
