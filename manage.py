#!/usr/bin/env python
"""Chatsite's command line: `python manage.py help` lists what it can do."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        # A setting that is wrong is the operator's to mend: its sentence says how, a traceback does
        # not.
        sys.exit(str(error))


if __name__ == "__main__":
    main()
