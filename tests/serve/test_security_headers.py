"""Headers of every response, and that pages work under them."""

import base64
import hashlib
import re
from typing import TYPE_CHECKING

import httpx2
import pytest

from tests.harness.people import Person
from tests.harness.site import Site

if TYPE_CHECKING:
    from playwright.sync_api import Page


def get(site: Site, path: str) -> httpx2.Response:
    return httpx2.get(site.url + path, trust_env=False, follow_redirects=False)


@pytest.mark.parametrize(
    "path",
    ["/", "/accounts/login/", "/healthz", "/api/limits", "/no-such-page", "/static/js/theme.js"],
)
def test_every_response_carries_them(site: Site, path: str) -> None:
    headers = get(site, path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["referrer-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_a_stream_carries_them_too(alice: Person) -> None:
    answer = alice.client.chat({"content": "hello"})
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    answer.read()
    assert answer.ended


def test_the_policy_allows_the_import_map_that_is_on_the_page(site: Site, alice: Person) -> None:
    answer = alice.client.http.get(site.url + "/")
    found = re.search(r'<script type="importmap">(.*?)</script>', answer.text)
    assert found
    digest = base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
    assert f"script-src 'self' 'sha256-{digest}';" in answer.headers["content-security-policy"]


def test_pages_are_kept_by_no_cache(site: Site, alice: Person) -> None:
    assert "no-store" in alice.client.http.get(site.url + "/").headers["cache-control"]


def test_no_page_has_inline_scripts_or_styles(site: Site, alice: Person) -> None:
    for path in ("/", "/search/?q=x", "/usage/", "/accounts/password/"):
        html = alice.client.http.get(site.url + path).text
        assert not re.search(r"<style|\sstyle=|\son\w+=", html), path
        assert all(
            "src=" in tag or "importmap" in tag for tag in re.findall(r"<script[^>]*>", html)
        ), path


def test_the_administration_works_under_the_policy(site: Site, alice: Person, page: "Page") -> None:
    """Opens the pages; the `page` fixture fails on anything that the policy refuses."""
    alice.user.is_staff = alice.user.is_superuser = True
    alice.user.save()
    page.context.add_cookies(alice.cookies(site))
    for path in (
        "/admin/",
        "/admin/chat/quota/",
        "/admin/chat/quota/add/",
        "/admin/auth/user/",
        "/admin/chat/usage/",
    ):
        page.goto(site.url + path)
        assert page.locator("#site-name").inner_text()
