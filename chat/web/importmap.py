"""Makes the import map, from plain addresses of our JavaScript modules to hashed files.

Hashed static storage does not rewrite imports inside modules. The map stands in the page itself, so
the content security policy allows it by its hash.
"""

import base64
import hashlib
import json
from functools import cache
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage

_MODULES = ("js/chat/**/*.js", "js/markdown/*.js", "vendor/*/*.js")
# Modules that the chat page does not begin with: those of workers and of another page.
_NOT_PRELOADED = (
    "js/chat/proof-of-work/proof-of-work-form.js",
    "js/chat/proof-of-work/solver.js",
    "js/chat/tabs/tab-streams-worker.js",
)


def preloaded_urls() -> list[str]:
    """Returns the hashed addresses of the modules that the chat page begins with."""
    others = {f"{settings.STATIC_URL}{name}" for name in _NOT_PRELOADED}
    return [url for name, url in _imports().items() if name not in others]


def import_map() -> str:
    """Returns the text of the import map: JSON that may stand in a script element as it is."""
    return json.dumps({"imports": _imports()}, separators=(",", ":")).replace("<", "\\u003c")


@cache
def csp_source() -> str:
    """Returns the source in a content security policy that allows that text: 'sha256-…'."""
    digest = hashlib.sha256(import_map().encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@cache
def _imports() -> dict[str, str]:
    """Returns the hashed address of each module by its plain one.

    Computed once: a new module needs a restart.
    """
    folder = Path(settings.STATICFILES_DIRS[0])
    paths = {path for pattern in _MODULES for path in folder.glob(pattern)}
    names = sorted(path.relative_to(folder).as_posix() for path in paths)
    return {f"{settings.STATIC_URL}{name}": staticfiles_storage.url(name) for name in names}
