"""The fake upstream is worth something only if the real client believes it, in good and in bad."""

import threading
from collections.abc import Iterator
from time import monotonic

import httpx2
import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from tests.harness import wire
from tests.harness.upstream import DEFAULT_TEXT, Upstream


@pytest.fixture
def client(upstream: Upstream) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=upstream.url, api_key="sk-test", max_retries=0, timeout=10
    ) as client:
        yield client


def ask(client: openai.OpenAI, prompt: str) -> openai.Stream[ChatCompletionChunk]:
    return client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": prompt}],
        stream=True,
        stream_options={"include_usage": True},
    )


def text_of(stream: openai.Stream[ChatCompletionChunk]) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def raw_body(upstream: Upstream, key: str) -> bytes:
    with httpx2.stream(
        "POST",
        f"{upstream.url}/chat/completions",
        json={"messages": [{"role": "user", "content": key}]},
    ) as response:
        return b"".join(response.iter_bytes())


def test_unscripted_request_gets_the_default_answer_with_usage(
    client: openai.OpenAI, upstream: Upstream
) -> None:
    chunks = list(ask(client, "anything"))
    assert (
        "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        == DEFAULT_TEXT
    )
    assert chunks[-2].choices[0].finish_reason == "stop"
    usage = chunks[-1].usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (11, 7)


def test_request_is_kept_with_its_headers_and_body(
    client: openai.OpenAI, upstream: Upstream
) -> None:
    key = upstream.key()
    text_of(ask(client, f"What is {key}?"))
    request = upstream.wait_for_request(key)
    assert request.headers["authorization"] == "Bearer sk-test"
    assert request.body["stream_options"] == {"include_usage": True}
    assert request.prompt == f"What is {key}?"


def test_scripts_are_matched_by_the_longest_key_and_used_in_order(
    client: openai.OpenAI, upstream: Upstream
) -> None:
    key = upstream.script(wire.answer("first"), wire.answer("second"))
    upstream.script(wire.answer("longer"), key=f"{key}-longer")
    assert [text_of(ask(client, key)) for _ in range(3)] == ["first", "second", "second"]
    assert text_of(ask(client, f"{key}-longer")) == "longer"


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_text_survives_any_cut_of_the_bytes(
    client: openai.OpenAI, upstream: Upstream, size: int
) -> None:
    text = ' spaced\r\n\n[DONE] data: \u2028 🙂é "quoted" \\ '
    key = upstream.script(wire.cut_every(size, wire.answer(*text)))
    assert text_of(ask(client, key)) == text


def test_crlf_comments_and_empty_chunks_are_no_obstacle(
    client: openai.OpenAI, upstream: Upstream
) -> None:
    steps = [
        wire.comment(),
        wire.role(),
        wire.null_content(),
        wire.empty_choices(),
        *wire.text("a", "b"),
        wire.comment(),
        wire.finish(),
        wire.usage(),
        wire.DONE,
    ]
    assert text_of(ask(client, upstream.script(wire.with_crlf(steps)))) == "ab"


def test_escaped_surrogate_halves_go_out_as_two_deltas(upstream: Upstream) -> None:
    body = raw_body(upstream, upstream.script(wire.text("\ud83d", "\ude42", escape=True)))
    assert b"\\ud83d" in body
    assert b"\\ude42" in body


def test_gate_holds_the_answer_until_it_is_opened(
    client: openai.OpenAI, upstream: Upstream
) -> None:
    gate = wire.Gate()
    stream = ask(
        client,
        upstream.script(
            [*wire.text("before"), gate, *wire.text("after"), wire.finish(), wire.DONE]
        ),
    )
    first = next(stream).choices[0].delta.content
    gate.wait_until_reached()
    assert (first, gate.opened.done()) == ("before", False)
    gate.open()
    assert text_of(stream) == "after"


def test_gate_before_everything_holds_the_headers_too(
    client: openai.OpenAI, upstream: Upstream
) -> None:
    gate = wire.Gate()
    key = upstream.script([gate, *wire.answer("late")])
    answers: list[str] = []
    asking = threading.Thread(target=lambda: answers.append(text_of(ask(client, key))))
    asking.start()
    gate.wait_until_reached()
    assert upstream.wait_for_request(key).bytes_sent == 0
    gate.open()
    asking.join(10)
    assert answers == ["late"]


