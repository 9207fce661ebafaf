"""The upstream of the benchmark: `python -m bench.upstream PORT`.

It sends OpenAI's stream format with stamped deltas, at a pace or in a burst.
"""

import asyncio
import json
import sys
from typing import cast

import uvloop

from bench.wire import BURST_STAMP_EVERY, stamp

_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control:"
    b" no-cache\r\nx-request-id: req_bench\r\ntransfer-encoding: chunked\r\n\r\n"
)
_META = (
    b'"id":"chatcmpl-BenchBenchBenchBenchBenchBe","object":"chat.completion.chunk",'
    b'"created":1700000000,"model":"gpt-4o-mini-2024-07-18","service_tier":"default",'
    b'"system_fingerprint":"fp_0123456789"'
)
_BEFORE = b"data: {" + _META + b',"choices":[{"index":0,"delta":{"content":"'
_AFTER = b'"},"logprobs":null,"finish_reason":null}],"usage":null}\n\n'
_FINISH = (
    b"data: {"
    + _META
    + b',"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],'
    b'"usage":null}\n\n'
)
_USAGE = (
    b"data: {"
    + _META
    + b',"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":%d,"total_tokens":%d}}\n\n'
)
_BURST_WRITE = 60


def _http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _delta(text: bytes) -> bytes:
    return _http_chunk(_BEFORE + text + _AFTER)


class Connection(asyncio.Protocol):
    """Serves one connection, with requests one after the other."""

    def __init__(self) -> None:
        self._inbox = b""
        self._loop = asyncio.get_running_loop()
        self._writable = True
        self._kind = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._inbox += data
        head, separator, rest = self._inbox.partition(b"\r\n\r\n")
        size = next(
            (
                int(line[15:])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length:")
            ),
            0,
        )
        if not separator or len(rest) < size:
            return
        body, self._inbox = json.loads(rest[:size]), rest[size:]
        self._answer(body["messages"][-1]["content"])

    def _answer(self, prompt: str) -> None:
        _, self._kind, rate, deltas = prompt.split()
        self._total, self._sent = int(deltas), 0
        self._transport.write(_HEAD)
        if self._kind == "paced":
            self._begun, self._interval = self._loop.time(), 1 / int(rate)
            self._send_paced()
        else:
            self._send_burst()

    def _send_paced(self) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(_delta(stamp()))
        self._sent += 1
        if self._sent < self._total:
            self._loop.call_at(self._begun + self._sent * self._interval, self._send_paced)
        else:
            self._end()

    def _send_burst(self) -> None:
        while self._writable and self._sent < self._total and not self._transport.is_closing():
            upto = min(self._sent + _BURST_WRITE, self._total)
            self._transport.write(
                b"".join(
                    _delta(b" word" if number % BURST_STAMP_EVERY else stamp())
                    for number in range(self._sent, upto)
                )
            )
            self._sent = upto
        if self._sent == self._total:
            self._total = -1
            self._end()

    def _end(self) -> None:
        usage = _USAGE % (self._sent, self._sent + 9)
        self._transport.write(
            _http_chunk(_FINISH)
            + _http_chunk(usage)
            + _http_chunk(b"data: [DONE]\n\n")
            + b"0\r\n\r\n"
        )

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        if self._kind == "burst":
            self._send_burst()


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(
        Connection, "127.0.0.1", port, backlog=4096
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
