"""Child processes that end with the process that started them."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

_PR_SET_PDEATHSIG = 1  # prctl(2)
# Loaded before any fork: a child between fork and exec must not load a library.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def end_with_parent(number: signal.Signals, parent: int) -> None:
    """Has the kernel send this process `number` when the thread that started it ends.

    `parent` is the process of that thread; where it is gone already, this one ends here. Linux
    only: elsewhere it does nothing.
    """
    if _libc is None:
        return
    _libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def start(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    on_orphaned: signal.Signals = signal.SIGKILL,
    pass_fds: Sequence[int] = (),
    umask: int = -1,
    quiet: bool = False,
) -> subprocess.Popen[bytes]:
    """Starts a child in a new session, where Ctrl-C at the terminal does not reach it.

    It is sent `on_orphaned` when this process is gone. To be called from the main thread: a child
    is orphaned when the thread that forked it ends. `umask` -1 leaves it as it is; `quiet` discards
    the output.
    """
    parent = os.getpid()
    output = subprocess.DEVNULL if quiet else None
    return subprocess.Popen(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
        pass_fds=pass_fds,
        umask=umask,
        preexec_fn=lambda: end_with_parent(on_orphaned, parent),
    )


def end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Ends a child of `start` by SIGTERM, and after `seconds` by SIGKILL.

    SIGKILL goes to its whole session.
    """
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(seconds)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise


def exit_code(process: subprocess.Popen[bytes]) -> int:
    """Returns the exit code of a child as a shell does.

    Where a signal killed it, that is 128 + the number of the signal.
    """
    code = process.wait()
    return code if code >= 0 else 128 - code
