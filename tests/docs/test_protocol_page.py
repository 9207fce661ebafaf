"""docs/protocol.md has the same codes, events, fields and addresses as the code."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, get_args
from uuid import uuid4

import pytest
from django.urls import get_resolver

from chat.errors import Refusal
from chat.models import ChatModel, Message
from chat.turns.request import TurnRequest
from chat.upstream.failures import Refused
from chat.upstream.refusal import Kind
from chat.upstream.refusal import Refusal as UpstreamRefusal
from tests.harness import wire
from tests.harness.people import Person
from tests.harness.sse import Event
from tests.harness.upstream import Upstream

if TYPE_CHECKING:
    from tests.conftest import MakeUser

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "protocol.md").read_text()
# The stream of the doctor's probe is no answer.
CODE = [path for path in (ROOT / "chat").rglob("*.py") if path.name != "probe.py"]


def section(heading: str) -> str:
    """Returns the text under a heading of the page, up to the next heading."""
    found = re.search(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL
    )
    assert found, f"the page has no {heading!r}"
    return found[1]


def line_with(start: str, text: str) -> str:
    """Returns the sentence that begins with `start`, without it."""
    return text.split(start, 1)[1].split(". ", 1)[0]


def words(text: str) -> set[str]:
    """Returns what stands between backticks and is a name."""
    return set(re.findall(r"`([a-z][a-z_]*)`", text))


class Shape:
    """Reads a shape such as `{"code", "usage": {"tokens"}, "state": "on"|"off", "retry_after"?}`.

    `names` are the fields, those of objects in them as `usage.tokens`; `optional` are those with a
    `?`; `values` are the texts that a field can be.
    """

    def __init__(self, text: str) -> None:
        self.names: set[str] = set()
        self.optional: set[str] = set()
        self.values: dict[str, set[str]] = {}
        path: list[str] = []
        name, before = "", ""
        for token in re.findall(r'"[^"]*"|[{}:|,?]', text):
            text = token.strip('"')
            if token == "{":
                path.append(name)
            elif token == "}":
                path.pop()
            elif token == "?":
                self.optional.add(name)
            elif token[0] == '"' and before in "{,":
                name = f"{path[-1]}.{text}".lstrip(".")
                self.names.add(name)
            elif token[0] == '"':
                self.values.setdefault(name, set()).add(text)
            before = token if token in "{}:|," else before if token == "?" else '"'

    @classmethod
    def of_block(cls, heading: str) -> "Shape":
        """Reads the first block of code under a heading."""
        return cls(section(heading).split("```")[1])


def fields(payload: object, path: str = "") -> set[str]:
    """Returns the names of all fields in some JSON, as Shape has them."""
    if isinstance(payload, list):
        return set().union(*(fields(item, path) for item in payload))
    if not isinstance(payload, dict):
        return set()
    return {f"{path}{name}" for name in payload}.union(
        *(fields(value, f"{path}{name}.") for name, value in payload.items())
    )


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Yields each call in the code with the last part of its name."""
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield ast.unparse(node.func).rpartition(".")[2], node


def literals(node: ast.expr) -> set[str]:
    """Returns the texts that an expression can be."""
    if isinstance(node, ast.IfExp):
        return literals(node.body) | literals(node.orelse)
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def first_arguments(name: str) -> set[str]:
    return {
        text
        for called, node in calls()
        if called == name and node.args
        for text in literals(node.args[0])
    }


# --- Refusals -----------------------------------------------------------------


