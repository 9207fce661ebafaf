"""The faults of a soak, each kind in a thread, so that they coincide."""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from random import Random
from time import monotonic

from tests.harness.apart import Apart


class Faults:
    """Makes faults at random from `start` to `stop`.

    `struck` lists them with the seconds since the start. Workers are lost in the first half only:
    those at the end have then served long enough to show a leak.
    """

    def __init__(self, apart: Apart, dice: Random, seconds: float) -> None:
        self.struck: list[str] = []
        self._apart = apart
        self._seconds = seconds
        self._over = threading.Event()
        self._began = monotonic()
        self._redis = threading.Lock()
        kinds: list[tuple[Callable[[Random], None], float]] = [
            (self._kill_worker, seconds / 2),
            (self._terminate_worker, seconds / 2),
            (self._pause_redis, seconds),
            (self._lose_redis, seconds),
            (self._lock_database, seconds),
        ]
        self._threads = [
            threading.Thread(target=self._run, args=(action, Random(dice.random()), until))
            for action, until in kinds
        ]

    def start(self) -> None:
        self._began = monotonic()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends the faults, and returns when everything is there again."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, action: Callable[[Random], None], dice: Random, until: float) -> None:
        period = min(20.0, until)
        while True:
            self._over.wait(dice.uniform(0.2, 0.8) * period)
            if self._over.is_set() or monotonic() - self._began > until:
                return
            action(dice)

    def _note(self, words: str) -> None:
        self.struck.append(f"{monotonic() - self._began:.1f} s: {words}")

    def _signal_worker(self, dice: Random, number: signal.Signals) -> None:
        pids = self._apart.site.worker_pids()
        if pids:
            pid = dice.choice(pids)
            self._note(f"{number.name} for worker {pid}")
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _kill_worker(self, dice: Random) -> None:
        self._signal_worker(dice, signal.SIGKILL)

    def _terminate_worker(self, dice: Random) -> None:
        self._signal_worker(dice, signal.SIGTERM)

    def _pause_redis(self, dice: Random) -> None:
        with self._redis:
            seconds = dice.uniform(1, 5)
            self._note(f"Redis hangs for {seconds:.1f} s")
            self._apart.valkey.pause()
            self._over.wait(seconds)
            self._apart.valkey.resume()

    def _lose_redis(self, dice: Random) -> None:
        with self._redis:
            seconds = dice.uniform(0.5, 5)
            self._note(f"Redis is gone for {seconds:.1f} s, and comes back empty")
            self._apart.valkey.stop()
            self._over.wait(seconds)
            self._apart.valkey.start()

    def _lock_database(self, dice: Random) -> None:
        seconds = dice.uniform(1, 5)
        self._note(f"the database is locked for {seconds:.1f} s")
        with self._apart.locked_database():
            self._over.wait(seconds)
