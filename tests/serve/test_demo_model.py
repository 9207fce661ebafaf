"""The demo model through the real openai client, as the site reaches it."""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx2
import openai
import pytest
from django.core.management import CommandError, call_command

from chatsite.demo.answer import answer_to, tokens_of
from chatsite.demo.server import DemoServer

ROOT = Path(__file__).resolve().parents[2]


class Demo:
    """Runs `manage.py demo_model` as a process."""

    def __init__(self, tokens_per_second: int) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/v1"
        command = [
            sys.executable,
            "manage.py",
            "demo_model",
            "--port",
            str(port),
            "--tokens-per-second",
            str(tokens_per_second),
        ]
        self.process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)

    def wait_until_ready(self) -> None:
        deadline = monotonic() + 20
        while True:
            try:
                httpx2.get(f"{self.url}/models", trust_env=False, timeout=5).raise_for_status()
                return
            except httpx2.TransportError:
                assert self.process.poll() is None, "the demo model ended at its start"
                assert monotonic() < deadline, "the demo model did not start"
                sleep(0.05)


@pytest.mark.parametrize(
    ("option", "value"), [("--port", "0"), ("--port", "65536"), ("--tokens-per-second", "0")]
)
def test_an_option_that_cannot_be_right_is_one_clear_line(option: str, value: str) -> None:
    with pytest.raises(CommandError, match=f"{option} takes a number "):
        call_command("demo_model", option, value)


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    demo = Demo(tokens_per_second=20_000)
    try:
        demo.wait_until_ready()
        yield demo
    finally:
        demo.process.terminate()
        demo.process.wait(10)


@pytest.fixture
def client(demo: Demo) -> Iterator[openai.OpenAI]:
    with (
        httpx2.Client(trust_env=False) as transport,
        openai.OpenAI(
            api_key="none", base_url=demo.url, max_retries=0, http_client=transport
        ) as client,
    ):
        yield client


def ask(prompt: str, **more: Any) -> dict[str, Any]:
    return {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": prompt}], **more}


def test_streamed_answer_is_the_whole_answer_and_its_usage_is_counted(
    client: openai.OpenAI,
) -> None:
    whole = client.chat.completions.create(**ask("Hello there"))
    chunks = list(
        client.chat.completions.create(
            **ask("Hello there"), stream=True, stream_options={"include_usage": True}
        )
    )

    deltas = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(deltas) == whole.choices[0].message.content == answer_to(["Hello there"])
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert whole.usage is not None
    assert whole.usage.completion_tokens == len([delta for delta in deltas if delta])
    assert whole.usage.prompt_tokens > 0
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens


def test_no_usage_is_sent_where_none_is_asked_for(client: openai.OpenAI) -> None:
    assert all(
        chunk.usage is None and chunk.choices
        for chunk in client.chat.completions.create(**ask("Hello"), stream=True)
    )


@pytest.mark.parametrize("name", ["max_completion_tokens", "max_tokens"])
def test_answer_ends_at_the_limit_and_says_so(client: openai.OpenAI, name: str) -> None:
    answer = client.chat.completions.create(**ask("Hello", **{name: 7}))
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 7
    assert answer.choices[0].message.content == "".join(tokens_of(answer_to(["Hello"]))[:7])


def test_any_model_name_is_accepted_and_listed_models_answer(client: openai.OpenAI) -> None:
    assert (
        client.chat.completions.create(**ask("Hello") | {"model": "some/other-model"}).model
        == "some/other-model"
    )
    assert [model.id for model in client.models.list()] == ["gpt-4o-mini"]
    assert client.models.retrieve("some-model").id == "some-model"


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "Hello"}, "messages"),
        ({"messages": [{"role": "king", "content": "Hello"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, "max_tokens"),
        ({"n": 2}, "n"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"model": ""}, None),
    ],
)
def test_bad_input_is_refused_as_openai_refuses_it(
    client: openai.OpenAI, change: dict[str, Any], param: str | None
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(**ask("Hello") | change)
    assert refused.value.type == "invalid_request_error"
    assert refused.value.param == param


def test_what_is_not_json_and_what_is_not_there_are_refused(demo: Demo) -> None:
    with httpx2.Client(base_url=demo.url, trust_env=False) as http:
        assert http.post("/chat/completions", content=b"{").status_code == 400
        assert (
            http.post("/chat/completions", content=b"[]").json()["error"]["message"]
            == "The body must be a JSON object."
        )
        assert http.get("/embeddings").status_code == 404
        assert http.get("/chat/completions").status_code == 404


# --- What it says -----------------------------------------------------------------


def test_every_answer_says_first_that_it_is_a_demo_and_then_what_was_asked() -> None:
    for prompt in ("Hello", "a table", "write code", "a long answer"):
        label, asked, quoted = answer_to([prompt]).split("\n\n")[:3]
        assert label.startswith("**Demo answer.**")
        assert asked == "You asked:"
        assert quoted == f"> {prompt}"
    assert answer_to([]).startswith("**Demo answer.**")


def test_long_or_broken_prompt_is_quoted_on_one_short_line() -> None:
    assert f"> {'x' * 200}…\n" in answer_to(["x" * 5000])
    assert "> one two three\n" in answer_to(["one\ntwo\r\n\tthree"])


def test_answer_reacts_to_what_was_asked_for() -> None:
    assert "| Planet" in answer_to(["Make me a TABLE"])
    assert "```" not in answer_to(["Make me a table"])
    assert "```python" in answer_to(["some code"])
    assert "```javascript" in answer_to(["the same in JavaScript"])
    assert "```sql" in answer_to(["and in SQL?"])
    assert len(tokens_of(answer_to(["a long answer"]))) > 3 * len(tokens_of(answer_to(["a table"])))
    tour = answer_to(["Hello"])
    assert all(part in tour for part in ("\n## ", "\n1. ", "\n- ", "| Planet", "```python"))


def test_later_turn_knows_that_it_is_one() -> None:
    assert "This is turn 3 of our conversation." in answer_to(["one", "two", "three"])


def test_tokens_joined_are_the_text() -> None:
    text = "  Ünïcode, 👋🏽 emoji\r\n\ttabs  and ~~marks~~\u2028 end "
    assert "".join(tokens_of(text)) == text


# --- How it says it ---------------------------------------------------------------


async def converse(
    server: DemoServer,
    body: dict[str, Any],
    left: asyncio.Event,
    sent: "asyncio.Queue[dict[str, Any]]",
) -> None:
    """Makes one request as an ASGI server does; the client is there until `left`."""
    received = iter([{"type": "http.request", "body": json.dumps(body).encode()}])

    async def receive() -> dict[str, Any]:
        for message in received:
            return message
        await left.wait()
        return {"type": "http.disconnect"}

    await server(
        {"type": "http", "method": "POST", "path": "/v1/chat/completions"}, receive, sent.put
    )


async def test_words_come_at_the_pace_they_are_read() -> None:
    sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    start = monotonic()
    await converse(
        DemoServer(100, []), ask("Hello", stream=True, max_tokens=40), asyncio.Event(), sent
    )
    assert monotonic() - start >= 0.4
    assert sent.qsize() == 1 + 1 + 40 + 1 + 1, "headers, role, tokens, finish reason, [DONE]"


async def test_client_that_leaves_ends_the_answer() -> None:
    sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    left = asyncio.Event()
    # A hundred seconds a token: it would not end by itself.
    answering = asyncio.create_task(
        converse(DemoServer(0.01, []), ask("Hello", stream=True), left, sent)
    )
    await sent.get()
    await sent.get()
    left.set()
    await asyncio.wait_for(answering, 5)
    assert sent.empty()
