"""What the operator has set (policy, quotas, models), remembered by each process.

A version in Redis changes whenever a process commits a change. What is remembered counts only under
the version it was read with, so a change holds for the next turn on every worker. A change that
Django does not see (SQL by hand) holds after STALE_SECONDS. Without Redis nothing is remembered.
"""

import contextlib
from secrets import token_hex
from time import monotonic
from typing import Any

from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import Model
from django.db.models.signals import m2m_changed, post_delete, post_save

from chat import redis_client, redis_keys
from chat.limits.effective_quota import EffectiveQuota, effective_quota_of
from chat.models import ChatModel, Quota, SitePolicy
from chat.models.configured import configured_in_bulk, configured_models
from chat.requester import Requester

STALE_SECONDS = 1.0
_MAX_PEOPLE = 10_000


class Configuration:
    """Holds one version of the configuration; each part is read when it is first asked for.

    What it returns is shared: do not change it.
    """

    def __init__(self, version: bytes | str | None) -> None:
        self.version = version
        self.read_at = monotonic()
        self._policy: SitePolicy | None = None
        self._effective_quotas: dict[int | None, EffectiveQuota] = {}
        self._models: dict[int, list[ChatModel]] = {}

    def policy(self) -> SitePolicy:
        if self._policy is None:
            self._policy = SitePolicy.current()
        return self._policy

    def effective_quota(self, requester: Requester) -> EffectiveQuota:
        """Returns what applies to the requester: see `chat.limits.effective_quota`."""
        who = requester.user_id
        if who not in self._effective_quotas:
            if len(self._effective_quotas) >= _MAX_PEOPLE:
                self._effective_quotas.clear()
            self._effective_quotas[who] = effective_quota_of(requester)
        return self._effective_quotas[who]

    def paused(self, requester: Requester) -> str | None:
        """Returns why the requester may begin no turn now, as they are told; None if they may."""
        policy = self.policy()
        if policy.paused:
            return policy.notice or "The site is paused. Try again later."
        pause = self.effective_quota(requester).pause
        return None if pause is None else pause or "You are paused. Ask whoever runs this site."

    def models(self, quota: Quota) -> list[ChatModel]:
        """Returns the models that the quota allows: see `Quota.allowed_models`."""
        if quota.pk not in self._models:
            self._models[quota.pk] = quota.allowed_models()
        return self._models[quota.pk]


_known = Configuration(None)


def current() -> Configuration:
    """Returns what holds for a turn that begins now.

    Blocks on Redis; the methods of what it returns block on the database.
    """
    global _known
    try:
        version = redis_client.client().get(redis_keys.configuration())
    except redis_client.REDIS_ERRORS:
        return Configuration(None)
    if version is None:
        # Redis was emptied. The new version is random, so that it is none from before.
        _announce()
        return Configuration(None)
    known = _known
    if known.version != version or monotonic() - known.read_at > STALE_SECONDS:
        known = _known = Configuration(version)
    return known


def _announce() -> None:
    with contextlib.suppress(*redis_client.REDIS_ERRORS):
        redis_client.client().set(redis_keys.configuration(), token_hex(8))


def _changed(**kwargs: Any) -> None:
    transaction.on_commit(_announce)


def watch() -> None:
    """Connects the signals; called once, when Django is ready."""
    tables = configured_models()
    for table in tables:
        post_save.connect(_changed, sender=table, dispatch_uid="configuration")
    # Groups of people decide as well; a deletion removes memberships without a signal of their own.
    deleted: list[type[Model]] = [*tables, Group, User]
    for table in deleted:
        post_delete.connect(_changed, sender=table, dispatch_uid="configuration")
    links = [field.remote_field.through for table in tables for field in table._meta.many_to_many]
    for link in [*links, User.groups.through]:
        m2m_changed.connect(_changed, sender=link, dispatch_uid="configuration")
    configured_in_bulk.connect(_changed, dispatch_uid="configuration")
