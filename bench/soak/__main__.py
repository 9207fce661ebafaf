"""Runs a soak: `python -m bench.soak` with SECONDS (300) and SEED (random) as variables.

Exits with 1 when an invariant does not hold.
"""

import os
import secrets
import sys

import django

from tests.harness.environment import Environment


def main() -> int:
    seconds, seed = (
        float(os.environ.get("SECONDS") or 300),
        int(os.environ.get("SEED") or secrets.randbelow(10**6)),
    )
    environment = Environment()
    environment.start()
    try:
        django.setup()
        from django.core.management import call_command

        # Its modules import Django's models, which need the settings first.
        from bench.soak.run import soak

        call_command("migrate", interactive=False, verbosity=0)
        print(f"{seconds:.0f} s of faults with SEED={seed} ...", flush=True)
        report = soak(environment, seconds, seed)
    finally:
        environment.stop()
    print(report)
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
