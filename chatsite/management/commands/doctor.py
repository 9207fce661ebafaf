from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from chat.web.probe import MAX_PAUSE_SECONDS
from chatsite.doctor import examination
from chatsite.doctor.findings import Finding, Level


class Command(BaseCommand):
    help = (
        "Checks a deployment from inside and through its public address; one line a finding, exit 1"
        " if anything fails."
    )
    # The system checks are findings here; their errors must not stop the command.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "url",
            nargs="?",
            metavar="URL",
            help="the address that people use; SITE_URL when it is not given",
        )
        parser.add_argument(
            "--idle",
            nargs="?",
            type=int,
            const=MAX_PAUSE_SECONDS,
            metavar="SECONDS",
            help=(
                "also see whether a stream is cut that is silent for so long (at most"
                f" {MAX_PAUSE_SECONDS}, which it is without a number)"
            ),
        )

    def handle(self, *args: Any, **options: Any) -> None:
        url, idle = options["url"] or settings.SITE_URL, options["idle"]
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
            raise CommandError(
                f"{url} is no address of a site: it takes one such as https://chat.example.org."
            )
        if idle is not None and not 1 <= idle <= MAX_PAUSE_SECONDS:
            raise CommandError(f"--idle takes 1 to {MAX_PAUSE_SECONDS} seconds.")
        levels = {finding.level for finding in self._told(examination.examine(url, idle))}
        if Level.FAIL in levels:
            raise SystemExit(1)

    def _told(self, findings: Iterator[Finding]) -> Iterator[Finding]:
        for finding in findings:
            self.stdout.write(str(finding))
            self.stdout.flush()
            yield finding
