"""Measures one load on one server: what it cost."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from statistics import quantiles
from threading import Event, Thread

from bench.load import Load, Result
from bench.measure import cpu_seconds, rss_bytes, threads
from bench.servers import ROOT, Server
from bench.wire import is_paced, paced_prompt

CSRF = "bench" * 6 + "xx"
_SAMPLE_SECONDS = 0.25
_WARM_UP_STREAMS = 8


@dataclass(frozen=True)
class Idle:
    """Holds the figures of a server after the warm-up, with no stream open."""

    rss_bytes: int
    threads: int


@dataclass(frozen=True)
class Measured:
    """Holds figures: latencies and CPU in microseconds, memory in bytes.

    Memory and threads are the highest while all streams were open. `cpu_us_per_delta` is all CPU
    time over all deltas. Of it, `steady_us_per_delta` was spent on a delta while all streams were
    open, and `turn_us` on the beginning and end of each answer; both are 0 for a burst, which has
    no such time.
    """

    cpu_us_per_delta: float
    steady_us_per_delta: float
    turn_us: float
    cpu_share: float
    p50_us: float
    p99_us: float
    rss_bytes_per_stream: float
    threads_idle: int
    threads_open: int


class LoadFailed(Exception):
    """Signals that the server did not answer every request in full."""


class _Sampler:
    """Samples memory, threads and CPU (seconds) of a process between `start` and `stop`."""

    def __init__(self, pid: int) -> None:
        self.rss = self.threads = 0
        self.cpu = 0.0
        self._pid = pid
        self._over = Event()
        self._thread = Thread(target=self._run)

    def start(self) -> None:
        self.cpu = -cpu_seconds(self._pid)
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self.cpu += cpu_seconds(self._pid)
            self._over.set()
            self._thread.join()

    def _run(self) -> None:
        while True:
            self.rss, self.threads = (
                max(self.rss, rss_bytes(self._pid)),
                max(self.threads, threads(self._pid)),
            )
            if self._over.wait(_SAMPLE_SECONDS):
                return


def warm_up(server: Server) -> Idle:
    """Returns the figures of a server after a few short answers.

    They load what is loaded on first use before anything is measured.
    """
    _drive(server, paced_prompt(50, 20), _WARM_UP_STREAMS, 0.5, _Sampler(server.pid))
    return Idle(rss_bytes(server.pid), threads(server.pid))


def measure(server: Server, idle: Idle, prompt: str, streams: int, ramp: float) -> Measured:
    """Returns what a load cost the server.

    Raises LoadFailed when an answer is refused or not whole.
    """
    sampler = _Sampler(server.pid)
    before = cpu_seconds(server.pid)
    result = _drive(server, prompt, streams, ramp, sampler)
    spent = cpu_seconds(server.pid) - before
    deltas = int(prompt.split()[-1])
    # Under paced load every delta is stamped, and the latencies are those of the time when all
    # streams were open.
    steady = sampler.cpu / len(result.latencies) if is_paced(prompt) else 0
    percentiles = quantiles(result.latencies, n=100)
    return Measured(
        cpu_us_per_delta=spent * 1e6 / (streams * deltas),
        steady_us_per_delta=steady * 1e6,
        turn_us=(spent / streams - steady * deltas) * 1e6 if steady else 0,
        cpu_share=spent / result.seconds,
        p50_us=percentiles[49],
        p99_us=percentiles[98],
        rss_bytes_per_stream=(sampler.rss - idle.rss_bytes) / streams,
        threads_idle=idle.threads,
        threads_open=sampler.threads,
    )


def _drive(server: Server, prompt: str, streams: int, ramp: float, sampler: _Sampler) -> Result:
    body = json.dumps({"content": prompt, "conversation": None, "parent": None})
    cookie = f"sessionid={server.session}; csrftoken={CSRF}"
    load = Load(server.port, "/api/chat", cookie, CSRF, body, prompt, streams, ramp)
    with subprocess.Popen(
        [sys.executable, "-m", "bench.load"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        json.dump(asdict(load), process.stdin)
        process.stdin.close()
        try:
            for line in process.stdout:
                said = json.loads(line)
                if said.get("open"):
                    sampler.start()
                elif said.get("closing"):
                    sampler.stop()
                else:
                    return _checked(server, Result(**said))
        finally:
            sampler.stop()
    raise LoadFailed(f"The load generator ended without a result on the {server.name}.")


def _checked(server: Server, result: Result) -> Result:
    if result.error:
        raise LoadFailed(f"On the {server.name}: {result.error}")
    return result
