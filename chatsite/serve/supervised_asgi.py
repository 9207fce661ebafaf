"""The site as `manage.py serve` runs it: no worker outlives the process that started it."""

import multiprocessing
import os
import signal

from chatsite.serve.processes import end_with_parent

_parent = multiprocessing.parent_process()
# A child of uvicorn's own; a single uvicorn was bound to `serve` when it was started.
if _parent is not None and _parent.pid is not None:
    end_with_parent(signal.SIGKILL, _parent.pid)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")

from chatsite.asgi import application  # noqa: E402, F401  (only after the worker is bound)
