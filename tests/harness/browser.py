"""Chromium through Playwright, living beside async tests and Django's ORM in one thread."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright

from tests.harness.processes import descendants

_CLOSE_SECONDS = 20


class BrowserHost:
    """One Chromium for the run.

    Playwright's blocking API keeps an event loop suspended in a greenlet, and
    asyncio takes it for the running loop of the thread: async tests would be
    refused. So the loop counts as running only while a test holds the browser.
    """

    def __init__(self) -> None:
        self._playwright = sync_playwright().start()
        self.browser = self._launch()
        self._loop = asyncio.get_running_loop()
        asyncio._set_running_loop(None)

    def _launch(self) -> Browser:
        # The same engine without the windows that nobody sees: a quarter of the processor time.
        executable = shutil.which("chromium-headless-shell") or shutil.which("chromium")
        assert executable, (
            "the tests of the page need Chromium: apt-get install chromium-headless-shell"
        )
        return self._playwright.chromium.launch(
            executable_path=executable,
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        )

    @contextlib.contextmanager
    def held(self) -> Iterator[Browser]:
        """Lets both Playwright and the ORM be called while it is open.

        Django would refuse the ORM in a thread with a running loop.
        """
        asyncio._set_running_loop(self._loop)
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
        try:
            if not self.browser.is_connected():
                self.browser = self._launch()
            yield self.browser
        finally:
            del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
            asyncio._set_running_loop(None)

    def close(self) -> None:
        with self.held():
            with _not_for_ever(self.browser):
                self.browser.close()
            self._playwright.stop()


@contextlib.contextmanager
def new_context(browser: Browser, **options: Any) -> Iterator[BrowserContext]:
    """A context that is closed after the block."""
    context = browser.new_context(**options)
    try:
        yield context
    finally:
        with _not_for_ever(browser):
            context.close()


@contextlib.contextmanager
def _not_for_ever(browser: Browser) -> Iterator[None]:
    """Ends Chromium when a call that closes something takes _CLOSE_SECONDS.

    On a busy machine Chromium sometimes does not return from it, and Playwright would wait without
    end. The next test starts another.
    """
    ending = Timer(_CLOSE_SECONDS, _end_chromium)
    ending.start()
    try:
        yield
    except Error:
        if browser.is_connected():
            raise
    finally:
        ending.cancel()


def _end_chromium() -> None:
    for pid in chromium_pids():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def chromium_pids() -> list[int]:
    """The processes of this run's Chromium."""
    return [pid for pid in descendants(os.getpid()) if b"chromium" in _program(pid)]


def _program(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().partition(b"\0")[0]
    except OSError:  # it has ended meanwhile
        return b""


def watch_problems(page: Page) -> list[str]:
    """Returns a list that fills with uncaught errors and refusals of the security policy."""
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(f"uncaught: {error}"))
    page.on(
        "console",
        lambda message: (
            problems.append(message.text) if "Content Security Policy" in message.text else None
        ),
    )
    return problems
