"""A quota's page: to whom it applies, who is nearest to its limits; and the site's budgets."""

import re
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat import redis_client
from chat.admin.meters import LimitMeter
from chat.limits import leases, windows
from chat.models import Grant, Quota, SitePolicy, Usage
from chat.operator.most_used import MAX_SHOWN, most_used
from chat.requester import Requester
from tests.harness.quota_pages import QUOTAS, page_of, shared
from tests.harness.spending import spent, take
from tests.harness.visitor import text

if TYPE_CHECKING:
    from tests.conftest import MakeUser
    from tests.harness.people import Person

pytestmark = pytest.mark.usefixtures("static_files")


@pytest.mark.parametrize("path", [QUOTAS, "/admin/chat/chatmodel/"])
def test_fields_of_a_list_are_called_by_their_row(operator: Client, path: str) -> None:
    form = text(operator.get(path)).partition('id="changelist-form"')[2]
    fields = re.findall(r'<input type="(?:text|number|checkbox)"[^>]* id="id_form-\d+-[^>]*>', form)
    assert fields
    assert [field for field in fields if not re.search(r'aria-label="[^"]+ of [^"]+"', field)] == []


def test_counts_and_lists_agree_with_what_applies_to_each(db_ready: None) -> None:
    """Compares random quotas, groups and people with the one query that decides for a turn."""
    random = Random(7)
    people = User.objects.bulk_create([User(username=f"{uuid4()}") for _ in range(40)])
    groups = Group.objects.bulk_create([Group(name=f"{uuid4()}") for _ in range(4)])
    quotas = Quota.objects.bulk_create(
        [Quota(name=f"{uuid4()}", priority=random.randrange(3)) for _ in range(6)]
    )
    for person in people:
        person.groups.set(random.sample(groups, random.randrange(3)))
    for quota in quotas:
        quota.groups.set(random.sample(groups, random.randrange(3)))
        quota.users.set(random.sample(people, random.randrange(5)))
    before = Quota.objects.people_counts()
    expected: dict[int, set[int]] = {}
    for person in people:
        applies = Quota.objects.for_requester(Requester(person.pk, "", ""))
        assert applies is not None
        expected.setdefault(applies.pk, set()).add(person.pk)
    for quota in quotas:
        assert set(quota.people().values_list("pk", flat=True)) == expected.get(quota.pk, set())
        assert before.get(quota.pk, 0) == len(expected.get(quota.pk, set()))
    default = Quota.objects.get(is_default=True)
    assert expected[default.pk] <= set(default.people().values_list("pk", flat=True))
    assert before[default.pk] == default.people().count()


def test_list_of_quotas_counts_people_and_leads_to_them(
    operator: Client, make_user: "MakeUser"
) -> None:
    quota, _ = shared(make_user, 3)
    page = text(operator.get(QUOTAS, {"q": quota.name}))
    link = re.search(
        rf'<a href="([^"]*)" aria-label="3 people with the quota {quota.name}">3</a>', page
    )
    assert link is not None
    assert text(operator.get(link[1])).count('class="field-quota"') == 3


def test_list_of_quotas_takes_as_many_queries_for_many_as_for_one(operator: Client) -> None:
    name = str(uuid4())

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            text(operator.get(QUOTAS, {"q": name}))
        return len(captured)

    Quota.objects.create(name=name)
    queries()
    one = queries()
    Quota.objects.bulk_create([Quota(name=f"{name} {number}") for number in range(10)])
    assert queries() == one


def test_people_of_a_quota_are_searched_for_and_not_all_listed(
    operator: Client, bob: "Person"
) -> None:
    page = page_of(operator, bob.quota)
    (people,) = re.findall(r'<select name="users".*?</select>', page, re.DOTALL)
    assert people.count("<option") == 1
    assert "admin-autocomplete" in people


def test_quota_that_names_thousands_is_saved(operator: Client, make_user: "MakeUser") -> None:
    quota = make_user().quota
    named = User.objects.bulk_create([User(username=f"{uuid4()}") for _ in range(2_000)])
    fields = {
        "name": quota.name,
        "mode": "enforce",
        "priority": "0",
        "requests": "7/m",
        "users": [str(user.pk) for user in named],
    }
    assert operator.post(f"{QUOTAS}{quota.pk}/change/", fields).status_code == 302
    quota.refresh_from_db()
    assert (quota.requests, quota.users.count()) == ("7/m", 2_000)
    User.objects.filter(pk__in=quota.users.values("pk")).delete()


def test_page_shows_who_is_nearest_to_a_limit(operator: Client, make_user: "MakeUser") -> None:
    quota, (much, little, none) = shared(
        make_user,
        3,
        requests="10/m",
        concurrent_streams=2,
        tokens_per_day=1_000,
        spend_per_month_usd=Decimal(4),
    )
    take(much)
    spent(much, tokens=900, usd="1.23456")
    spent(little, tokens=100, usd="2")
    leases.take(
        redis_client.client(),
        much.requester.limit_key,
        leases.Lease("a", (much.requester.limit_key,), 1, 1),
        leases.Headroom(),
    )
    page = page_of(operator, quota)
    assert "It applies to <a" in page
    assert ">3 people</a>" in page
    assert page.index(f">{much.user.username}</a>") < page.index(f">{little.user.username}</a>")
    assert f">{none.user.username}</a></th>" not in page
    for words in (
        "1 of 10",
        "1 of 2",
        "900 of 1,000",
        "$1.23 of $4.00",
        "100 of 1,000",
        "$2.00 of $4.00",
    ):
        assert words in page
    assert page.count("<meter") == 8