def refusals(base: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    yield base
    for refusal in base.__subclasses__():
        yield from refusals(refusal)


def test_every_refusal_stands_in_the_table_with_its_status_and_no_other_does() -> None:
    rows = re.findall(r"^\| (\d{3}) \| (.+?) \|$", section("Refusals"), re.MULTILINE)
    documented = {(int(status), code) for status, cell in rows for code in words(cell)}
    assert documented == {(refusal.status, refusal.code) for refusal in refusals()}


def test_refusal_has_the_fields_that_the_page_names() -> None:
    documented = Shape(section("Refusals").split("`")[1])
    least, most = Refusal("").payload(), Refusal("", retry_after=1, limit="model").payload()
    assert documented.names == fields(most)
    assert documented.names - documented.optional == fields(least)


# --- Events -------------------------------------------------------------------


def event_shapes() -> dict[str, Shape]:
    """Returns each event in the page's list with the shape of its payload."""
    lines = re.findall(r"^event: (\w+) .*?data: (\{.*\})", section("Events"), re.MULTILINE)
    return {name: Shape(shape) for name, shape in lines}


def test_every_event_stands_on_the_page_and_no_other_does() -> None:
    assert set(re.findall(r"event: (\w+)", PAGE)) == first_arguments("event") | {"delta"}


def test_every_error_code_of_events_stands_on_the_page_and_no_other_does() -> None:
    # A refused request is an AnswerError, `Refused`; `_failure` makes those of streams.
    in_code = (
        first_arguments("AnswerError")
        | first_arguments("_failure")
        | {Refused(UpstreamRefusal(Kind.KEY)).code}
    )
    assert words(line_with("Codes in events:", section("Events"))) == in_code


def test_every_state_and_every_status_stands_on_the_page_and_no_other_does() -> None:
    shapes = event_shapes()
    assert shapes["status"].values["state"] == first_arguments("tell") | {"retrying", "saving"}
    assert shapes["done"].values["status"] == set(Message.Status.values) - {
        Message.Status.STREAMING
    }


@pytest.fixture
def events(alice: Person, upstream: Upstream) -> list[Event]:
    """Returns the events of turns retried and cut short, trimmed, given up, refused, and usual."""
    client = alice.client
    first = client.chat(
        content=upstream.script(wire.refused(503), wire.answer("one", reason="length"))
    )
    first.read()
    talk = first.named("start")[0]["conversation"]
    too_long = wire.refused(400, code="context_length_exceeded")
    second = client.chat(conversation=talk, content=upstream.script(too_long, wire.answer("two")))
    busy = ChatModel.objects.create(slug=f"own-{uuid4()}").slug
    third = client.chat(content=upstream.script(wire.refused(429, retry_after="3600")), model=busy)
    fourth = client.chat(content=upstream.script(wire.refused(401)))
    fifth = client.chat(content=upstream.script(wire.answer("all is well")))
    return [event for turn in (first, second, third, fourth, fifth) for event in turn.read()]


def test_events_of_real_turns_have_the_fields_that_the_page_names(events: list[Event]) -> None:
    for name, shape in event_shapes().items():
        # Any payload may carry `pad`.
        seen = [fields(event.data) - {"pad"} for event in events if event.name == name]
        assert set().union(*seen) == shape.names, name
        assert set.intersection(*seen) == shape.names - shape.optional, name


# --- Requests and other answers -----------------------------------------------


def test_each_shape_of_a_turn_takes_the_fields_that_the_page_names() -> None:
    text = section("POST /api/chat")
    rows = dict(re.findall(r"^\| ([a-z ]+) \| (.+?) \|$", text, re.MULTILINE))
    shapes = {"stateless": "messages", "again": "regenerate", "stored turn": "content"}
    for shape in get_args(TurnRequest):
        [row] = [name for name, mark in shapes.items() if mark in shape.__struct_fields__]
        assert words(re.sub(r"\{.*?\}", "", rows[row])) | {"altcha"} == set(shape.__struct_fields__)


def test_limits_have_the_fields_that_the_page_names(
    make_user: "MakeUser", upstream: Upstream
) -> None:
    client = make_user(requests="1/d").client
    client.chat(content=upstream.script(wire.answer("one"))).read()
    assert fields(client.get("/api/limits").json()) == Shape.of_block("GET /api/limits").names


def test_export_has_the_fields_that_the_page_names(alice: Person, upstream: Upstream) -> None:
    stream = alice.client.chat(content=upstream.script(wire.answer("one")))
    stream.read()
    talk = stream.named("start")[0]["conversation"]
    export = alice.client.get(f"/c/{talk}/export.json").json()
    assert fields(export) == Shape.of_block("GET /c/{id}/export.json").names


def test_every_address_of_the_api_stands_on_the_page_and_no_other_does() -> None:
    routes = {str(pattern.pattern) for pattern in get_resolver().url_patterns}
    in_code = {
        re.sub(r"<.*?>", "{id}", f"/{route}") for route in routes if route.startswith("api/")
    }
    assert set(re.findall(r"(/api/[a-z{}/]+)", PAGE)) == in_code
