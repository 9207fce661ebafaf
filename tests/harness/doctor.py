"""One run of `manage.py doctor`, and what it found."""

import os
import subprocess
import sys

from tests.harness.environment import API_KEY, SECRET_KEY, Environment
from tests.harness.site import ROOT, Site

DOCTOR_SECONDS = 90


class Visit:
    """One run of the doctor: its exit code, and its lines by level and part."""

    def __init__(self, environment: Environment, *arguments: str, **env: str) -> None:
        done = subprocess.run(
            [sys.executable, "manage.py", "doctor", *arguments],
            cwd=ROOT,
            env={**os.environ, **environment.settings(), **env},
            capture_output=True,
            text=True,
            timeout=DOCTOR_SECONDS,
        )
        self.code = done.returncode
        self.output = done.stdout
        self.errors = done.stderr
        assert "Traceback" not in self.output + self.errors
        assert API_KEY not in self.output + self.errors
        assert SECRET_KEY not in self.output + self.errors

    def of(self, level: str) -> dict[str, str]:
        """Part to text, of the lines of that level; the last one where a part has several."""
        lines = [line.split(maxsplit=2) for line in self.output.splitlines()]
        return {part.rstrip(":"): text for mark, part, text in lines if mark == level}

    @property
    def failures(self) -> set[str]:
        return set(self.of("FAIL"))


def address_of(site: Site) -> dict[str, str]:
    return {"SITE_URL": site.url, "PORT": str(site.port)}