def test_client_that_leaves_is_seen_at_once(client: openai.OpenAI, upstream: Upstream) -> None:
    key = upstream.script([*wire.text("some"), wire.Stall()])
    stream = ask(client, key)
    next(stream)
    request = upstream.wait_for_request(key)
    assert upstream.running(key) == 1
    left = monotonic()
    stream.close()
    assert upstream.wait_for_close(request) - left < 0.5
    assert upstream.running(key) == 0


def test_answer_sent_to_its_end_is_not_taken_for_a_client_that_left(
    client: openai.OpenAI, upstream: Upstream
) -> None:
    key = upstream.key()
    text_of(ask(client, key))
    with pytest.raises(AssertionError, match="sent to its end"):
        upstream.wait_for_close(upstream.wait_for_request(key))


def test_connections_are_counted_and_kept_alive(upstream: Upstream) -> None:
    made, body = upstream.connections_made, {"messages": [{"role": "user", "content": "again"}]}
    with httpx2.Client() as client:
        for _ in range(3):
            client.post(f"{upstream.url}/chat/completions", json=body)
        assert upstream.connections_made == made + 1
        assert upstream.open_connections >= 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (429, openai.RateLimitError),
        (503, openai.InternalServerError),
    ],
)
def test_refusal_before_the_stream_is_the_clients_own_exception(
    client: openai.OpenAI, upstream: Upstream, status: int, kind: type[openai.APIStatusError]
) -> None:
    key = upstream.script(
        wire.refused(status, code="some_code", retry_after="2", retry_after_ms="1500")
    )
    with pytest.raises(kind) as caught:
        ask(client, key)
    assert caught.value.code == "some_code"
    assert caught.value.response.headers["retry-after"] == "2"
    assert caught.value.response.headers["retry-after-ms"] == "1500"


def test_refusal_can_be_followed_by_success(client: openai.OpenAI, upstream: Upstream) -> None:
    key = upstream.script(wire.refused(503), wire.answer("now"))
    with pytest.raises(openai.InternalServerError):
        ask(client, key)
    assert text_of(ask(client, key)) == "now"
    assert len(upstream.requests(key)) == 2


def test_html_with_200_and_redirects_are_sent_as_they_are(upstream: Upstream) -> None:
    key = upstream.script(
        [wire.Http(200, b"<html>", {"content-type": "text/html"})],
        [wire.Http(302, b"", {"location": "/elsewhere"})],
    )
    assert raw_body(upstream, key) == b"<html>"
    response = httpx2.post(
        f"{upstream.url}/chat/completions", json={"messages": [{"role": "user", "content": key}]}
    )
    assert (response.status_code, response.headers["location"]) == (302, "/elsewhere")


def test_error_inside_the_stream_is_raised_by_the_client(
    client: openai.OpenAI, upstream: Upstream
) -> None:
    stream = ask(client, upstream.script([*wire.text("some"), wire.frame(wire.error("Broken."))]))
    with pytest.raises(openai.APIError, match=r"Broken\."):
        text_of(stream)


@pytest.mark.parametrize("step", [wire.Reset(), wire.Cut()])
def test_connection_that_breaks_is_an_error_of_the_transport(
    upstream: Upstream, step: wire.Step
) -> None:
    key = upstream.script([*wire.text("some"), step])
    with pytest.raises(httpx2.TransportError):
        raw_body(upstream, key)


def test_stream_may_end_cleanly_without_finish_reason_or_done(upstream: Upstream) -> None:
    assert raw_body(upstream, upstream.script(wire.text("some"))) == wire.joined(wire.text("some"))


def test_broken_chunk_is_sent_as_it_is(upstream: Upstream) -> None:
    assert (
        raw_body(upstream, upstream.script([b'data: {"choices": [\n\n']))
        == b'data: {"choices": [\n\n'
    )


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [wire.MODEL]
