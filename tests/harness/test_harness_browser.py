"""The harness' Chromium: one that does not answer costs a moment, not the run."""

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.harness import browser as harness

if TYPE_CHECKING:
    from tests.harness.browser import BrowserHost


def test_browser_that_does_not_close_is_ended_and_another_started(
    browser_host: "BrowserHost", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness, "_CLOSE_SECONDS", 0.5)
    with browser_host.held() as browser, harness.new_context(browser) as context:
        context.new_page().set_content("<h1>Here</h1>")
        for pid in harness.chromium_pids():
            os.kill(pid, signal.SIGSTOP)
    with browser_host.held() as browser, harness.new_context(browser) as context:
        page = context.new_page()
        page.set_content("<h1>Here again</h1>")
        assert page.inner_text("h1") == "Here again"
