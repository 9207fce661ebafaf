from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from chat import redis_client
from chat.operator.reconcile import persistent_differences


class Command(BaseCommand):
    help = (
        "Compares what is reserved in Redis with what the ledger has as running; one line a"
        " difference, exit 1 if there is any."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--wait",
            type=float,
            default=3,
            metavar="SECONDS",
            help=(
                "a difference counts when it is still there after so long (3): turns begin and end"
                " meanwhile"
            ),
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            differences = persistent_differences(options["wait"])
        except redis_client.REDIS_ERRORS as error:
            raise CommandError(f"Redis does not answer: {type(error).__name__}.") from None
        except Error as error:
            raise CommandError(f"The database does not answer: {type(error).__name__}.") from None
        for line in differences:
            self.stdout.write(line)
        if differences:
            raise SystemExit(1)
        self.stdout.write("Redis and the ledger agree.")
