"""Fixtures: the people, models, gates and site settings that a test is about."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from django.test import Client as DjangoClient
    from pytest_django import Settings

    from chat.models import ChatModel, Quota
    from tests.conftest import MakeUser
    from tests.harness.client import Client
    from tests.harness.people import Person
    from tests.harness.site import Site
    from tests.harness.wire import Gate

# --- People -----------------------------------------------------------------


@pytest.fixture
def make_user(request: pytest.FixtureRequest, db_ready: None) -> "Iterator[MakeUser]":
    """Makes people: `make_user("carol", requests="10/m", concurrent_streams=1)`.

    Their quota has no limits but these.
    """
    from tests.harness.people import create_person

    people: list[Person] = []

    def make(name: str = "person", **quota_fields: Any) -> "Person":
        people.append(create_person(name, lambda: request.getfixturevalue("site"), **quota_fields))
        return people[-1]

    yield make
    for person in people:
        person.close()


@pytest.fixture
def alice(make_user: "MakeUser") -> "Person":
    """She owns what the test is about."""
    return make_user("alice")


@pytest.fixture
def bob(make_user: "MakeUser") -> "Person":
    """The stranger: nothing of Alice's is his."""
    return make_user("bob")


@pytest.fixture
def person(make_user: "MakeUser") -> "Person":
    """Someone who has one slot: a slot that leaks is seen at the next turn."""
    return make_user("alice", concurrent_streams=1)


@pytest.fixture
def client(person: "Person", quick: "Site") -> "Client":
    """Our own client, not Django's: signed in as `person` on the site that waits for nothing."""
    return person.client_on(quick)


@pytest.fixture
def operator(alice: "Person") -> "DjangoClient":
    """Alice, who runs the site, at its admin."""
    from django.contrib.auth.models import User

    from tests.harness.visitor import visitor

    User.objects.filter(pk=alice.user.pk).update(is_staff=True, is_superuser=True)
    return visitor(alice.user)


@pytest.fixture
def fast_passwords(settings: "Settings") -> None:
    """Hashes passwords fast, for tests of the forms in this process.

    A password takes a third of a second to hash otherwise.
    """
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.MD5PasswordHasher",
        *settings.PASSWORD_HASHERS,
    ]


# --- What the operator has set ----------------------------------------------


@pytest.fixture
def guests(db_ready: None) -> "Iterator[Quota]":
    """Guests may chat, without limits; their quota."""
    from chat.models import Quota

    quota = Quota.objects.create(name=f"Guests {uuid4()}", for_guests=True)
    yield quota
    quota.delete()


@pytest.fixture
def policy_kept(db_ready: None) -> Iterator[None]:
    """The policy of the site is afterwards what it was."""
    from chat.models import SitePolicy

    before: Any = SitePolicy.objects.filter(pk=1).values().first() or {}
    yield
    SitePolicy.objects.filter(pk=1).update(**before)


@pytest.fixture
def open_signup(policy_kept: None) -> None:
    """Anybody may sign up."""
    from chat.models import SitePolicy

    SitePolicy.objects.filter(pk=1).update(signup="open")


@pytest.fixture
def site_budget(db_ready: None) -> "Iterator[Callable[..., None]]":
    """Sets the site's budgets to what is used and this much more, once no answer runs."""
    from django.utils import timezone

    from chat.limits import budgets
    from chat.models import SitePolicy, Usage
    from tests.harness.answers import wait_until

    def limit(*, tokens: int | None = None, usd: Decimal | None = None) -> None:
        wait_until(lambda: not Usage.objects.filter(outcome="running").exists(), 30)
        spent = budgets.spent(None, timezone.localdate())
        SitePolicy.objects.filter(pk=1).update(
            tokens_per_day=None if tokens is None else spent.tokens + tokens,
            spend_per_month_usd=None if usd is None else Decimal(spent.micro_usd).scaleb(-6) + usd,
        )

    yield limit
    SitePolicy.objects.filter(pk=1).update(tokens_per_day=None, spend_per_month_usd=None)


# --- What a turn is made of -------------------------------------------------


@pytest.fixture
def model(db_ready: None) -> "ChatModel":
    """A model of the test's own: one that said 429 is left alone for a while, by everybody."""
    from chat.models import ChatModel

    return ChatModel.objects.create(slug=f"own-{uuid4()}")


@pytest.fixture
def slug(model: "ChatModel") -> str:
    """The name of the test's own model."""
    return model.slug


@pytest.fixture
def small_model(db_ready: None) -> "Iterator[ChatModel]":
    """A model with a small output that costs a cent a thousand tokens: easy to reckon with."""
    from chat.models import ChatModel
    from tests.harness.turns import MAX_OUTPUT_TOKENS

    prices = {"input_usd_per_million": Decimal(10), "output_usd_per_million": Decimal(10)}
    model = ChatModel.objects.create(
        slug=f"priced-{uuid4().hex[:8]}", max_output_tokens=MAX_OUTPUT_TOKENS, **prices
    )
    yield model
    model.delete()


@pytest.fixture
def gate() -> "Iterator[Gate]":
    """A gate for a script of the upstream's; it opens after the test at the latest."""
    from tests.harness.wire import Gate

    gate = Gate()
    yield gate
    gate.open()
