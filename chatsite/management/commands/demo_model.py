from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from chatsite.demo.server import TOKENS_PER_SECOND, serve


class Command(BaseCommand):
    help = (
        "Runs the demo model: a server that speaks OpenAI's chat completions. Point OPENAI_BASE_URL"
        " at http://HOST:PORT/v1."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8001)
        parser.add_argument(
            "--tokens-per-second",
            type=float,
            default=TOKENS_PER_SECOND,
            help="how fast it writes; 30 is about as fast as people read",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["port"] <= 65_535:
            raise CommandError("--port takes a number from 1 to 65535.")
        if options["tokens_per_second"] <= 0:
            raise CommandError("--tokens-per-second takes a number above 0.")
        models = [settings.OPENAI_MODEL]
        serve(options["host"], options["port"], models, options["tokens_per_second"])
