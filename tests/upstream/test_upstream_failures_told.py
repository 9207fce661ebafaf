"""An upstream's failure is told: in the log, by the doctor, on the model's page."""

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client as Visitor

from chat.models import ChatModel
from chat.upstream import last_failures
from tests.harness import wire
from tests.harness.certificates import self_signed
from tests.harness.doctor import Visit, address_of
from tests.harness.ends import whole
from tests.harness.environment import API_KEY, Environment
from tests.harness.people import Person
from tests.harness.site import Site, free_port
from tests.harness.upstream import Upstream
from tests.harness.upstream_quirks import refusals as table
from tests.harness.upstream_quirks.refusals import REFUSALS

REQUEST_IDS = {
    "x-request-id": "req_1",
    "request-id": "req_011CT",
    "x-amzn-requestid": "3b1c-77",
    "apim-request-id": "a8-b9",
    "cf-ray": "8f0-FRA",
}


SECRET_WORDS = "the secret prompt of this test"


@pytest.fixture
def disabled_afterwards(model: ChatModel) -> Iterator[None]:
    """What failed here is nothing for another test's doctor."""
    yield
    ChatModel.objects.filter(pk=model.pk).update(enabled=False)


def lines_of(site: Site, model: ChatModel) -> list[str]:
    return [line for line in site.log().splitlines() if model.slug in line]


def turns_line(visit: Visit, model: ChatModel) -> list[str]:
    """What doctor says of turns with the model."""
    return [line for line in visit.output.splitlines() if " turns: " in line and model.slug in line]


# --- The log ----------------------------------------------------------------------


TOLD = {
    "openai: key": "upstream_rejected (HTTP 401, code invalid_api_key, reason invalid_api_key",
    "waf": "upstream_rejected (HTTP 403, reason model_forbidden",
    "openai: model": "upstream_rejected (HTTP 404, code model_not_found, reason model_not_found",
    "openai: quota": (
        "upstream_rejected (HTTP 429, code insufficient_quota, reason insufficient_quota"
    ),
    "qwen: credit": "upstream_rejected (HTTP 400, code Arrearage, reason insufficient_quota",
}


@pytest.mark.parametrize("name", TOLD)
def test_log_has_one_line_with_status_code_and_request(
    alice: Person, site: Site, upstream: Upstream, model: ChatModel, name: str
) -> None:
    row = REFUSALS[name]
    key = upstream.script([wire.Http(row.status, row.body, {"x-request-id": "req_9"})])
    whole(alice.client.chat(content=f"{key} {SECRET_WORDS}", model=model.slug))
    (line,) = lines_of(site, model)
    assert "WARNING" in line
    assert f"Model {model.slug} failed: {TOLD[name]}, request req_9)" in line


def test_log_of_a_422_quotes_nothing_of_what_was_sent(
    alice: Person, site: Site, upstream: Upstream, model: ChatModel
) -> None:
    quoted = {
        "detail": [{"type": SECRET_WORDS, "loc": ["body"], "msg": SECRET_WORDS, "input": API_KEY}],
        "code": API_KEY,
    }
    key = upstream.script([wire.Http(422, quoted, {"x-request-id": API_KEY})])
    whole(alice.client.chat(content=f"{key} {SECRET_WORDS}", model=model.slug))
    (line,) = lines_of(site, model)
    assert line.endswith("upstream_rejected (HTTP 422)")
    assert SECRET_WORDS not in site.log()
    assert API_KEY not in site.log()


@pytest.mark.parametrize("header", REQUEST_IDS)
def test_request_id_of_each_provider_is_found(
    alice: Person, site: Site, upstream: Upstream, model: ChatModel, header: str
) -> None:
    key = upstream.script([wire.Http(401, b"", {header: REQUEST_IDS[header]})])
    whole(alice.client.chat(content=key, model=model.slug))
    (line,) = lines_of(site, model)
    assert f"request {REQUEST_IDS[header]})" in line


def test_each_attempt_has_its_line(
    alice: Person, site: Site, upstream: Upstream, model: ChatModel
) -> None:
    key = upstream.script(
        wire.refused(503), wire.refused(429, retry_after_ms="10"), wire.answer("at last")
    )
    whole(alice.client.chat(content=key, model=model.slug))
    assert [re.findall(r"HTTP (\d+)", line) for line in lines_of(site, model)] == [["503"], ["429"]]


# --- Connections that cannot be made, told everywhere -----------------------------


