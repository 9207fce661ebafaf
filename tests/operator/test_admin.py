"""What an operator can set in the administration."""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from chat.models import ChatModel, Conversation, Invitation, Quota, Usage
from tests.harness.people import Person
from tests.harness.visitor import text, visitor

if TYPE_CHECKING:
    from tests.conftest import MakeUser

pytestmark = pytest.mark.usefixtures("static_files")
QUOTAS = "/admin/chat/quota/"


@pytest.fixture
def default_kept(db_ready: None) -> Iterator[None]:
    quota, model = Quota.objects.get(is_default=True).pk, ChatModel.objects.get(is_default=True).pk
    yield
    for table, key in ((Quota, quota), (ChatModel, model)):
        table.objects.filter(is_default=True).update(is_default=False)
        table.objects.filter(pk=key).update(is_default=True)


def quota_fields(**fields: str) -> dict[str, str]:
    return {
        "name": f"Quota {uuid4()}",
        "mode": "enforce",
        "priority": "0",
        "requests": "10/m",
        **fields,
    }


@pytest.mark.parametrize(
    "model", ["quota", "chatmodel", "usage", "conversation", "invitation", "user", "group"]
)
def test_every_list_opens_and_every_row_has_its_page(
    operator: Client, bob: Person, model: str
) -> None:
    conversation = Conversation.objects.create(user=bob.user)
    usage = Usage.objects.create(
        answer=uuid4(), owner_key="u:0", limit_key="u:0", model="m", quota="q"
    )
    rows = {
        "quota": bob.quota,
        "chatmodel": ChatModel.objects.all()[0],
        "usage": usage,
        "conversation": conversation,
        "invitation": Invitation.objects.create(),
        "user": bob.user,
        "group": Group.objects.create(name=str(uuid4())),
    }
    app = "auth" if model in ("user", "group") else "chat"
    assert "Chatsite" in text(operator.get(reverse(f"admin:{app}_{model}_changelist")))
    text(operator.get(reverse(f"admin:{app}_{model}_change", args=[rows[model].pk])))


def test_the_admin_is_for_operators_only(bob: Person) -> None:
    assert visitor(bob.user).get(QUOTAS).status_code == 302
    assert visitor().get(QUOTAS).status_code == 302


def test_a_quota_is_made_and_edited_in_the_list(operator: Client) -> None:
    fields = quota_fields(tokens_per_day="1000", spend_per_month_usd="2.5")
    assert operator.post(f"{QUOTAS}add/", fields).status_code == 302
    quota = Quota.objects.get(name=fields["name"])
    row = {f"form-0-{name}": "" for name in ("tokens_per_day", "spend_per_month_usd")}
    row |= {"form-0-id": str(quota.pk), "form-0-requests": "20/m", "form-0-concurrent_streams": "7"}
    row |= {"form-0-priority": "3"}
    total = {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "_save": "Save"}
    saved = operator.post(f"{QUOTAS}?q={quota.name}", row | total)
    assert saved.status_code == 302
    quota.refresh_from_db()
    assert (quota.requests, quota.concurrent_streams, quota.tokens_per_day, quota.priority) == (
        "20/m",
        7,
        None,
        3,
    )


@pytest.mark.parametrize("field", ["is_default", "for_guests"])
def test_a_second_default_is_refused_in_plain_words(operator: Client, field: str) -> None:
    guests = Quota.objects.create(name=f"Guests {uuid4()}", for_guests=True)
    try:
        page = text(operator.post(f"{QUOTAS}add/", quota_fields(**{field: "on"})))
        assert re.search(
            "“.*” is the (default|quota for guests) already. Untick it there first.", page
        )
        assert "Constraint" not in page
    finally:
        guests.delete()


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ("10/", "“10/” is not a rate"),
        ("ten a minute", "is not a rate"),
        ("10/0m", "a period of no time at all"),
        ("10/m, 20/m", "there is a limit for that period already"),
        ("10/60s, 20/m", "there is a limit for that period already"),
    ],
)
def test_a_rate_that_is_none_is_refused_in_plain_words(
    operator: Client, rates: str, message: str
) -> None:
    assert message in text(operator.post(f"{QUOTAS}add/", quota_fields(requests=rates)))


def test_the_default_is_handed_over_in_one_step(
    operator: Client, bob: Person, default_kept: None
) -> None:
    chosen = {"action": "make_default", "_selected_action": [str(bob.quota.pk)]}
    assert "is the default now" in text(operator.post(QUOTAS, chosen, follow=True))
    assert Quota.objects.get(is_default=True) == bob.quota
    two = [str(key) for key in Quota.objects.values_list("pk", flat=True)[:2]]
    assert "Choose exactly one" in text(
        operator.post(QUOTAS, chosen | {"_selected_action": two}, follow=True)
    )
    assert Quota.objects.get(is_default=True) == bob.quota


def test_the_default_quota_cannot_be_deleted(operator: Client, bob: Person) -> None:
    default = Quota.objects.get(is_default=True)
    assert operator.post(f"{QUOTAS}{default.pk}/delete/", {"post": "yes"}).status_code == 403
    operator.post(
        QUOTAS, {"action": "delete_selected", "_selected_action": [str(default.pk)], "post": "yes"}
    )
    assert Quota.objects.filter(pk=default.pk).exists()
    assert operator.post(f"{QUOTAS}{bob.quota.pk}/delete/", {"post": "yes"}).status_code == 302


