"""Our own keys in the ASGI scope of a request, and how views read and set them."""

from typing import Any, cast

from django.http import HttpRequest

# The address that the connection comes from, whatever a proxy says.
PEER_ADDRESS = "chatsite.peer"
# Tells whether a shutdown waits for the response to end: it can be read nowhere else.
MUST_FINISH = "chatsite.must_finish"


def mark_must_finish(request: HttpRequest) -> None:
    """Makes a shutdown wait for the end of this request's response."""
    _scope(request)[MUST_FINISH] = True


def peer_address(request: HttpRequest) -> str | None:
    """Returns the address that the connection comes from; None where the server gives none."""
    address: str | None = _scope(request).get(PEER_ADDRESS)
    return address


def _scope(request: HttpRequest) -> dict[str, Any]:
    # Every request comes through ASGI; Django's base class does not know that.
    return cast(dict[str, Any], request.scope)  # type: ignore[attr-defined]
