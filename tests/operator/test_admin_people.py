"""What the operator sees of one person's limits, and does about them: reset, grant, pause, stop."""

from datetime import timedelta
from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from chat.limits.usage_report import report
from chat.models import Grant, Pause, Usage
from chat.operator import resets
from tests.harness import wire
from tests.harness.answers import client_of_worker, owner_pid
from tests.harness.people import allow
from tests.harness.site import Site
from tests.harness.spending import spent, take
from tests.harness.upstream import Upstream
from tests.harness.visitor import all_at_once, text, visitor

if TYPE_CHECKING:
    from tests.conftest import MakeUser
    from tests.harness.people import Person

pytestmark = pytest.mark.usefixtures("static_files")
PEOPLE = "/admin/auth/user/"


def act(client: Client, action: str, *people: "Person", **fields: str) -> Any:
    chosen = {"action": action, "_selected_action": [str(person.user.pk) for person in people]}
    return client.post(PEOPLE, chosen | fields, follow=True)


def told(person: "Person") -> list[str]:
    return list(
        LogEntry.objects.filter(object_id=str(person.user.pk))
        .order_by("pk")
        .values_list("change_message", flat=True)
    )


def test_each_action_that_does_harm_is_asked_about_first(operator: Client, bob: "Person") -> None:
    for action in ("reset_counters", "grant_tokens", "pause", "stop_running"):
        page = text(act(operator, action, bob))
        assert bob.user.username in page
        assert "No, take me back" in page
    assert not Grant.objects.filter(user=bob.user).exists()
    assert not Pause.objects.filter(user=bob.user).exists()
    assert told(bob) == []


def test_reset_empties_the_windows_and_grants_what_was_used(
    operator: Client, alice: "Person", make_user: "MakeUser"
) -> None:
    person = make_user(requests="2/h, 3/d", tokens_per_day=100, spend_per_month_usd=Decimal(1))
    other = make_user(requests="1/h")
    assert [take(person), take(person), take(person), take(other)] == [True, True, False, True]
    row = spent(person, tokens=70, usd="0.12345678")
    spent(person, tokens=9, day=timezone.localdate() - timedelta(days=40))
    act(operator, "reset_counters", person, sure="yes")
    assert [take(person), take(person), take(person), take(other)] == [True, True, False, False]
    grant = Grant.objects.get(user=person.user)
    assert (grant.tokens, grant.usd, grant.reason, grant.created_by) == (
        70,
        Decimal("0.1235"),
        resets.REASON,
        alice.user,
    )
    found = report(person.requester)
    assert found.quota is not None
    assert (found.tokens, found.quota.tokens_per_day) == (70, 170)
    assert told(person) == [
        "Counters reset: request windows emptied; 70 tokens and $0.1235 granted again."
    ]
    assert Usage.objects.get(pk=row.pk).prompt_tokens == 70


def test_reset_twice_grants_nothing_twice(operator: Client, make_user: "MakeUser") -> None:
    person = make_user(tokens_per_day=100)
    Grant.objects.create(user=person.user, tokens=50, reason="a present")
    spent(person, tokens=30)
    for _ in range(2):
        act(operator, "reset_counters", person, sure="yes")
    spent(person, tokens=12)
    act(operator, "reset_counters", person, sure="yes")
    assert list(
        Grant.objects.filter(user=person.user).order_by("pk").values_list("tokens", flat=True)
    ) == [50, 30, 12]


def test_operators_who_reset_at_once_grant_it_once(alice: "Person", make_user: "MakeUser") -> None:
    person = make_user(tokens_per_day=100)
    spent(person, tokens=30)
    everybody = User.objects.filter(pk=person.user.pk)
    all_at_once([lambda: resets.reset(everybody.all(), by=alice.user.pk)] * 6)
    assert list(Grant.objects.filter(user=person.user).values_list("tokens", flat=True)) == [30]


def test_reset_while_redis_is_away_does_nothing_and_says_so(
    operator: Client, bob: "Person", redis_away: None
) -> None:
    spent(bob, tokens=30)
    assert "Nothing was done." in text(act(operator, "reset_counters", bob, sure="yes"))
    assert not Grant.objects.filter(user=bob.user).exists()


