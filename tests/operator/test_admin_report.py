"""The sums of the operator's usage page, added up by the database."""

import math
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, User

from chat.models import Usage
from chat.operator import first_token, reports
from chat.operator.periods import Period
from tests.harness.ledger import use
from tests.harness.people import Person

pytestmark = pytest.mark.usefixtures("static_files")


def test_the_figures_of_a_period_are_the_sum_of_its_rows_to_the_last_cent(
    month: Period, alice: Person, bob: Person
) -> None:
    for number in range(30):
        use(
            month.first + timedelta(days=number % 3),
            (alice, bob)[number % 2],
            cost_usd=Decimal("0.10000001"),
        )
    use(month.first, alice, outcome="failed", cost_usd=Decimal(0))
    use(month.first, alice, outcome="running", cost_usd=Decimal(99))
    use(month.last + timedelta(days=1), alice).delete()
    days, models = reports.by_day_and_model(month)
    assert [day.day for day in days] == month.days
    assert days[0].outcomes == {"complete": 10, "failed": 1}
    whole = reports.total(day.figures for day in days)
    assert whole == reports.Figures(31, 310, 155, Decimal("3.00000030"))
    assert [share.figures for share in models] == [
        reports.Figures(31, 310, 155, Decimal("3.00000030"))
    ]
    people, _ = reports.by_person_and_group(month, whole)
    assert [(share.name, share.key, share.figures.answers) for share in people] == [
        (alice.user.username, alice.user.pk, 16),
        (bob.user.username, bob.user.pk, 15),
    ]


def test_people_count_in_each_of_their_groups_and_guests_in_none(
    month: Period, alice: Person, bob: Person
) -> None:
    groups = [Group.objects.create(name=f"{name} {uuid4()}") for name in "ab"]
    alice.user.groups.set(groups)
    bob.user.groups.set(groups[:1])
    for person, cost in ((alice, 4), (bob, 2), (None, 1)):
        use(month.first, person, cost_usd=Decimal(cost))
    people, found = reports.by_person_and_group(month, reports.Figures(3))
    assert [(share.name, share.figures.cost) for share in found] == [
        (groups[0].name, Decimal(6)),
        (groups[1].name, Decimal(4)),
        ("in no group", Decimal(1)),
    ]
    assert people[-1].name == "guests and deleted accounts"


def test_who_costs_most_is_named_and_the_others_are_one(month: Period) -> None:
    users = User.objects.bulk_create(
        [User(username=f"many-{uuid4()}") for _ in range(reports.MAX_PEOPLE + 5)]
    )
    rows = [
        Usage(
            answer=uuid4(),
            user=user,
            owner_key="u",
            limit_key="u",
            model="m",
            outcome="complete",
            day=month.first,
            completion_tokens=cost,
        )
        for cost, user in enumerate(users)
    ]
    Usage.objects.bulk_create(rows)
    days, _ = reports.by_day_and_model(month)
    people, _ = reports.by_person_and_group(month, reports.total(day.figures for day in days))
    assert [share.name for share in people[:3]] == [user.username for user in users[:-4:-1]]
    assert len(people) == reports.MAX_PEOPLE + 1
    assert (people[-1].name, people[-1].figures.tokens) == ("everybody else", 0 + 1 + 2 + 3 + 4)


def nearest_rank(values: list[int], percent: int) -> int:
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1]


def test_percentiles_are_those_of_the_nearest_rank(month: Period) -> None:
    samples = {
        1: [700],
        2: [100, 900],
        3: [300, 100, 200],
        4: list(range(20)),
        5: [(number * 7919) % 4001 for number in range(137)],
    }
    for day, values in samples.items():
        for value in values:
            use(month.first + timedelta(days=day), first_token_ms=value)
    use(month.first)
    waits = {wait.day: wait for wait in first_token.waits(month)}
    assert list(waits) == month.days
    for day, values in samples.items():
        wait = waits[month.first + timedelta(days=day)]
        assert (wait.answers, wait.median, wait.p95) == (
            len(values),
            nearest_rank(values, 50),
            nearest_rank(values, 95),
        )
    assert waits[month.first].median is None
