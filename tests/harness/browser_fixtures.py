"""Fixtures: the run's one Chromium, and a page in it."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from tests.harness.browser import BrowserHost


@pytest.fixture(scope="session")
def browser_host() -> "Iterator[BrowserHost]":
    from tests.harness.browser import BrowserHost

    host = BrowserHost()
    yield host
    host.close()


@pytest.fixture
def browser(browser_host: "BrowserHost") -> "Iterator[Browser]":
    """The run's one Chromium; for tests that need several contexts.

    Tests that use it are not async.
    """
    with browser_host.held() as browser:
        yield browser


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    """Yields a page in a context of its own; fails the test for errors in the page.

    These are uncaught errors, and what the content security policy refused. To sign in:
    `page.context.add_cookies(alice.cookies(site))`.
    """
    from tests.harness.browser import new_context, watch_problems

    with new_context(browser) as context:
        page = context.new_page()
        problems = watch_problems(page)
        yield page
    assert not problems, problems
