"""Django's middleware on the event loop: where ours says something else than Django's."""

import asyncio
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from chat.web.async_middleware import Csrf

TOKEN = "t" * 32
HERE = "https://testserver"


@pytest.mark.parametrize(
    ("path", "headers", "passes"),
    [
        # A program: the cookie and the header, as the contract says.
        ("/api/chat", {"X-CSRFToken": TOKEN}, True),
        ("/api/chat", {"X-CSRFToken": "u" * 32}, False),
        ("/api/chat", {}, False),
        # A browser: it says where it comes from.
        ("/api/chat", {"X-CSRFToken": TOKEN, "Origin": HERE}, True),
        ("/api/chat", {"X-CSRFToken": TOKEN, "Referer": f"{HERE}/"}, True),
        ("/api/chat", {"X-CSRFToken": TOKEN, "Origin": "https://evil.example"}, False),
        ("/api/chat", {"X-CSRFToken": TOKEN, "Origin": "null"}, False),
        ("/api/chat", {"X-CSRFToken": TOKEN, "Referer": "https://evil.example/"}, False),
        # Pages are for browsers.
        ("/accounts/login/", {"X-CSRFToken": TOKEN}, False),
    ],
)
def test_over_https_a_program_needs_the_token_and_a_browser_its_origin_too(
    settings: Any, path: str, headers: dict[str, str], passes: bool
) -> None:
    settings.CSRF_FAILURE_VIEW = "django.views.csrf.csrf_failure"
    request = RequestFactory().post(path, secure=True, headers=headers)
    request.COOKIES["csrftoken"] = TOKEN
    csrf = Csrf(lambda request: HttpResponse())
    csrf.process_request(request)
    refused = asyncio.run(csrf.process_view(request, lambda request: HttpResponse(), (), {}))
    assert (refused is None) is passes


def test_a_form_of_another_site_cannot_pass_for_a_program(settings: Any) -> None:
    """Sends a form, which can set fields but no headers."""
    settings.CSRF_FAILURE_VIEW = "django.views.csrf.csrf_failure"
    request = RequestFactory().post("/api/chat", {"csrfmiddlewaretoken": TOKEN}, secure=True)
    request.COOKIES["csrftoken"] = TOKEN
    csrf = Csrf(lambda request: HttpResponse())
    csrf.process_request(request)
    assert (
        asyncio.run(csrf.process_view(request, lambda request: HttpResponse(), (), {})).status_code
        == 403
    )
