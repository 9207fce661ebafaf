"""A big site's rows, made in a few seconds and removed without a trace.

They are 10,000 people, 100,000 answers in the ledger, and what was refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from random import Random
from uuid import UUID

from django.contrib.auth.models import Group, User
from django.db import connection, transaction
from django.utils import timezone

from chat.models import Quota, RefusalCount, Usage

PEOPLE = 10_000
ANSWERS = 100_000
_DAYS = 60
_GROUPS = 10
_NAMED = 200
_REFUSED = 5_000
_MODELS = ("gpt-4o-mini", "gpt-4o", "o4-mini", "demo")
_CODES = (
    "rate_limited",
    "too_many_streams",
    "tokens_exhausted",
    "spend_exhausted",
    "prompt_too_long",
)
_SAMPLE = 1_000
_BATCH = 5_000
_NEW_UUID = {"sqlite": "lower(hex(randomblob(16)))", "postgresql": "gen_random_uuid()"}


@dataclass(frozen=True)
class Crowd:
    """`quotas`: one for each group, the last one names people."""

    people: list[User]
    groups: list[Group]
    quotas: list[Quota]


@contextmanager
def crowd() -> Iterator[Crowd]:
    """The rows are there while it is open."""
    random = Random(1)
    with transaction.atomic():
        made = _people(random)
        _answers(random, made)
        _refusals(random, made)
    try:
        yield made
    finally:
        _remove(made)


def _people(random: Random) -> Crowd:
    names = (f"crowd-{number:05}" for number in range(PEOPLE))
    people = User.objects.bulk_create(
        [User(username=name, email=f"{name}@example.org") for name in names], batch_size=_BATCH
    )
    groups = Group.objects.bulk_create([Group(name=f"Crowd {number}") for number in range(_GROUPS)])
    limits = {
        "requests": "10/m, 500/d",
        "concurrent_streams": 3,
        "tokens_per_day": 20_000,
        "spend_per_month_usd": Decimal(5),
    }
    quotas = Quota.objects.bulk_create(
        [Quota(name=f"Crowd {number}", priority=number, **limits) for number in range(_GROUPS + 1)]
    )
    Quota.groups.through.objects.bulk_create(
        [
            Quota.groups.through(quota=quota, group=group)
            for quota, group in zip(quotas, groups, strict=False)
        ]
    )
    _join_groups(random, people, groups)
    named = random.sample(people, _NAMED)
    Quota.users.through.objects.bulk_create(
        [Quota.users.through(quota=quotas[-1], user=person) for person in named]
    )
    return Crowd(people, groups, quotas)


def _join_groups(random: Random, people: list[User], groups: list[Group]) -> None:
    """Puts half of the people into one group, some into two; the others have the default."""
    through = User.groups.through
    members = [
        through(user=person, group=random.choice(groups)) for person in people[: PEOPLE // 2]
    ]
    through.objects.bulk_create(members, batch_size=_BATCH, ignore_conflicts=True)
    second = [
        through(user=person, group=random.choice(groups)) for person in people[: PEOPLE // 10]
    ]
    through.objects.bulk_create(second, batch_size=_BATCH, ignore_conflicts=True)


def _answers(random: Random, made: Crowd) -> None:
    """Makes a sample by the ORM, and ten answers of it for each person in the database itself.

    That is ten times as fast as the ORM.
    """
    sample = Usage.objects.bulk_create(
        [_answer(random, made, number) for number in range(_SAMPLE)], batch_size=_BATCH
    )
    person = f"'u:' || {User._meta.db_table}.id"
    values = {
        "answer": _NEW_UUID[connection.vendor],
        "user_id": f"{User._meta.db_table}.id",
        "owner_key": person,
        "limit_key": person,
    }
    columns = [field.column for field in Usage._meta.concrete_fields if field.column]
    table, share = Usage._meta.db_table, ANSWERS // PEOPLE
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT"
            f" {', '.join(values.get(column, f'{table}.{column}') for column in columns)} FROM"
            f" {User._meta.db_table} JOIN {table} ON {table}.first_token_ms / {share} ="
            f" {User._meta.db_table}.id %% {_SAMPLE // share} WHERE {table}.owner_key = 'sample'"
            f" AND {User._meta.db_table}.id BETWEEN %s AND %s",
            [made.people[0].pk, made.people[-1].pk],
        )
    Usage.objects.filter(pk__in=[row.pk for row in sample]).delete()


def _answer(random: Random, made: Crowd, number: int) -> Usage:
    created = timezone.now() - timedelta(seconds=random.randrange(_DAYS * 86400))
    return Usage(
        answer=UUID(int=random.getrandbits(128)),
        owner_key="sample",
        limit_key="sample",
        model=random.choice(_MODELS),
        quota=random.choice(made.quotas).name,
        prompt_tokens=random.randrange(2_000),
        completion_tokens=random.randrange(2_000),
        cost_usd=Decimal(random.randrange(10_000_000)).scaleb(-8),
        outcome=random.choice(
            ("complete", "complete", "complete", "stopped", "interrupted", "failed")
        ),
        estimated=random.random() < 0.1,
        first_token_ms=number,
        duration_ms=random.randrange(1_000, 60_000),
        created=created,
        day=timezone.localdate(created),
    )


def _refusals(random: Random, made: Crowd) -> None:
    now = timezone.now().replace(minute=0, second=0, microsecond=0)
    rows = []
    for _ in range(_REFUSED):
        person, hour = random.choice(made.people), now - timedelta(hours=random.randrange(14 * 24))
        rows.append(
            RefusalCount(
                hour=hour,
                day=timezone.localdate(hour),
                user=person,
                limit_key=f"u:{person.pk}",
                quota=random.choice(made.quotas).name,
                code=random.choice(_CODES),
                shadow=random.random() < 0.2,
                count=random.randrange(1, 50),
                last=hour,
            )
        )
    RefusalCount.objects.bulk_create(rows, batch_size=_BATCH, ignore_conflicts=True)


def _remove(made: Crowd) -> None:
    """Deletes by the keys' range.

    Ten thousand keys in a query are too many for some databases, and a cascade would look for what
    is not there.
    """
    first, last = made.people[0].pk, made.people[-1].pk
    with transaction.atomic():
        for table in (RefusalCount, Usage, User.groups.through, Quota.users.through):
            table._default_manager.filter(
                user_id__gte=first, user_id__lte=last
            ).order_by()._raw_delete("default")
        User.objects.filter(pk__range=(first, last))._raw_delete("default")
        Quota.objects.filter(pk__in=[quota.pk for quota in made.quotas]).delete()
        Group.objects.filter(pk__in=[group.pk for group in made.groups]).delete()
