"""The secret key that a site makes for itself at its first start."""

import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def kept_secret_key(data_dir: Path) -> str:
    """Returns the key in `data_dir`/secret_key, made now if it is missing; its owner can read it.

    Raises ImproperlyConfigured where the file is empty, or cannot be made or read.
    """
    path = data_dir / "secret_key"
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _make(path)
        key = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"DATA_DIR={data_dir} cannot be used: {error.strerror}. Set DATA_DIR to a folder this"
            " user can write."
        ) from None
    if not key:
        raise ImproperlyConfigured(f"{path} is empty: delete it, or set SECRET_KEY.")
    return key


def _make(path: Path) -> None:
    # A hard link makes the finished file appear at once: of two processes that start together one
    # wins, and no reader sees half a key.
    draft = path.with_name(f"secret_key.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(50))
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
