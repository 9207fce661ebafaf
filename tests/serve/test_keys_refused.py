"""API keys, secrets and headers in the settings: wrong ones are refused by name, never repeated."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from chatsite.env import Env
from chatsite.headers import header_lines, header_value, token
from tests.harness.settings import refusal


@pytest.mark.parametrize(
    "value",
    [
        "hunter–2",
        "hun\nter2",
        "hun\rter2",
        "hun\tter2",
        "hünter2",
        "hunter2\x7f",
        "hun\u200bter2",
        "hun\xa0ter2",
        "猎人hunter2",
    ],
)
def test_what_no_header_can_carry_is_refused_by_name_and_not_repeated(value: str) -> None:
    with pytest.raises(
        ImproperlyConfigured,
        match=r"^KEY is not valid: its character \d+ \(U\+[0-9A-F]{4}.*Copy it again\.$",
    ) as refused:
        header_value("KEY", value)
    assert "hun" not in str(refused.value)


@pytest.mark.parametrize(
    "name",
    [
        "OPENAI_API_KEY",
        "METRICS_TOKEN",
        "OPENAI_ORG_ID",
        "OPENAI_PROJECT_ID",
        "EMAIL_HOST_PASSWORD",
    ],
)
def test_a_key_with_a_dash_stops_the_start_by_name(tmp_path: Path, name: str) -> None:
    said = refusal(tmp_path, **{name: "sk–key"})
    assert said.startswith(f"{name} is not valid: its character 3 (U+2013 EN DASH) is one that no ")


@pytest.mark.parametrize(
    "value", ['"sk-hunter2"', "'sk-hunter2'", "Bearer sk-hunter2", "bearer sk-hunter2"]
)
def test_a_key_with_something_around_it_is_refused(value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^KEY is not valid: it ") as refused:
        token("KEY", value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "value",
    [
        " sk-key ",
        "sk-key\r\n",
        "\ufeffsk-key",
        "\u200bsk-key\u200b \n",
        "\xa0sk-key",
        "sk-key\u2060",
    ],
)
def test_what_pasting_leaves_at_the_ends_is_taken_off(value: str) -> None:
    assert token("KEY", Env({"KEY": value}).secret("KEY")) == "sk-key"


@pytest.mark.parametrize(
    "content",
    [b"sk-key", b"sk-key\n", b"sk-key\r\n\r\n", b"\xef\xbb\xbfsk-key\r\n", b"\n sk-key \n"],
)
def test_a_file_of_a_secret_may_end_and_begin_as_editors_do_it(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    assert token("KEY", Env({"KEY_FILE": str(path)}).secret("KEY")) == "sk-key"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"\xef\xbb\xbf\n",
        "sk-key".encode("utf-16"),
        b"sk-key\x00",
        b"sk-key\nsk-other\n",
    ],
)
def test_a_file_of_a_secret_that_holds_none_is_refused_by_name(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(
        ImproperlyConfigured, match=rf"^(KEY_FILE={path} |KEY is not valid)"
    ) as refused:
        token("KEY", Env({"KEY_FILE": str(path)}).secret("KEY"))
    assert "sk-" not in str(refused.value)


def test_headers_of_the_operator_are_lines() -> None:
    assert header_lines("LINES", "X-Team: chat\n\nX-Empty:\r\n") == {
        "X-Team": "chat",
        "X-Empty": "",
    }
    assert header_lines("LINES", "") == {}


@pytest.mark.parametrize(
    "lines",
    ["hunter2", "X hunter2: a", "X-Größe: hunter2", "X-A: hunter–2", "Host: hunter2", ": hunter2"],
)
def test_a_line_that_is_no_header_is_refused_by_name(lines: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^LINES is not valid: ") as refused:
        header_lines("LINES", lines)
    assert "hunter" not in str(refused.value)
