"""What the operator can set, and what they cannot see."""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from time import monotonic
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from chat.accounts.signed_links import invitation_url
from chat.models import ChatModel, Conversation, Invitation, Message, Quota, SitePolicy, Usage
from tests.harness import wire
from tests.harness.people import Person
from tests.harness.upstream import Upstream
from tests.harness.visitor import text, visitor

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


# --- Quotas and models ------------------------------------------------------


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
    """It would name none then, and one that names none allows all of them."""
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


# --- People -----------------------------------------------------------------


def quota_shown(operator: Client, user: User) -> str:
    page = text(operator.get("/admin/auth/user/", {"q": user.username}))
    return re.search(r'field-quota">(.*?)<', page)[1]  # type: ignore[index]


def test_the_list_of_people_shows_the_quota_that_applies(operator: Client, bob: Person) -> None:
    group = Group.objects.create(name=str(uuid4()))
    bob.user.groups.add(group)
    low = Quota.objects.create(name=f"Low {uuid4()}", priority=1)
    high = Quota.objects.create(name=f"High {uuid4()}", priority=2)
    for quota in (low, high):
        quota.groups.add(group)
    steps: list[Callable[[], object]] = [
        lambda: None,
        bob.quota.users.clear,
        high.delete,
        low.delete,
    ]
    for step in steps:
        step()
        applies = Quota.objects.for_requester(bob.requester)
        assert applies is not None
        assert quota_shown(operator, bob.user) == applies.name
    assert applies is not None
    assert applies.is_default


def test_the_list_of_people_takes_as_many_queries_for_many_as_for_one(
    operator: Client, bob: Person
) -> None:
    def queries(search: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            text(operator.get("/admin/auth/user/", {"q": search}))
        return len(captured)

    one = queries(bob.user.username)
    User.objects.bulk_create(
        [User(username=f"{bob.user.username}-{number}") for number in range(20)]
    )
    assert queries(bob.user.username) == one


def test_an_invitation_is_made_and_its_link_shown(operator: Client, alice: Person) -> None:
    SitePolicy.objects.filter(pk=1).update(signup="invite")
    try:
        note = f"for Dana {uuid4()}"
        expires = {"expires_0": "2999-01-01", "expires_1": "00:00:00"}
        page = text(
            operator.post("/admin/chat/invitation/add/", {"note": note, **expires}, follow=True)
        )
        invitation = Invitation.objects.get(note=note)
        assert invitation.created_by == alice.user
        assert invitation_url(invitation).replace("&", "&amp;") in page
        Invitation.objects.filter(pk=invitation.pk).update(used=invitation.created)
        assert "Used or expired." in text(
            operator.get(f"/admin/chat/invitation/{invitation.pk}/change/")
        )
    finally:
        SitePolicy.objects.filter(pk=1).update(signup="closed")


def test_no_link_is_shown_while_sign_up_is_closed(operator: Client) -> None:
    invitation = Invitation.objects.create()
    assert "Sign-up is closed" in text(
        operator.get(f"/admin/chat/invitation/{invitation.pk}/change/")
    )


# --- What went on -----------------------------------------------------------


def test_the_ledger_is_read_only(operator: Client) -> None:
    row = Usage.objects.create(answer=uuid4(), owner_key="u:0", limit_key="u:0", model="m")
    assert operator.get("/admin/chat/usage/add/").status_code == 403
    assert operator.post(f"/admin/chat/usage/{row.pk}/change/", {"model": "x"}).status_code == 403
    assert operator.post(f"/admin/chat/usage/{row.pk}/delete/", {"post": "yes"}).status_code == 403
    operator.post(
        "/admin/chat/usage/",
        {"action": "delete_selected", "_selected_action": [str(row.pk)], "post": "yes"},
    )
    assert Usage.objects.get(pk=row.pk).model == "m"


def test_operators_see_no_title_and_no_text(operator: Client, bob: Person) -> None:
    conversation = Conversation.objects.create(
        user=bob.user, title="private title", system_prompt="private rule"
    )
    Message.objects.create(conversation=conversation, role="user", content="private text")
    pages = [
        operator.get("/admin/"),
        operator.get("/admin/chat/conversation/", {"q": bob.user.username}),
        operator.get(f"/admin/chat/conversation/{conversation.pk}/change/"),
        operator.get(f"/admin/chat/conversation/{conversation.pk}/delete/"),
        operator.get(f"/admin/auth/user/{bob.user.pk}/delete/"),
    ]
    assert str(conversation.pk) in text(pages[1])
    assert "private" not in "".join(text(page) for page in pages)


def test_a_conversation_is_not_found_by_its_content(operator: Client, bob: Person) -> None:
    conversation = Conversation.objects.create(user=bob.user, title="private title")
    assert str(conversation.pk) not in text(
        operator.get("/admin/chat/conversation/", {"q": "private"})
    )


@pytest.mark.parametrize(
    "field",
    [
        "title",
        "title__startswith",
        "title__regex",
        "system_prompt__contains",
        "guest__gt",
        "messages__content__contains",
    ],
)
def test_a_conversation_is_not_guessed_at_in_the_address(
    operator: Client, bob: Person, field: str
) -> None:
    """Letter by letter, an answer to "does it start with …?" is the text."""
    Conversation.objects.create(user=bob.user, title="private title", system_prompt="private rule")
    assert operator.get("/admin/chat/conversation/", {field: "private"}).status_code == 400
    assert (
        operator.get("/admin/chat/conversation/", {"user__id__exact": bob.user.pk}).status_code
        == 200
    )


def test_deleting_a_person_takes_their_conversations_along_and_keeps_the_ledger(
    operator: Client, bob: Person
) -> None:
    conversation = Conversation.objects.create(user=bob.user, title="private title")
    row = Usage.objects.create(
        answer=uuid4(), user=bob.user, owner_key="u:0", limit_key="u:0", model="m"
    )
    assert (
        operator.post(f"/admin/auth/user/{bob.user.pk}/delete/", {"post": "yes"}).status_code == 302
    )
    assert not Conversation.objects.filter(pk=conversation.pk).exists()
    row.refresh_from_db()
    assert row.user is None
    assert "private" not in text(operator.get("/admin/"))


@pytest.mark.parametrize("model", ["auth/user", "chat/conversation"])
@pytest.mark.parametrize("way", ["page", "list"])
def test_deleting_stops_the_answers_that_are_running(
    alice: Person, bob: Person, upstream: Upstream, model: str, way: str
) -> None:
    User.objects.filter(pk=alice.user.pk).update(is_staff=True, is_superuser=True)
    key = upstream.script([wire.role(), *wire.text("on and on"), wire.Gate()])
    with bob.client.chat(content=key) as stream:
        conversation = stream.until("start").data["conversation"]
        stream.until("delta")
        row = str(bob.user.pk if model == "auth/user" else conversation)
        fields = (
            {"post": "yes"}
            if way == "page"
            else {"post": "yes", "action": "delete_selected", "_selected_action": row}
        )
        path = f"/admin/{model}/{row}/delete/" if way == "page" else f"/admin/{model}/"
        asked = monotonic()
        assert alice.client.post(path, data=fields).status_code == 302
        assert upstream.wait_for_close(upstream.wait_for_request(key)) - asked < 2
        stream.read()
    assert not Conversation.objects.filter(pk=conversation).exists()
    assert Usage.objects.get(answer=stream.answer).outcome == "stopped"


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
