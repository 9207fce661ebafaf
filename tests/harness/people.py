"""People for tests: each has a quota, so that no limit of one test is felt by another."""

from collections.abc import Callable
from functools import cache
from itertools import count
from typing import Any

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.backends.db import SessionStore

from chat.models import Quota
from chat.requester import Requester
from tests.harness.client import Client
from tests.harness.site import Site

PASSWORD = "correct-horse-battery-staple"
_numbers = count(1)


class Person:
    """Holds an account (`user`, `password`), its quota, and clients that are signed in as it."""

    def __init__(self, user: User, quota: Quota, default_site: Callable[[], Site]) -> None:
        self.user = user
        self.quota = quota
        self.password = PASSWORD
        self._default_site = default_site
        self._clients: list[Client] = []
        self._client: Client | None = None

    @property
    def requester(self) -> Requester:
        return Requester(user_id=self.user.pk, guest="", ip="127.0.0.1")

    @property
    def client(self) -> Client:
        """A client on the common site, the same one each time."""
        if self._client is None:
            self._client = self.client_on(self._default_site())
        return self._client

    def client_on(self, site: Site) -> Client:
        """A new client on that site, in a session of its own."""
        client = Client(site.url)
        client.http.cookies.set("sessionid", self.new_session())
        self._clients.append(client)
        return client

    def new_session(self) -> str:
        """The key of a new signed-in session, made in the database: no form, no password hash."""
        session = SessionStore()
        session[SESSION_KEY] = str(self.user.pk)
        session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
        session[HASH_SESSION_KEY] = self.user.get_session_auth_hash()
        session.create()
        assert session.session_key
        return session.session_key

    def cookies(self, site: Site) -> list[Any]:
        """A new session as Playwright's `context.add_cookies` takes it."""
        return [{"name": "sessionid", "value": self.new_session(), "url": site.url}]

    def close(self) -> None:
        for client in self._clients:
            client.close()


@cache
def _password_hash() -> str:
    """Returns one hash for all people: it takes a third of a second to make.

    It is of full strength, or the site would find it weak and replace it.
    """
    return make_password(PASSWORD, hasher=PBKDF2PasswordHasher())


def create_person(name: str, default_site: Callable[[], Site], **quota_fields: Any) -> Person:
    """A person called `name` and a number.

    Their quota has no limits but the fields given (many-to-many `models` as a list).
    """
    username = f"{name}-{next(_numbers)}"
    user = User.objects.create(
        username=username, email=f"{username}@example.org", password=_password_hash()
    )
    models = quota_fields.pop("models", [])
    quota = Quota.objects.create(name=f"Quota of {username}", **quota_fields)
    quota.users.add(user)
    quota.models.set(models)
    return Person(user, quota, default_site)


def allow(person: Person, *codenames: str) -> None:
    """Gives the person these permissions, all of the app `chat`."""
    person.user.user_permissions.add(
        *Permission.objects.filter(codename__in=codenames, content_type__app_label="chat")
    )
