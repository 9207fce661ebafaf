"""What the test process and every site share: a data folder, a database, Valkey, the upstream."""

import os
import re
import shutil
import tempfile
from itertools import count
from pathlib import Path

from tests.harness.postgres import Postgres
from tests.harness.site import ROOT, Site
from tests.harness.upstream import Upstream
from tests.harness.valkey import Valkey

# Recognisable, so that tests can look for them in logs.
API_KEY = "sk-fake-0123456789-never-in-a-log"
SECRET_KEY = "test-secret-key-never-in-a-log-" + "0123456789" * 3


class Environment:
    """Made once per test run, before Django's settings load."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="chatsite-tests-"))
        self.upstream = Upstream()
        self.valkey = Valkey(self.folder)
        # The same tests on the database of a real deployment: `make test` runs some of them twice.
        self.postgres = Postgres() if os.environ.get("TEST_DATABASE") == "postgresql" else None
        self.sites: list[Site] = []
        self._numbers = count(1)
        self._static_collected = False

    def start(self) -> None:
        """Starts Valkey and the upstream, and sets the environment of this process."""
        self.upstream.start()
        self.valkey.start()
        if self.postgres:
            self.postgres.start()
        os.environ.update(_without_settings() | self.settings())

    def stop(self) -> None:
        for site in self.sites:
            if site.running:
                site.stop()
        self.valkey.stop()
        if self.postgres:
            self.postgres.stop()
        self.upstream.stop()
        shutil.rmtree(self.folder)

    def settings(self) -> dict[str, str]:
        """The settings of every test site, before what a test adds.

        Waits are short, but not so short that a busy machine fails a test.
        """
        return {
            "DJANGO_SETTINGS_MODULE": "chatsite.settings",
            "DATA_DIR": str(self.folder),
            "DATABASE_URL": self.postgres.url if self.postgres else "",
            "REDIS_URL": self.valkey.url,
            "OPENAI_BASE_URL": self.upstream.url,
            "OPENAI_API_KEY": API_KEY,
            "SECRET_KEY": SECRET_KEY,
            # The same on every port, so that a test can make a session's cookie without asking
            # where it is sent.
            "SESSION_COOKIE_NAME": "sessionid",
            "CSRF_COOKIE_NAME": "csrftoken",
            "RESUME_GRACE_SECONDS": "2",
            "DRAIN_SECONDS": "10",
            "UPSTREAM_FIRST_TOKEN_SECONDS": "15",
            "UPSTREAM_IDLE_SECONDS": "15",
        }

    def start_site(self, *, workers: int = 1, **env: str) -> Site:
        """Starts a site with these settings beyond the common ones.

        It is stopped at the end of the run if not before.
        """
        self.collect_static()
        log = self.folder / f"site-{next(self._numbers)}.log"
        site = Site(self._inherited() | self.settings() | env, log, workers=workers)
        site.start()
        self.sites.append(site)
        return site

    def make_valkey(self) -> Valkey:
        """A Valkey of a test's own, not started yet; the test stops it."""
        folder = self.folder / f"valkey-{next(self._numbers)}"
        folder.mkdir()
        return Valkey(folder)

    def _inherited(self) -> dict[str, str]:
        """This process's environment without what browser tests allow themselves."""
        return {
            name: value for name, value in os.environ.items() if name != "DJANGO_ALLOW_ASYNC_UNSAFE"
        }

    def collect_static(self) -> None:
        """Collects static files once, as a deployment does: pages name them by their hashes."""
        if not self._static_collected:
            from django.core.management import call_command

            call_command("collectstatic", interactive=False, verbosity=0)
            self._static_collected = True


def _without_settings() -> dict[str, str]:
    """Returns every setting of the site as empty, which counts as unset.

    Neither the developer's shell nor a .env file reaches the tests.
    """
    names = re.findall(
        r'\benv\.\w+\(\s*"([A-Z_]+)"', (ROOT / "chatsite" / "settings.py").read_text()
    )
    return {variant: "" for name in names for variant in (name, f"{name}_FILE")}
