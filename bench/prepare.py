"""Prepares the database of a server and prints session keys: `python -m bench.prepare`.

It runs in the environment of the server. The first session is of a person whom no limit refuses;
the second, on the site only, of one who is refused from the second turn on.
"""

import sys

import django


def main() -> None:
    django.setup()
    from django.apps import apps
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)
    sys.stdout.write(_session_key("bench") + "\n")
    if apps.is_installed("chat"):
        _lift_limits()
        sys.stdout.write(_session_key("refused") + "\n")
        _limit("refused")


def _session_key(name: str) -> str:
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.db import SessionStore

    user = User.objects.create(username=name, password="!")
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    assert session.session_key
    return session.session_key


def _lift_limits() -> None:
    """Makes the limits so wide that none refuses.

    They still count, as counting is part of what is measured.
    """
    from chat.models import ChatModel, Quota

    Quota.objects.filter(is_default=True).update(
        requests="1000000/m, 1000000/d",
        concurrent_streams=100_000,
        tokens_per_day=10**12,
        spend_per_month_usd=10**7,
        max_prompt_chars=100_000,
    )
    ChatModel.objects.update(max_output_tokens=1_000_000, context_tokens=10_000_000)


def _limit(name: str) -> None:
    """Gives a person a copy of the default quota that allows one turn a day."""
    from django.contrib.auth.models import User

    from chat.models import Quota

    quota = Quota.objects.get(is_default=True)
    quota.pk, quota.is_default, quota.name, quota.requests = None, False, "One turn", "1/d"
    quota.save()
    quota.users.add(User.objects.get(username=name))


if __name__ == "__main__":
    main()
