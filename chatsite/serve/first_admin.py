"""Makes the first admin of a new site, from the environment or on a one-time page."""

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

from chat.accounts.signed_links import setup_url
from chatsite.env import Env
from chatsite.serve.preflight import StartupError


def ensure_admin(env: Env) -> str | None:
    """Returns the link of the set-up page when no one has an account, else None.

    Where DJANGO_SUPERUSER_* name an admin, returns None, and makes it if there is none yet. Raises
    StartupError when the account cannot be made as named.
    """
    name, password = env.text("DJANGO_SUPERUSER_USERNAME"), env.secret("DJANGO_SUPERUSER_PASSWORD")
    if name and password:
        if not User.objects.filter(is_superuser=True).exists():
            _make_admin(name, env.text("DJANGO_SUPERUSER_EMAIL"), password)
        return None
    return None if User.objects.exists() else setup_url()


def _make_admin(name: str, email: str, password: str) -> None:
    admin = User(
        username=name, email=User.objects.normalize_email(email), is_staff=True, is_superuser=True
    )
    admin.set_password(password)
    try:
        admin.full_clean()
    except ValidationError as error:
        raise StartupError(
            f"DJANGO_SUPERUSER_USERNAME={name} cannot be made an admin: {' '.join(error.messages)}"
        ) from None
    admin.save()