def test_rank_is_by_the_limit_that_is_nearest(make_user: "MakeUser") -> None:
    quota, people = shared(
        make_user,
        4,
        requests="10/h",
        concurrent_streams=4,
        tokens_per_day=1_000,
        spend_per_month_usd=Decimal(10),
    )
    spent(people[0], tokens=300)
    spent(people[1], usd="9")
    spent(people[2], outcome="running", tokens=5_000, usd="50")
    for _ in range(6):
        spent(people[3])
    spent(people[0], usd="500", day=timezone.localdate() - timedelta(days=40))
    assert [use.user for use in most_used(quota)] == [people[each].user for each in (1, 3, 0, 2)]


def test_use_counts_for_the_quota_that_applies_now(make_user: "MakeUser") -> None:
    quota, (person,) = shared(make_user, 1, tokens_per_day=100)
    spent(person, tokens=50, quota="another name")
    assert [use.user for use in most_used(quota)] == [person.user]
    quota.users.clear()
    assert most_used(quota) == []


def test_grants_are_in_the_limits_that_are_shown(make_user: "MakeUser") -> None:
    quota, (person,) = shared(make_user, 1, tokens_per_day=100)
    spent(person, tokens=150)
    Grant.objects.create(user=person.user, tokens=100)
    [use] = most_used(quota)
    assert use.report.quota is not None
    assert (use.report.tokens, use.report.quota.tokens_per_day) == (150, 200)


def test_guests_are_shown_by_their_address(operator: Client) -> None:
    quota = Quota.objects.create(name=f"Guests {uuid4()}", for_guests=True, tokens_per_day=1_000)
    try:
        Usage.objects.create(
            answer=uuid4(),
            owner_key="g:x",
            limit_key="ip:198.51.100.7",
            model="m",
            prompt_tokens=5,
            outcome="complete",
        )
        page = page_of(operator, quota)
        assert "and to guests" in page
        assert "ip:198.51.100.7" in page
    finally:
        quota.delete()


def test_no_more_than_the_first_ten_are_shown_in_a_fixed_number_of_queries(
    make_user: "MakeUser",
) -> None:
    quota, people = shared(make_user, MAX_SHOWN + 2, tokens_per_day=1_000)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            most_used(quota)
        return len(captured)

    spent(people[0], tokens=1)
    one = queries()
    for number, person in enumerate(people):
        spent(person, tokens=number + 1)
    assert len(most_used(quota)) == MAX_SHOWN
    assert queries() == one


@pytest.mark.parametrize(
    "limits", [{}, {"requests": "0/m"}, {"tokens_per_day": 0}, {"spend_per_month_usd": Decimal(0)}]
)
def test_quota_without_limits_or_with_limits_of_0_has_its_page(
    operator: Client, make_user: "MakeUser", limits: dict[str, object]
) -> None:
    quota, (person,) = shared(make_user, 1, **limits)
    spent(person, tokens=5, usd="1")
    assert f">{person.user.username}</a>" in page_of(operator, quota)


def test_page_is_there_while_redis_is_away(
    operator: Client, make_user: "MakeUser", redis_away: None
) -> None:
    quota, (person,) = shared(make_user, 1, requests="10/m", tokens_per_day=100)
    spent(person, tokens=5)
    page = page_of(operator, quota)
    assert "? of 10" in page
    assert "5 of 100" in page


def test_bar_is_full_only_where_nothing_is_left() -> None:
    def percent(used: int, limit: int | None) -> int | None:
        return LimitMeter("", used, limit).percent

    assert percent(0, 9) == 0
    assert percent(1, 1000) == 1
    assert percent(999, 1000) == 99
    assert percent(1000, 1000) == percent(2000, 1000) == percent(0, 0) == 100
    assert percent(5, None) is None
    assert LimitMeter("", Decimal("4.9999"), Decimal(5)).used_words == "$4.99"


def test_page_of_the_site_policy_shows_the_sites_budgets(
    operator: Client, bob: "Person", policy_kept: None
) -> None:
    SitePolicy.objects.get_or_create(pk=1)
    SitePolicy.objects.filter(pk=1).update(
        tokens_per_day=10**9, spend_per_month_usd=Decimal(12_345)
    )
    spent(bob, tokens=7)
    page = text(operator.get("/admin/chat/sitepolicy/1/change/"))
    assert page.count("<meter") == 2
    assert "of 1,000,000,000" in page
    assert "of $12,345.00" in page


def test_windows_are_not_used_up_by_looking(operator: Client, make_user: "MakeUser") -> None:
    quota, (person,) = shared(make_user, 1, requests="2/h")
    spent(person)
    for _ in range(3):
        page_of(operator, quota)
    assert [
        window.used
        for window in windows.peek(windows.TURNS, person.requester.limit_key, quota.rates)
    ] == [0]
