"""The load generator: `python -m bench.load` with a `Load` as JSON on its standard input.

It prints a line of JSON when all streams are open (`{"open": true}`), one when the first of them
ends (`{"closing": true}`), and the result at the end.
"""

import asyncio
import json
import sys
from dataclasses import asdict, dataclass, field

import uvloop

from bench.wire import STAMP, STAMP_BYTES, now_us, stamps_expected

# The site repeats the whole answer, stamps and all, in its last event.
_END_OF_TEXT = b"event: done"
_READ_BYTES = 1 << 18


@dataclass(frozen=True)
class Load:
    """Describes the requests: `streams` of them, opened evenly over `ramp` seconds.

    `body` is the JSON of one, with `prompt` in it.
    """

    port: int
    path: str
    cookie: str
    csrf: str
    body: str
    prompt: str
    streams: int
    ramp: float


@dataclass
class Result:
    """Holds the latencies in microseconds while all streams were open.

    `seconds` is the time from the first request to the end of the last answer.
    """

    latencies: list[int] = field(default_factory=list)
    stamps: int = 0
    seconds: float = 0
    error: str = ""


class Generator:
    def __init__(self, load: Load) -> None:
        self._load = load
        self._open = 0
        self._ended = 0
        self._all_latencies: list[int] = []
        self.result = Result()

    async def run(self) -> None:
        begun = now_us()
        async with asyncio.TaskGroup() as group:
            for number in range(self._load.streams):
                group.create_task(self._stream(number * self._load.ramp / self._load.streams))
        self.result.seconds = (now_us() - begun) / 1e6
        # A burst may be over before the last stream opens: then every stamp counts.
        self.result.latencies = self.result.latencies or self._all_latencies

    async def _stream(self, delay: float) -> None:
        await asyncio.sleep(delay)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self._load.port, limit=_READ_BYTES
        )
        writer.write(self._request())
        seen, rest, text_ended = 0, b"", False
        while data := await reader.read(_READ_BYTES):
            now = now_us()
            if not seen and not text_ended:
                _check(data)
            rest += data
            end = rest.find(_END_OF_TEXT)
            if not text_ended:
                stamps = [
                    int(match) for match in STAMP.findall(rest, 0, end if end >= 0 else len(rest))
                ]
                self._count(stamps, now, first=not seen and bool(stamps))
                seen += len(stamps)
            text_ended = text_ended or end >= 0
            rest = rest[STAMP_BYTES * -2 :] if text_ended else _unread(rest)
        writer.close()
        self._note_end(seen)

    def _request(self) -> bytes:
        body = self._load.body.encode()
        lines = [
            f"POST {self._load.path} HTTP/1.1",
            "Host: 127.0.0.1",
            "Connection: close",
            "Content-Type: application/json",
        ]
        lines += [
            f"Cookie: {self._load.cookie}",
            f"X-CSRFToken: {self._load.csrf}",
            f"Content-Length: {len(body)}",
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def _count(self, stamps: list[int], now: int, first: bool) -> None:
        latencies = [now - stamp for stamp in stamps]
        self.result.stamps += len(stamps)
        self._all_latencies += latencies
        if self._open == self._load.streams and not self._ended:
            self.result.latencies += latencies
        if first:
            self._open += 1
            if self._open == self._load.streams:
                _say({"open": True})

    def _note_end(self, seen: int) -> None:
        expected = stamps_expected(self._load.prompt)
        if seen != expected:
            raise RuntimeError(f"an answer ended after {seen} of {expected} stamps")
        if not self._ended:
            _say({"closing": True})
        self._ended += 1


def _check(data: bytes) -> None:
    """Raises RuntimeError for a response that is not the answer."""
    refused = data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 200")
    if refused or b"event: error" in data:
        raise RuntimeError(f"the server says {data[:600].decode(errors='replace')}")


def _unread(data: bytes) -> bytes:
    """Returns the end of `data` that may be the beginning of a stamp or of the last event."""
    last = None
    for match in STAMP.finditer(data, max(0, len(data) - 2 * STAMP_BYTES)):
        last = match
    return data[max(last.end() if last else 0, len(data) - STAMP_BYTES) :]


def _say(line: object) -> None:
    print(json.dumps(line), flush=True)


async def main() -> None:
    generator = Generator(Load(**json.load(sys.stdin)))
    try:
        await generator.run()
    except* (RuntimeError, OSError) as errors:
        generator.result.error = str(errors.exceptions[0])
    _say(asdict(generator.result))


if __name__ == "__main__":
    uvloop.run(main())
