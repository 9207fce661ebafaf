"""Fixtures of the tests that call the upstream without a site.

Imports of the site wait until its settings are there.
"""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from chat.upstream.retry import Upstream
    from tests.harness.calls import Ask, Asked


@pytest.fixture
def quick_retries(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shortens timeouts and backoffs."""
    from chat.upstream import waits

    settings.UPSTREAM_FIRST_TOKEN_SECONDS = settings.UPSTREAM_IDLE_SECONDS = 1
    settings.UPSTREAM_RETRIES = 2
    monkeypatch.setattr(waits, "BACKOFF_SECONDS", 0.01)


@pytest.fixture
async def shared(settings: Any) -> "AsyncIterator[Upstream]":
    """Yields what all answers of a worker share."""
    from chat import redis_client
    from chat.upstream.client import make_client
    from chat.upstream.cooldown import Cooldown
    from chat.upstream.retry import Upstream

    client, store = make_client(), redis_client.async_client()
    yield Upstream(client, Cooldown(store))
    await client.close()
    await store.aclose()


@pytest.fixture
def ask(shared: "Upstream") -> "Ask":
    """Returns a function that asks and returns what came of it."""
    from tests.harness.calls import Asked, target

    async def asked(messages: list[dict[str, str]], *targets: Any, **options: Any) -> "Asked":
        return await Asked(shared, messages, targets or (target(),), **options).run()

    return asked
