"""The system checks: each fault is found, has a hint, and the defaults have none."""

import os
import subprocess
import sys
from ipaddress import ip_network
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from pytest_django import Settings

from chatsite.checks import SETTINGS, UPSTREAM
from tests.harness.site import ROOT


def found() -> list[CheckMessage]:
    messages: list[CheckMessage] = run_checks(tags=[SETTINGS, UPSTREAM])
    return messages


@pytest.fixture
def right(settings: Settings) -> Settings:
    """Returns settings without a fault."""
    settings.DEBUG = False
    settings.OPENAI_API_KEY = "sk-x"
    settings.SECRET_KEY = "x" * 50
    settings.SITE_URL, settings.SITE_IS_HTTPS = "https://chat.example.org", True
    settings.ALLOWED_HOSTS = ["chat.example.org"]
    settings.TRUSTED_PROXIES = [ip_network("127.0.0.1")]
    return settings


def test_settings_without_a_fault_are_not_complained_about(right: Settings) -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"REDIS_IN_PROCESS": True, "WORKERS": 2}, "chatsite.E001"),
        ({"CACHES": {"default": {"BACKEND": "django_redis.cache.RedisCache"}}}, "chatsite.E002"),
        ({"RATELIMIT_USE_CACHE": "other"}, "chatsite.E002"),
        ({"SECRET_KEY": "short"}, "chatsite.E003"),
        ({"ALLOWED_HOSTS": ["elsewhere.example.org"]}, "chatsite.E004"),
        ({"TRUSTED_PROXIES": [ip_network("0.0.0.0/0")]}, "chatsite.E005"),
        ({"TRUSTED_PROXIES": [ip_network("::/0")]}, "chatsite.E005"),
        ({"EMAIL_USE_TLS": True, "EMAIL_USE_SSL": True}, "chatsite.E006"),
        ({"OPENAI_API_KEY": "", "OPENAI_BASE_URL": ""}, "chatsite.W001"),
        ({"DEBUG": True}, "chatsite.W002"),
        ({"TRUSTED_PROXIES": []}, "chatsite.W003"),
    ],
)
def test_fault_is_found_and_has_a_remedy(
    right: Settings, change: dict[str, Any], expected: str
) -> None:
    for name, value in change.items():
        setattr(right, name, value)
    message, *others = found()
    assert message.id == expected
    assert message.hint
    assert not others


def test_base_url_needs_no_key(right: Settings) -> None:
    right.OPENAI_API_KEY, right.OPENAI_BASE_URL = "", "http://127.0.0.1:8001/v1"
    assert found() == []


def test_address_of_version_six_is_found_among_the_allowed_hosts(right: Settings) -> None:
    right.SITE_URL, right.ALLOWED_HOSTS = "https://[::1]:8443", ["[::1]"]
    assert found() == []


def test_fault_is_found_by_the_command_that_checks() -> None:
    """Starts a process: this one has registered the checks by importing their module."""
    env = {**os.environ, "SECRET_KEY": "short"}
    made = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert made.returncode == 1
    assert "chatsite.E003" in made.stderr