def test_many_are_reset_at_once(operator: Client, make_user: "MakeUser") -> None:
    people = [make_user(requests="1/h") for _ in range(3)]
    for number, person in enumerate(people):
        assert take(person)
        spent(person, tokens=number)
    assert "The counters of 3 people are reset." in text(
        act(operator, "reset_counters", *people, sure="yes")
    )
    assert all(take(person) for person in people)
    assert [Grant.objects.filter(user=person.user).count() for person in people] == [0, 1, 1]


def test_extra_tokens_are_asked_for_and_granted_for_today(
    operator: Client, alice: "Person", make_user: "MakeUser"
) -> None:
    person = make_user(tokens_per_day=100)
    for tokens in ("", "0", "-5", "1.5", "9" * 30):
        assert "errorlist" in text(act(operator, "grant_tokens", person, sure="yes", tokens=tokens))
    assert not Grant.objects.filter(user=person.user).exists()
    act(operator, "grant_tokens", person, sure="yes", tokens="5000", reason="a busy day")
    grant = Grant.objects.get(user=person.user)
    assert (grant.tokens, grant.usd, grant.day, grant.created_by) == (
        5000,
        0,
        timezone.localdate(),
        alice.user,
    )
    assert told(person) == [f"Granted 5,000 tokens for {timezone.localdate()} (a busy day)."]


@pytest.mark.parametrize("tokens", ["9223372036854775807", "99999999999999999999"])
def test_grant_that_no_sum_could_hold_is_refused(
    operator: Client, bob: "Person", tokens: str
) -> None:
    """Refuses a grant that the database could not add up with another: no turn would pass."""
    fields = {"user": str(bob.user.pk), "day": "2026-11-23", "tokens": tokens, "usd": "0"}
    assert "less than or equal to" in text(operator.post("/admin/chat/grant/add/", fields))
    assert not Grant.objects.filter(user=bob.user).exists()


def test_pause_and_unpause(operator: Client, alice: "Person", bob: "Person") -> None:
    act(operator, "pause", bob, sure="yes", note="Come and talk to us.")
    assert Pause.objects.get(user=bob.user).created_by == alice.user
    act(operator, "pause", bob, sure="yes", note="Really.")
    assert Pause.objects.get(user=bob.user).note == "Really."
    assert "No longer paused" in text(act(operator, "unpause", bob))
    assert not Pause.objects.filter(user=bob.user).exists()
    assert "None of them was paused." in text(act(operator, "unpause", bob))
    assert told(bob) == ["Paused: “Come and talk to us.”", "Paused: “Really.”", "Unpaused."]


def test_button_leads_back_to_the_page_of_the_person(operator: Client, bob: "Person") -> None:
    here = f"{PEOPLE}{bob.user.pk}/change/"
    assert f'href="{here}" class="button"' in text(act(operator, "pause", bob, back="page"))
    assert act(operator, "pause", bob, back="page", sure="yes").redirect_chain == [(here, 302)]
    assert act(operator, "unpause", bob).redirect_chain == [(PEOPLE, 302)]


def test_all_that_a_filter_shows_are_acted_upon(operator: Client, make_user: "MakeUser") -> None:
    person = make_user("everyone")
    chosen = {"action": "pause", "_selected_action": [str(person.user.pk)], "select_across": "1"}
    User.objects.bulk_create(
        [User(username=f"{person.user.username}-{number}") for number in range(30)]
    )
    path = f"{PEOPLE}?q={person.user.username}"
    page = text(operator.post(path, chosen))
    assert "31 people" in page
    assert "and 11 more." in page
    assert operator.post(path, chosen | {"sure": "yes"}).status_code == 302
    assert Pause.objects.filter(user__username__startswith=person.user.username).count() == 31


