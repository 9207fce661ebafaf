"""Chromium through Playwright, living beside async tests and Django's ORM in one thread."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright


class BrowserHost:
    """One Chromium for the run.

    Playwright's blocking API keeps an event loop suspended in a greenlet, and
    asyncio takes it for the running loop of the thread: async tests would be
    refused. So the loop counts as running only while a test holds the browser.
    """

    def __init__(self) -> None:
        executable = shutil.which("chromium")
        assert executable, "the tests of the page need Chromium: apt-get install chromium"
        self._playwright = sync_playwright().start()
        self.browser: Browser = self._playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        self._loop = asyncio.get_running_loop()
        asyncio._set_running_loop(None)

    @contextmanager
    def held(self) -> Iterator[Browser]:
        """While open, Playwright may be called, and so may the ORM: Django would refuse it in a thread with a running loop."""
        asyncio._set_running_loop(self._loop)
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
        try:
            yield self.browser
        finally:
            del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
            asyncio._set_running_loop(None)

    def close(self) -> None:
        with self.held():
            self.browser.close()
            self._playwright.stop()


def watch_problems(page: Page) -> list[str]:
    """A list that fills with what no page of ours may do: uncaught errors, and what the content security policy refused."""
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(f"uncaught: {error}"))
    page.on("console", lambda message: problems.append(message.text) if "Content Security Policy" in message.text else None)
    return problems
