"""The set-up link makes the first admin, once, on a site that has no account."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.conf import settings
from django.core import signing

from chat.accounts.signed_links import SETUP_MAX_AGE, setup_url
from tests.conftest import StartSite
from tests.harness.client import Client
from tests.harness.people import Person
from tests.harness.site import ROOT, Site
from tests.harness.visitor import all_at_once, visitor

PASSWORD = "another-fine-day-in-may"


@pytest.fixture
def empty_site(start_site: StartSite, tmp_path: Path) -> Site:
    """A site of two workers with a database of its own, in which nobody has an account."""
    url = f"sqlite:///{tmp_path / 'empty.sqlite3'}"
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"DATABASE_URL": url}, check=True)
    return start_site(workers=2, DATABASE_URL=url)


def path() -> str:
    url = setup_url()
    assert url.startswith(f"{settings.SITE_URL}/setup/")
    return url.removeprefix(settings.SITE_URL)


def set_up(site: Site, username: str) -> int:
    with Client(site.url) as client:
        fields = {"username": username, "email": "", "password1": PASSWORD, "password2": PASSWORD}
        return client.post(path(), data=fields).status_code


def test_the_link_makes_the_first_admin_and_signs_them_in(empty_site: Site) -> None:
    link = path()
    hint = "Nobody has an account yet"
    with Client(empty_site.url) as client:
        assert hint in client.get("/accounts/login/").text
        assert client.get(link).status_code == 200
        weak = client.post(link, data={"username": "ada", "password1": "1", "password2": "1"})
        assert weak.status_code == 200
        assert "too short" in weak.text
        made = client.post(
            link, data={"username": "ada", "password1": PASSWORD, "password2": PASSWORD}
        )
        assert (made.status_code, made.headers["location"]) == (302, "/")
        assert client.get("/admin/").status_code == 200
        assert client.get(link).status_code == 404
    with Client(empty_site.url) as client:
        assert hint not in client.get("/accounts/login/").text
    assert set_up(empty_site, "eve") == 404


def test_of_several_who_post_at_once_one_becomes_the_admin(empty_site: Site) -> None:
    answers = all_at_once(
        [lambda name=name: set_up(empty_site, name) for name in ("ada", "bea", "cyd", "dot")]
    )
    assert sorted(answers) == [302, 404, 404, 404]


def test_a_forged_and_an_old_link_open_nothing(
    empty_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as clock:
        made = time.time() - SETUP_MAX_AGE - 1
        clock.setattr(time, "time", lambda: made)
        old = path()
    forged = signing.dumps("setup", salt="another purpose")
    with Client(empty_site.url) as client:
        answers = [
            client.get(link).status_code for link in (old, f"/setup/{forged}/", "/setup/x/", path())
        ]
    assert answers == [404, 404, 404, 200]


def test_the_link_is_closed_as_soon_as_there_is_an_account(
    static_files: None, alice: Person
) -> None:
    answer = visitor().get(path())
    assert answer.status_code == 404
    assert "no longer valid" in answer.content.decode()
