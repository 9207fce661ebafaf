"""What `manage.py serve` starts, while it runs: the admin, the embedded Valkey, the files."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.serve import PASSWORD, ROOT, Serve, Serves, ask, clean_environment, visit


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Yields one site for the tests that do not end it."""
    site = Serve(
        tmp_path_factory.mktemp("running"),
        DJANGO_SUPERUSER_USERNAME="ada",
        DJANGO_SUPERUSER_PASSWORD=PASSWORD,
    )
    site.wait_until_ready()
    yield site
    site.sweep()


def test_admin_of_the_environment_is_made_once_and_can_sign_in(running: Serve) -> None:
    with visit(running) as browser:
        browser.get("/accounts/login/")
        fields = {
            "username": "ada",
            "password": PASSWORD,
            "csrfmiddlewaretoken": browser.cookies["csrftoken"],
        }
        assert browser.post("/accounts/login/", data=fields).status_code == 302
        assert browser.get("/admin/").status_code == 200
    assert "/setup/" not in running.output


def test_only_static_files_can_be_read_by_others_on_the_machine(running: Serve) -> None:
    for name in ("db.sqlite3", "secret_key", "valkey"):
        assert (running.data_dir / name).stat().st_mode & 0o077 == 0, name
    for path in [running.data_dir / "static", *(running.data_dir / "static").rglob("*")]:
        assert path.stat().st_mode & 0o004, path


def test_other_commands_find_the_embedded_valkey(running: Serve) -> None:
    running.valkey().set("seen", "1")
    code = "from chat import redis_client; print(redis_client.client().get('seen'))"
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
    shell = subprocess.run(
        command,
        cwd=ROOT,
        env=clean_environment(running.data_dir),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert shell.stdout.strip() == "b'1'", shell.stderr


def test_embedded_valkey_never_evicts_and_has_no_port(running: Serve) -> None:
    settings = running.valkey().config_get("maxmemory-policy", "port", "appendonly", "save")
    assert settings == {
        "maxmemory-policy": "noeviction",
        "port": "0",
        "appendonly": "yes",
        "save": "",
    }


def test_valkey_that_dies_is_started_again_with_its_data(running: Serve) -> None:
    before = running.valkey().info("server")["process_id"]
    running.valkey().set("survives", "yes")
    # Written to the file is enough to survive the process; only the machine's own crash may lose
    # the last second.
    os.kill(before, signal.SIGKILL)
    running.wait_for_line("embedded Valkey had ended")
    assert running.valkey().get("survives") == b"yes"
    assert running.valkey().info("server")["process_id"] != before
    assert ask(running, "/readyz") == 200


def test_port_in_use_is_one_clear_line(running: Serve, serve: Serves, tmp_path: Path) -> None:
    refused = serve(tmp_path, PORT=str(running.port))
    assert refused.wait() == 1
    assert (
        refused.output
        == f"HOST=127.0.0.1 PORT={running.port} cannot be listened on: Address already in use. Set"
        " PORT (or HOST) to a free one."
    )


def test_data_folder_of_a_running_site_is_refused(running: Serve, serve: Serves) -> None:
    refused = serve(running.data_dir)
    assert refused.wait() == 1
    assert (
        refused.output
        == f"DATA_DIR={running.data_dir} is in use by another running site. Stop that one, or set"
        " another DATA_DIR."
    )
    assert ask(running, "/readyz") == 200
