from typing import Any

from django.core.management.base import BaseCommand

from chatsite.checks import SETTINGS
from chatsite.serve.preflight import StartupError
from chatsite.serve.signals import Forced
from chatsite.serve.supervisor import Supervisor


class Command(BaseCommand):
    help = (
        "Runs the whole site on this machine: database, Valkey, demo model, web server. Ctrl-C ends"
        " all of it."
    )
    # Without the check for a key: where there is none, this command starts the demo model.
    requires_system_checks = [SETTINGS]

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            code = Supervisor(self._say).run()
        except StartupError as error:
            raise SystemExit(str(error)) from None
        except Forced:
            raise SystemExit("Ended at once; answers in progress were cut.") from None
        raise SystemExit(code)

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        # A program that waits for the address through a pipe must not wait for a full buffer.
        self.stdout.flush()
