"""An operator with every right whose requests are watched for faults of the site."""

import logging
from time import monotonic
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.test import Client

from tests.harness.admin_cases import Case


class Faults(logging.Handler):
    """Collects the errors in the log, but not those that tell of a refused lookup."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if not record.name.startswith("django.security"):
            kind = record.exc_info[1] if record.exc_info else ""
            self.lines.append(f"{record.getMessage()[:150]} {kind!r:.200}")


class Attacker:
    """Represents an operator with every right, made anew when a form has taken one away."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._client = Client(raise_request_exception=False)
        self.enter()

    def enter(self) -> None:
        self.user = User.objects.create(
            username=f"operator-{User.objects.count()}-{monotonic()}",
            is_staff=True,
            is_superuser=True,
        )
        self._client.force_login(self.user)

    def is_in(self) -> bool:
        return User.objects.filter(
            pk=self.user.pk, is_staff=True, is_superuser=True, is_active=True
        ).exists()

    def page(self, path: str) -> str:
        response = self._client.get(path, headers={"host": "localhost"})
        return (
            "" if response.streaming or response.status_code != 200 else response.content.decode()
        )

    def fault(self, case: Case) -> str:
        """Sends the request; returns what went wrong, or an empty string."""
        self._faults.lines.clear()
        if not self.is_in():
            self.enter()
        if case.fields is None:
            response = self._client.get(case.path, headers={"host": "localhost"})
        else:
            form = {
                "content_type": "application/x-www-form-urlencoded",
                "headers": {"host": "localhost"},
            }
            body = urlencode(case.fields)
            response = self._client.post(case.path, body, **form)  # type: ignore[arg-type]
        bad = (
            response.status_code >= 500
            or self._faults.lines
            or is_away(response.get("Location", "/"))
        )
        return (
            f"{response.status_code} {case.path[:150]} {str(case.fields)[-150:]}"
            f" {self._faults.lines}"
            if bad
            else ""
        )


def is_away(location: str) -> bool:
    return not location.startswith(("/", "?")) or location.startswith(("//", "/\\"))
