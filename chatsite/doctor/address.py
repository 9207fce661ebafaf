"""Checks the public address: something answers there, and it is a site that is ready."""

import ssl
from collections.abc import Iterator

import httpx2
from django.conf import settings
from django.urls import reverse

from chatsite.doctor.findings import Finding, fail, ok, warn

PART = "address"
_SECONDS = 10.0


def browser_client(url: str) -> httpx2.Client:
    """Returns a client that behaves as a browser on this machine.

    It has the system's certificates, no proxy of the environment, no redirects.
    """
    return httpx2.Client(
        base_url=url.rstrip("/"),
        timeout=_SECONDS,
        verify=ssl.create_default_context(),
        trust_env=False,
    )


def check(client: httpx2.Client) -> Iterator[Finding]:
    """Yields findings about the address; after a failure here nothing else can be asked."""
    try:
        answer = client.get(reverse("healthz"))
    except httpx2.TransportError as error:
        yield fail(
            PART,
            f"{client.base_url} cannot be reached: {error}",
            "See that the site and its proxy run, that name and certificate are right.",
        )
        return
    if answer.status_code != 200 or answer.text != "ok\n":
        yield fail(
            PART,
            f"{client.base_url}/healthz answers {answer.status_code}, not what this site says"
            " there",
            _remedy(answer),
        )
        return
    yield ok(PART, f"{client.base_url} answers")
    if _origin(client.base_url) != _origin(httpx2.URL(settings.SITE_URL)):
        yield warn(
            PART,
            f"SITE_URL is {settings.SITE_URL}, another address",
            "Set SITE_URL to the one people use: links in mails and forms rely on it.",
        )
    yield _readiness(client)


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _remedy(answer: httpx2.Response) -> str:
    if answer.is_redirect:
        return (
            f"It redirects to {answer.headers['location']}: give doctor the address people end at."
        )
    if answer.status_code == 400:
        return (
            "Have the proxy pass the host on (proxy_set_header Host $host;), and see ALLOWED_HOSTS"
            " and SITE_URL."
        )
    return (
        "See that the proxy passes everything on to HOST and PORT of the site, and that the site"
        " runs."
    )


def _readiness(client: httpx2.Client) -> Finding:
    answer = client.get(reverse("readyz"))
    try:
        parts = answer.json()
        bad = {name: state for name, state in parts.items() if name != "ready" and state != "ok"}
    except (ValueError, AttributeError):
        return fail(
            "ready",
            f"/readyz answers {answer.status_code}, not what this site says there",
            "Have the proxy pass it on.",
        )
    if not bad:
        return ok("ready", "the site takes new turns")
    names = ", ".join(f"{name} {state}" for name, state in bad.items())
    return fail(
        "ready",
        f"the site is not ready: {names}",
        "What it reaches may differ from what this command reaches: compare their settings.",
    )
