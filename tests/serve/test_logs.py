"""Prompts, answers and secrets stay out of the logs, at every level and in both formats."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from tests.conftest import StartSite
from tests.harness import wire
from tests.harness.answers import ledger, wait_until
from tests.harness.client import Client, Stream
from tests.harness.environment import API_KEY, SECRET_KEY
from tests.harness.people import Person
from tests.harness.site import Site, free_port
from tests.harness.upstream import Upstream
from tests.harness.valkey import Valkey

SIGN_IN_SECRET = "a-wrong-password-that-somebody-typed"


def whole(stream: Stream) -> Stream:
    with stream:
        stream.read()
    return stream


class Words:
    """Prompts and answers that can be found again.

    The key of a prompt tells the upstream what to do.
    """

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self.said: list[str] = []

    def new(self, what: str) -> str:
        self.said.append(f"{what}{uuid4().hex}")
        return self.said[-1]

    def prompt(self, *scripts: wire.Script) -> str:
        return self._upstream.script(*scripts, key=self.new("prompt"))


# What a site goes through, one thing after another; each leaves the site idle.


def chat(client: Client, words: Words) -> None:
    marked_up = (
        "# {0}\n\n```{0}\n{0}\n```\n\n[{0}](http://{0}.example) | {0}\n-|-\n\n<b>{0}</b>"
        " ![{0}](javascript:{0})".format(words.new("answer"))
    )
    first = whole(client.chat(content=words.prompt(wire.answer(marked_up))))
    assert first.ended
    whole(client.chat(conversation=first.events[0].data["conversation"], regenerate=first.answer))
    whole(client.resume(first.answer, "3"))
    client.get(f"/c/{first.events[0].data['conversation']}/export.json")
    client.get(f"/search/?q={words.new('search')}")
    messages = [
        {"role": "system", "content": words.new("system")},
        {"role": "user", "content": words.prompt(wire.answer(words.new("a")))},
    ]
    whole(client.chat(messages=messages))


def stop_and_leave(client: Client, words: Words) -> None:
    for leave in (client.stop, lambda answer: None):
        said = words.new("answer")
        with client.chat(content=words.prompt([*wire.text(said), wire.Stall()])) as stream:
            stream.until_text(said)
            leave(stream.answer)
        wait_until(lambda answer=stream.answer: ledger(answer).outcome == "stopped")


def fail(client: Client, words: Words) -> None:
    secret = words.new("upstream")
    broken: list[wire.Step] = [
        wire.Http(400, wire.error(secret)),
        wire.Http(503, wire.error(secret)),
        wire.Http(200, secret.encode(), {"content-type": "text/html"}),
    ]
    for refused in broken:
        whole(client.chat(content=words.prompt([refused])))
    text = words.new("answer")
    last: list[wire.Step] = [
        wire.Cut(),
        wire.Reset(),
        f"data: {secret}\n\n".encode(),
        wire.frame(wire.error(secret)),
        wire.chunk({"content": 7}),
    ]
    for step in last:
        assert whole(client.chat(content=words.prompt([*wire.text(text), step]))).named("error")


def be_refused(client: Client, words: Words) -> None:
    bodies: list[dict[str, Any]] = [
        {"content": words.new("prompt"), "model": words.new("model")},
        {"content": words.new("prompt") + "\0"},
        {"content": words.new("prompt"), words.new("field"): 1},
        {"content": words.new("prompt"), "conversation": str(uuid4())},
        {"messages": [{"role": words.new("role"), "content": words.new("prompt")}]},
    ]
    for body in bodies:
        with client.chat(body) as refused:
            assert refused.status in (400, 404)
    client.post(
        "/api/chat", content=words.new("prompt"), headers={"Content-Type": "application/json"}
    )
    client.http.post("/api/chat", json={"content": words.new("prompt")})  # without the CSRF header
    client.get(f"/nowhere/?token={words.new('token')}")


def sign_in(site: Site, person: Person) -> list[str]:
    """Signs in rightly and wrongly; returns the secrets of these sessions."""
    secrets = []
    for password in (person.password, SIGN_IN_SECRET):
        with Client(site.url) as client:
            assert client.sign_in(person.user.username, password).status_code == (
                302 if password == person.password else 200
            )
            secrets += [cookie.value or "" for cookie in client.http.cookies.jar]
            client.post("/accounts/logout/")
    return secrets


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_prompt_answer_key_cookie_or_password_stands_in_any_log(
    alice: Person, start_site: "StartSite", upstream: Upstream, log_format: str
) -> None:
    site = start_site(
        LOG_LEVEL="DEBUG", LOG_FORMAT=log_format, UPSTREAM_RETRIES="0", RESUME_GRACE_SECONDS="0"
    )
    client, words = alice.client_on(site), Words(upstream)
    for act in (chat, stop_and_leave, fail, be_refused):
        act(client, words)
    secrets = [*sign_in(site, alice), *(cookie.value or "" for cookie in client.http.cookies.jar)]
    site.stop()
    log = site.log()
    assert log
    never = {*words.said, *secrets, API_KEY, SECRET_KEY, alice.password, SIGN_IN_SECRET}
    assert len(never) > 30
    assert [word for word in never if word in log] == []


def test_upstream_that_is_not_there_logs_neither_prompt_nor_key(
    alice: Person, start_site: "StartSite", upstream: Upstream
) -> None:
    site = start_site(
        LOG_LEVEL="DEBUG",
        UPSTREAM_RETRIES="0",
        OPENAI_BASE_URL=f"http://127.0.0.1:{free_port()}/v1",
    )
    prompt = f"prompt{uuid4().hex}"
    assert (
        whole(alice.client_on(site).chat(content=prompt)).named("error")[0]["code"]
        == "upstream_unavailable"
    )
    site.stop()
    assert prompt not in site.log()
    assert API_KEY not in site.log()


def test_json_log_is_one_object_a_line(
    alice: Person, start_site: StartSite, start_valkey: Callable[[], Valkey]
) -> None:
    valkey = start_valkey()
    site = start_site(LOG_LEVEL="DEBUG", LOG_FORMAT="json", REDIS_URL=valkey.url)
    valkey.stop()
    with alice.client_on(site).chat(content="Hello") as refused:
        assert refused.status == 503
    wait_until(lambda: "Redis" in site.log())
    ours = [line for line in site.log().splitlines() if line.startswith("{")]
    assert ours
    for line in ours:
        assert set(json.loads(line)) >= {"time", "level", "logger", "message"}


def test_what_is_refused_on_a_page_is_logged_and_what_the_api_refuses_is_not(
    alice: Person, start_site: StartSite
) -> None:
    site = start_site()
    client = alice.client_on(site)
    assert client.get("/nowhere/").status_code == 404
    assert client.get("/api/chat").status_code == 405
    assert "Not Found: /nowhere/" in site.log()
    assert "/api/chat" not in site.log()
