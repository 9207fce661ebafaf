"""Makes and checks the token of a probe: `manage.py doctor` makes it, the site accepts it.

Both know SECRET_KEY; no one else does.
"""

from django.core import signing

_SALT = "chat.web.probe"
MAX_AGE_SECONDS = 60
MAX_PAUSE_SECONDS = 65


def make_token(pauses: list[float]) -> str:
    """Returns a token for one stream with these pauses (seconds) between its frames.

    It is valid for MAX_AGE_SECONDS.
    """
    return signing.dumps(pauses, salt=_SALT)


def pauses_of(token: str) -> list[float] | None:
    """Returns the pauses (seconds) of a token, each at most MAX_PAUSE_SECONDS.

    Returns None if the token is not ours, or too old.
    """
    try:
        pauses: list[float] = signing.loads(token, salt=_SALT, max_age=MAX_AGE_SECONDS)
    except signing.BadSignature:
        return None
    return [min(pause, MAX_PAUSE_SECONDS) for pause in pauses]
