"""Checks a page at the public address: its protective headers, cookie and static files."""

import re
from collections.abc import Iterator

import httpx2
from django.conf import settings
from django.urls import reverse

from chatsite.doctor.findings import Finding, fail, ok

# Each header must contain this.
_HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_HTTPS_HEADERS = {"Strict-Transport-Security": "max-age="}
_STATIC = re.compile(r'(?:href|src)="([^"]+\.(?:css|js))"')


def check(client: httpx2.Client) -> Iterator[Finding]:
    page = client.get(reverse("login"))
    if page.status_code != 200:
        yield fail(
            "headers",
            f"the sign-in page answers {page.status_code}",
            "Have the proxy pass everything on; see the site's log.",
        )
        return
    https = client.base_url.scheme == "https"
    yield _headers(page, _HEADERS | _HTTPS_HEADERS if https else _HEADERS)
    if https:
        yield _cookie(page)
    yield from _static(client, page)


def _headers(page: httpx2.Response, wanted: dict[str, str]) -> Finding:
    missing = [name for name, value in wanted.items() if value not in page.headers.get(name, "")]
    if missing:
        return fail(
            "headers",
            f"pages arrive without a good {', '.join(missing)}",
            "Let the proxy neither hide nor overwrite what the site sends.",
        )
    return ok("headers", f"{', '.join(wanted)}")


def _cookie(page: httpx2.Response) -> Finding:
    cookies = page.headers.get_list("set-cookie")
    if cookies and all("secure" in cookie.lower().split("; ") for cookie in cookies):
        return ok("cookies", "sent over https only")
    return fail(
        "cookies",
        "they would be sent without https too",
        f"Set SITE_URL to the https address (it is {settings.SITE_URL}).",
    )


def _static(client: httpx2.Client, page: httpx2.Response) -> Iterator[Finding]:
    found = _STATIC.search(page.text)
    if not found:
        return
    answer = client.get(found[1])
    if answer.status_code == 200:
        yield ok("static", "files arrive")
    else:
        yield fail(
            "static",
            f"{found[1]} answers {answer.status_code}",
            "See that the proxy may read the folder static in DATA_DIR, and all above it.",
        )
