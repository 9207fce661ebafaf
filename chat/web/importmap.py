"""The import map: our JavaScript modules import each other by plain addresses, and this leads these to the hashed files.

Hashed static storage does not rewrite imports inside modules. The map stands in
the page itself, so the content security policy allows it by its hash.
"""

import base64
import hashlib
import json
from functools import cache
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage

_MODULES = ("js/chat/*.js", "js/markdown/*.js", "vendor/*/*.js")
# Modules that the chat page does not begin with: workers', and another page's.
_NOT_AT_ONCE = ("js/chat/solver.js", "js/chat/proof.js", "js/chat/tab-streams-worker.js")


def module_urls() -> list[str]:
    """The addresses, as they are to be fetched, of the modules that the chat page begins with."""
    later = [f"{settings.STATIC_URL}{name}" for name in _NOT_AT_ONCE]
    return [url for name, url in _imports().items() if name not in later]


def import_map() -> str:
    """The text of the import map: JSON that may stand in a script element as it is."""
    return json.dumps({"imports": _imports()}, separators=(",", ":")).replace("<", "\\u003c")


@cache
def csp_source() -> str:
    """How a content security policy allows that text: 'sha256-…'."""
    digest = hashlib.sha256(import_map().encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@cache
def _imports() -> dict[str, str]:
    """From the plain address of each module to the hashed one. Made once: a new module needs a restart."""
    folder = Path(settings.STATICFILES_DIRS[0])
    names = sorted(path.relative_to(folder).as_posix() for pattern in _MODULES for path in folder.glob(pattern))
    return {f"{settings.STATIC_URL}{name}": staticfiles_storage.url(name) for name in names}