def test_a_models_price_is_edited_in_the_list_to_the_millionth(operator: Client) -> None:
    model = ChatModel.objects.create(slug=f"model-{uuid4()}", position=99, enabled=False)
    row = {
        "form-0-id": str(model.pk),
        "form-0-input_usd_per_million": "0.123456",
        "form-0-output_usd_per_million": "1",
        "form-0-position": "7",
    }
    total = {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "_save": "Save"}
    assert operator.post(f"/admin/chat/chatmodel/?q={model.slug}", row | total).status_code == 302
    model.refresh_from_db()
    assert (model.input_usd_per_million, model.position) == (Decimal("0.123456"), 7)
    model.delete()


def test_the_last_models_that_a_quota_names_cannot_be_deleted(
    operator: Client, bob: Person
) -> None:
    """Refuses it because a quota that names no models allows all of them."""
    first, second = models = [
        ChatModel.objects.create(slug=f"model-{uuid4()}", enabled=False) for _ in range(2)
    ]
    bob.quota.models.set(models)
    both = {
        "action": "delete_selected",
        "_selected_action": [str(model.pk) for model in models],
        "post": "yes",
    }
    assert f"{QUOTAS}{bob.quota.pk}/change/" in text(operator.post("/admin/chat/chatmodel/", both))
    assert (
        operator.post(f"/admin/chat/chatmodel/{first.pk}/delete/", {"post": "yes"}).status_code
        == 302
    )
    assert f"{QUOTAS}{bob.quota.pk}/change/" in text(
        operator.post(f"/admin/chat/chatmodel/{second.pk}/delete/", {"post": "yes"})
    )
    assert list(bob.quota.models.all()) == [second]
    bob.quota.models.clear()
    assert (
        operator.post(f"/admin/chat/chatmodel/{second.pk}/delete/", {"post": "yes"}).status_code
        == 302
    )
    assert not ChatModel.objects.filter(pk=second.pk).exists()


@pytest.mark.parametrize(
    "field",
    ["input_usd_per_million", "output_usd_per_million", "context_tokens", "max_output_tokens"],
)
def test_a_model_has_no_figure_that_no_ledger_could_hold(db_ready: None, field: str) -> None:
    with pytest.raises(ValidationError, match="less than or equal"):
        ChatModel(slug="m", **{field: 900_000_000}).full_clean(exclude=["slug"])


def test_a_model_cannot_take_over_from_itself(operator: Client) -> None:
    model = ChatModel.objects.create(slug=f"model-{uuid4()}", enabled=False)
    fields = {
        name: str(getattr(model, name))
        for name in ("slug", "context_tokens", "max_output_tokens", "position")
    }
    prices = {"input_usd_per_million": "0", "output_usd_per_million": "0"}
    page = text(
        operator.post(
            f"/admin/chat/chatmodel/{model.pk}/change/",
            fields | prices | {"fallback": str(model.pk)},
        )
    )
    assert "A model cannot take over from itself." in page
    model.delete()


def test_the_policy_is_one_row_that_opens_at_once(operator: Client) -> None:
    opened = operator.get("/admin/chat/sitepolicy/")
    assert opened["Location"] == "/admin/chat/sitepolicy/1/change/"
    text(operator.get(opened["Location"]))
    assert operator.get("/admin/chat/sitepolicy/add/").status_code == 403
    assert operator.post("/admin/chat/sitepolicy/1/delete/", {"post": "yes"}).status_code == 403


def test_no_page_of_the_admin_has_inline_scripts_or_styles_of_ours(
    operator: Client, bob: Person
) -> None:
    pages = [
        QUOTAS,
        f"{QUOTAS}add/",
        f"{QUOTAS}{bob.quota.pk}/change/",
        f"/admin/auth/user/{bob.user.pk}/change/",
        "/admin/chat/grant/add/",
        "/admin/admin/logentry/",
        "/admin/chat/invitation/add/",
        "/admin/auth/user/",
        "/admin/chat/usage/",
        "/admin/chat/sitepolicy/1/change/",
    ]
    for path in pages:
        page = text(operator.get(path))
        assert not re.search(
            r"<style|\sstyle=|\son\w+=\"|<script(?![^>]*\b(src|type=\"application/json\"))", page
        ), path


@pytest.mark.parametrize(
    "wrong",
    [
        {"requests": "ten a minute"},
        {"tokens_per_day": "-1"},
        {"spend_per_month_usd": "NaN"},
        {"name": ""},
    ],
)
def test_form_with_a_wrong_value_says_so_and_shows_the_use_of_the_limits_that_hold(
    operator: Client, make_user: "MakeUser", wrong: dict[str, str]
) -> None:
    person = make_user(requests="10/m", tokens_per_day=1000)
    quota = person.quota
    form = {
        "name": quota.name,
        "mode": "enforce",
        "priority": "0",
        "requests": "10/m",
        "users": str(person.user.pk),
        **wrong,
    }
    page = text(operator.post(f"{QUOTAS}{quota.pk}/change/", form))
    assert "errorlist" in page
    assert person.user.username in page
    quota.refresh_from_db()
    assert (quota.requests, quota.tokens_per_day) == ("10/m", 1000)