def untrusted(folder: Path) -> tuple[str, socket.socket | None]:
    """An address whose certificate nobody has signed that we know."""
    certificate, key = self_signed(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()

    threading.Thread(target=serve, daemon=True).start()
    return f"https://127.0.0.1:{listener.getsockname()[1]}/v1", listener


def nobody(folder: Path) -> tuple[str, socket.socket | None]:
    return f"http://127.0.0.1:{free_port()}/v1", None


def no_such_name(folder: Path) -> tuple[str, socket.socket | None]:
    return "http://no-such-host.invalid/v1", None


CONNECTIONS = {
    "untrusted_certificate": (untrusted, "SSL_CERT_FILE"),
    "connection_refused": (nobody, "Start the model's server"),
    "name_not_found": (no_such_name, "DNS"),
}


@pytest.mark.parametrize("reason", CONNECTIONS)
def test_connection_that_cannot_be_made_is_told_with_its_remedy(
    alice: Person,
    environment: Environment,
    start_site: Any,
    operator: Visitor,
    model: ChatModel,
    disabled_afterwards: None,
    tmp_path: Path,
    reason: str,
) -> None:
    make, remedy = CONNECTIONS[reason]
    url, listener = make(tmp_path)
    site = start_site(OPENAI_BASE_URL=url, UPSTREAM_RETRIES="0")
    stream = whole(alice.client_on(site).chat(content="Hello", model=model.slug))
    assert stream.named("error")[0]["code"] == "upstream_unavailable"
    if reason == "untrusted_certificate":
        assert "not trusted" in stream.named("error")[0]["message"]
    (line,) = lines_of(site, model)
    assert f"upstream_unavailable (reason {reason})" in line
    visit = Visit(environment, site.url, OPENAI_BASE_URL=url, **address_of(site))
    assert remedy in visit.of("FAIL")["upstream"]
    (told,) = turns_line(visit, model)
    assert told.startswith("warn")
    assert reason in told
    page = operator.get(f"/admin/chat/chatmodel/{model.pk}/change/").content.decode()
    assert f"upstream_unavailable (reason {reason})" in page
    assert remedy.partition("'")[0] in page
    if listener:
        listener.close()


# --- Doctor and the model's page --------------------------------------------------


def test_doctor_says_why_turns_fail_until_they_do_not(
    alice: Person,
    environment: Environment,
    site: Site,
    upstream: Upstream,
    model: ChatModel,
    disabled_afterwards: None,
) -> None:
    key = upstream.script(
        [wire.Http(401, table.openai("No.", "invalid_api_key"), {"x-request-id": "req_7"})]
    )
    whole(alice.client.chat(content=key, model=model.slug))
    (told,) = turns_line(Visit(environment, site.url, **address_of(site)), model)
    assert "HTTP 401, code invalid_api_key, reason invalid_api_key, request req_7" in told
    assert "Set OPENAI_API_KEY" in told
    assert told.startswith("warn")
    whole(alice.client.chat(content="Hello", model=model.slug))
    assert turns_line(Visit(environment, site.url, **address_of(site)), model) == []


def test_page_of_a_model_says_when_and_why_it_failed(
    alice: Person,
    operator: Visitor,
    site: Site,
    upstream: Upstream,
    model: ChatModel,
    disabled_afterwards: None,
) -> None:
    page = operator.get(f"/admin/chat/chatmodel/{model.pk}/change/").content.decode()
    assert "What its server says" not in page
    key = upstream.script(
        [
            wire.Http(
                404,
                table.openai("The model does not exist", "model_not_found"),
                {"x-request-id": "req_8"},
            )
        ]
    )
    stream = whole(alice.client.chat(content=key, model=model.slug))
    assert "does not know this model" in stream.named("error")[0]["message"]
    page = operator.get(f"/admin/chat/chatmodel/{model.pk}/change/").content.decode()
    assert (
        "upstream_rejected (HTTP 404, code model_not_found, reason model_not_found, request req_8)"
        in page
    )
    assert "Correct the model&#x27;s slug" in page


@pytest.mark.parametrize("name", ["deepseek: filter", "openai: window"])
def test_what_a_person_can_mend_is_no_failure_of_the_site(
    alice: Person, upstream: Upstream, model: ChatModel, name: str
) -> None:
    whole(alice.client.chat(content=upstream.script(REFUSALS[name].script), model=model.slug))
    assert model.slug not in last_failures.read()


def test_many_failures_write_little_and_nothing_to_the_database(
    alice: Person, site: Site, upstream: Upstream, model: ChatModel, disabled_afterwards: None
) -> None:
    key = upstream.script(wire.refused(401))
    for _ in range(5):
        whole(alice.client.chat(content=key, model=model.slug))
    assert last_failures.read()[model.slug].status == 401
    model.refresh_from_db()
    assert model.learned == {}


def test_without_redis_nothing_is_known_and_nothing_breaks(
    operator: Visitor, model: ChatModel, redis_away: None
) -> None:
    assert last_failures.read() == {}
    assert operator.get(f"/admin/chat/chatmodel/{model.pk}/change/").status_code == 200