def test_grants_and_pauses_have_lists_and_remember_who_made_them(
    operator: Client, alice: "Person", bob: "Person"
) -> None:
    day = timezone.localdate().isoformat()
    made = operator.post(
        "/admin/chat/grant/add/",
        {"user": str(bob.user.pk), "day": day, "tokens": "0", "usd": "2.5", "reason": "more"},
    )
    assert made.status_code == 302
    grant = Grant.objects.get(user=bob.user)
    assert (grant.usd, grant.created_by) == (Decimal("2.5"), alice.user)
    assert (
        operator.post("/admin/chat/pause/add/", {"user": str(bob.user.pk), "note": "n"}).status_code
        == 302
    )
    assert Pause.objects.get(user=bob.user).created_by == alice.user
    for path in ("grant", "pause"):
        assert bob.user.username in text(
            operator.get(f"/admin/chat/{path}/", {"q": bob.user.username})
        )
    assert (
        operator.post(f"/admin/chat/grant/{grant.pk}/change/", {"tokens": "5"}).status_code == 403
    )


def test_actions_hold_on_every_worker_at_once(
    site2: Site, alice: "Person", make_user: "MakeUser"
) -> None:
    User.objects.filter(pk=alice.user.pk).update(is_staff=True, is_superuser=True)
    person = make_user(requests="1/h", tokens_per_day=10**6)
    operator, *workers = (
        alice.client_on(site2),
        *(client_of_worker(person, site2, pid) for pid in site2.worker_pids()),
    )

    def statuses() -> list[int]:
        found = []
        for client in workers:
            with client.chat(content="hello") as stream:
                stream.read()
                found.append(stream.status)
        return found

    def do(action: str, **fields: str) -> None:
        chosen = {"action": action, "_selected_action": str(person.user.pk), "sure": "yes"}
        assert operator.post(PEOPLE, data=chosen | fields).status_code == 302

    assert statuses() == [200, 429]
    do("reset_counters")
    assert statuses() == [200, 429]
    do("pause")
    assert statuses() == [503, 503]
    do("unpause")
    do("reset_counters")
    assert statuses() == [200, 429]


def test_running_answers_are_stopped_on_whichever_worker(
    site2: Site, alice: "Person", bob: "Person", upstream: Upstream
) -> None:
    User.objects.filter(pk=alice.user.pk).update(is_staff=True, is_superuser=True)
    for pid in site2.worker_pids():
        key = upstream.script([*wire.text("on and on"), wire.Gate()])
        with client_of_worker(bob, site2, pid).chat(content=key) as stream:
            stream.until("delta")
            assert owner_pid(stream) == pid
            asked = monotonic()
            operator = client_of_worker(alice, site2, site2.worker_pids()[0])
            chosen = {"action": "stop_running", "_selected_action": str(bob.user.pk), "sure": "yes"}
            assert operator.post(PEOPLE, data=chosen).status_code == 302
            assert upstream.wait_for_close(upstream.wait_for_request(key)) - asked < 2
            stream.read()
        assert Usage.objects.get(answer=stream.answer).outcome == "stopped"
    assert told(bob) == ["Stopped 1 running answer."] * 2


@pytest.mark.parametrize(
    ("action", "permission"),
    [
        ("reset_counters", "add_grant"),
        ("grant_tokens", "add_grant"),
        ("pause", "add_pause"),
        ("unpause", "delete_pause"),
        ("stop_running", "stop_answers"),
    ],
)
def test_action_needs_its_permission(
    helper: Client, alice: "Person", make_user: "MakeUser", action: str, permission: str
) -> None:
    person = make_user()
    if action == "unpause":
        Pause.objects.create(user=person.user)
    before = (Grant.objects.count(), Pause.objects.filter(user=person.user).count())
    assert f'value="{action}"' not in text(helper.get(PEOPLE))
    act(helper, action, person, sure="yes", tokens="5")
    assert (Grant.objects.count(), Pause.objects.filter(user=person.user).count()) == before
    assert told(person) == []
    allow(alice, permission)
    assert f'value="{action}"' in text(helper.get(PEOPLE))


def test_action_needs_the_forms_token(alice: "Person", bob: "Person") -> None:
    User.objects.filter(pk=alice.user.pk).update(is_staff=True, is_superuser=True)
    strict = visitor(alice.user, enforce_csrf_checks=True)
    assert (
        strict.post(
            PEOPLE, {"action": "pause", "_selected_action": str(bob.user.pk), "sure": "yes"}
        ).status_code
        == 403
    )
    assert not Pause.objects.filter(user=bob.user).exists()
