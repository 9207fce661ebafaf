"""`python -m bench.soak`: SECONDS (300) of faults with the SEED given, or a new one; exit 1 when a
sum is wrong.
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

        # Its modules know Django's models, which want the settings first.
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
