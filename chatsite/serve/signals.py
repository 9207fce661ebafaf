"""The signals that a supervising process waits for: to stop, or that a child has ended."""

import contextlib
import os
import select
import signal
from time import monotonic
from types import FrameType, TracebackType
from typing import Any, Self

_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# One Ctrl-C may arrive twice, from the terminal and from the program that started us.
_ONE_PRESS_SECONDS = 1.0


class Stopped(Exception):
    """Signals that the end was asked for; everything may be ended in order."""


class Forced(BaseException):
    """Signals that Ctrl-C was pressed again: end now."""


class Signals:
    """Turns SIGINT, SIGTERM and SIGHUP, while entered, into Stopped at the next `wait`.

    A second Ctrl-C raises Forced at once.
    """

    def __init__(self) -> None:
        self._asked_at: float | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._wakeup_before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        # nohup has SIGHUP ignored, which must stay so.
        ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        self._before = {
            number: signal.signal(number, self._stop)
            for number in _STOP
            if number != signal.SIGHUP or not ignored
        }
        # Without a handler in Python, the end of a child would write nothing into the pipe.
        self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda number, frame: None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._reader)
        os.close(self._writer)

    def wait(self, seconds: float | None = None) -> None:
        """Returns after a signal (the end of a child is one) or after `seconds`.

        Raises Stopped when the end was asked for.
        """
        if self._asked_at is None:
            select.select([self._reader], [], [], seconds)
            with contextlib.suppress(BlockingIOError):
                os.read(self._reader, 4096)
        if self._asked_at is not None:
            raise Stopped

    def _stop(self, number: int, frame: FrameType | None) -> None:
        now = monotonic()
        if self._asked_at is None:
            self._asked_at = now
        elif number == signal.SIGINT and now - self._asked_at > _ONE_PRESS_SECONDS:
            raise Forced
