"""The ASGI application under `manage.py serve`: no worker outlives its parent process."""

import multiprocessing
import os
import signal

from chatsite.serve.processes import end_with_parent

_parent = multiprocessing.parent_process()
# Each of several workers is a child of uvicorn. A single uvicorn is itself the child of `serve`,
# which has bound it already.
if _parent is not None and _parent.pid is not None:
    end_with_parent(signal.SIGKILL, _parent.pid)

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")

from chatsite.asgi import application  # noqa: E402, F401  (only after the worker is bound)
