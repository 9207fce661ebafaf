"""A site that cannot start says why in one line."""

import socket
from pathlib import Path
from typing import Any

import pytest

from tests.harness.serve import Serves
from tests.harness.site import free_port


@pytest.mark.parametrize(
    "secret_key", ["", "a-secret-key-of-an-operator-who-likes-to-choose-it-himself"]
)
def test_data_folder_that_cannot_be_written_is_one_clear_line(
    serve: Serves, tmp_path: Path, secret_key: str
) -> None:
    (tmp_path / "file").write_text("no folder")
    folder = tmp_path / "file" / "data"
    refused = serve(folder, SECRET_KEY=secret_key)
    assert refused.wait() == 1
    assert (
        refused.output
        == f"DATA_DIR={folder} cannot be used: Not a directory. Set DATA_DIR to a folder this user"
        " can write."
    )


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("OPENAI_API_KEY", "sk–hunter2"),
        ("OPENAI_BASE_URL", "http://127.0.0.1/v1?key=hunter2"),
        ("SSL_CERT_FILE", "/nowhere/hunter"),
        ("DATA_DIR", "~nobody-of-that-name/x"),
        ("ALLOWED_HOSTS", "http://chat"),
    ],
)
def test_a_setting_that_is_wrong_is_one_clear_line(
    serve: Serves, tmp_path: Path, setting: str, value: str
) -> None:
    env: dict[str, Any] = {setting: value}
    refused = serve(tmp_path, **env)
    assert refused.wait() == 1
    assert len(refused.lines) == 1
    assert refused.output.startswith(setting)
    assert "hunter2" not in refused.output


def test_path_too_long_for_a_socket_is_one_clear_line(serve: Serves, tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 100)
    refused = serve(folder)
    assert refused.wait() == 1
    assert len(refused.lines) == 1
    assert "too long for a socket" in refused.output
    assert "Choose a shorter DATA_DIR, or set REDIS_URL." in refused.output


def test_redis_that_is_not_there_is_one_clear_line_without_its_password(
    serve: Serves, tmp_path: Path
) -> None:
    port = free_port()
    refused = serve(tmp_path, REDIS_URL=f"redis://user:hunter2@127.0.0.1:{port}/0?password=hunter2")
    assert refused.wait() == 1
    assert refused.output.startswith(f"REDIS_URL=redis://127.0.0.1:{port}/0 does not answer: ")
    assert "Connection refused" in refused.output
    assert len(refused.lines) == 1
    assert "hunter2" not in refused.output


def test_redis_that_says_nothing_is_given_up_soon(serve: Serves, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        refused = serve(tmp_path, REDIS_URL=f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        assert refused.wait() == 1
    assert "does not answer" in refused.output
    assert len(refused.lines) == 1


def test_redis_inside_the_process_is_refused_for_two_workers(serve: Serves, tmp_path: Path) -> None:
    refused = serve(tmp_path, REDIS_URL="memory://", WORKERS="2")
    assert refused.wait() == 1
    assert "REDIS_URL=memory:// counts inside one process, but WORKERS=2." in refused.output
    assert "Traceback" not in refused.output


def test_database_that_is_away_is_one_clear_line(serve: Serves, tmp_path: Path) -> None:
    refused = serve(
        tmp_path,
        REDIS_URL="memory://",
        OPENAI_API_KEY="sk-x",
        DATABASE_URL=f"postgres://user:hunter2@127.0.0.1:{free_port()}/chat",
    )
    assert refused.wait() == 1
    assert refused.lines[-1].startswith("The database cannot be used: ")
    assert "Traceback" not in refused.output
    assert "hunter2" not in refused.output
