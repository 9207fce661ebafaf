"""`manage.py serve` and `make run` from their start to their end, as real processes."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx2
import pytest

from tests.harness.answers import wait_until
from tests.harness.processes import descendants
from tests.harness.proxy import Listener
from tests.harness.serve import PASSWORD, ROOT, Serve, Serves, ask, clean_environment, visit
from tests.harness.site import free_port


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(pids: set[int], seconds: float = 10) -> None:
    deadline = monotonic() + seconds
    while remaining := {pid for pid in pids if is_alive(pid)}:
        commands = [
            Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
            for pid in remaining
            if is_alive(pid)
        ]
        assert monotonic() < deadline, f"still running: {commands}"
        sleep(0.02)


def set_up(browser: httpx2.Client, link: str) -> None:
    """Makes the first admin, who is then signed in."""
    page = browser.get(link)
    assert page.status_code == 200, page.text
    fields = {
        "username": "ada",
        "email": "ada@example.org",
        "password1": PASSWORD,
        "password2": PASSWORD,
    }
    token = browser.cookies["csrftoken"]
    done = browser.post(link, data={**fields, "csrfmiddlewaretoken": token})
    assert done.status_code == 302, done.text
    assert f"sessionid_{browser.base_url.port}" in browser.cookies


def leave_an_answer(browser: httpx2.Client, prompt: str) -> str:
    """Asks, and leaves after the first piece of text; returns the answer's id."""
    headers = {"X-CSRFToken": browser.cookies["csrftoken"]}
    answer = ""
    with browser.stream("POST", "/api/chat", json={"content": prompt}, headers=headers) as response:
        assert response.status_code == 200, response.read()
        for line in response.iter_lines():
            data = json.loads(line[6:]) if line.startswith("data: {") else {}
            answer = data.get("answer") or answer
            if "text" in data:
                return answer
    raise AssertionError("no text came")


def check_demo_table(path: Path, answer: str) -> None:
    """Asserts that the answer was saved to its end."""
    with sqlite3.connect(path) as database:
        query = "SELECT status, content FROM chat_message WHERE id = ?"
        status, content = database.execute(query, [answer.replace("-", "")]).fetchone()
    assert status == "complete"
    assert content.startswith("**Demo answer.**")
    assert "| Neptune" in content


def test_ctrl_c_lets_an_answer_finish_and_the_next_start_finds_everything_again(
    serve: Serves, tmp_path: Path
) -> None:
    first = serve(tmp_path)
    assert first.wait_for_line("Chatsite is ready at").endswith(first.url)
    assert "demo model answers" in first.wait_for_line("demo model")
    link = first.wait_for_line("/setup/").split()[-1]
    assert (tmp_path / "valkey.sock").stat().st_mode & 0o777 == 0o700
    with visit(first) as browser:
        set_up(browser, link)
        answer = leave_an_answer(browser, "a table, please")
    first.valkey().set("kept", "yes")
    children = descendants(first.process.pid)
    assert len(children) >= 3, "Valkey, the demo model and uvicorn"

    first.interrupt()

    assert first.wait() == 0, first.output
    assert "Traceback" not in first.output
    wait_until_gone(children)
    check_demo_table(tmp_path / "db.sqlite3", answer)

    second = serve(tmp_path).wait_until_ready()
    assert second.valkey().get("kept") == b"yes"
    children = descendants(second.process.pid)
    second.process.terminate()
    assert second.wait() == 0, second.output
    assert "/setup/" not in second.output
    wait_until_gone(children)


def test_killed_with_9_it_leaves_no_process_and_no_obstacle(serve: Serves, tmp_path: Path) -> None:
    first = serve(tmp_path, WORKERS="2").wait_until_ready()
    children = descendants(first.process.pid)
    assert len(children) >= 5, "Valkey, the demo model, uvicorn and its two workers"
    first.valkey().set("kept", "yes")

    first.process.kill()

    wait_until_gone(children)
    assert first.wait() == -signal.SIGKILL
    second = serve(tmp_path, WORKERS="2").wait_until_ready()
    assert second.valkey().get("kept") == b"yes"
    children = descendants(second.process.pid)
    second.process.terminate()
    assert second.wait() == 0, second.output
    wait_until_gone(children)


@pytest.mark.parametrize("whole_group", [False, True], ids=["SIGTERM to make", "Ctrl-C"])
def test_make_run_ends_everything_when_it_is_told_to(
    serve: Serves, tmp_path: Path, whole_group: bool
) -> None:
    # A checkout whose virtualenv is this one, with nothing to install.
    checkout = tmp_path / "checkout"
    (checkout / ".venv").mkdir(parents=True)
    for name in ("Makefile", "manage.py", "requirements.txt"):
        (checkout / name).symlink_to(ROOT / name)
    for name in ("bin", "lib", "pyvenv.cfg"):
        (checkout / ".venv" / name).symlink_to(Path(sys.prefix) / name)
    (checkout / ".venv" / "installed").touch()
    site = serve(tmp_path / "data", "make", "run", cwd=checkout).wait_until_ready()
    children = descendants(site.process.pid)
    assert len(children) >= 4

    if whole_group:
        site.interrupt()
    else:
        site.process.terminate()

    site.wait()
    wait_until_gone(children)
    assert "***" not in site.output
    assert "Traceback" not in site.output


def test_second_ctrl_c_ends_it_at_once(serve: Serves, tmp_path: Path) -> None:
    site = serve(tmp_path, DRAIN_SECONDS="300")
    link = site.wait_for_line("/setup/").split()[-1]
    with visit(site) as browser:
        set_up(browser, link)
        leave_an_answer(browser, "a long answer, please")
    children = descendants(site.process.pid)

    site.interrupt()
    site.wait_for_line("Stopping")
    # Sooner it would count as the same press.
    sleep(1.1)
    site.interrupt()

    assert site.wait(5) == 1
    assert "Traceback" not in site.output
    wait_until_gone(children)


def test_client_that_never_sends_the_rest_of_its_request_does_not_hold_up_the_end(
    serve: Serves, tmp_path: Path
) -> None:
    site = serve(
        tmp_path, REDIS_URL="memory://", OPENAI_API_KEY="sk-never-used", DRAIN_SECONDS="2"
    ).wait_until_ready()
    with socket.create_connection(("127.0.0.1", site.port)) as half:
        half.sendall(b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        assert ask(site, "/healthz") == 200
        site.process.terminate()
        assert site.wait(10) == 0


def test_without_redis_and_with_a_key_it_starts_uvicorn_alone(
    serve: Serves, tmp_path: Path
) -> None:
    site = serve(tmp_path, REDIS_URL="memory://", OPENAI_API_KEY="sk-never-used").wait_until_ready()
    assert len(descendants(site.process.pid)) == 1
    assert ask(site, "/readyz") == 200
    assert not (tmp_path / "valkey").exists()
    site.process.terminate()
    assert site.wait() == 0
    assert "demo" not in site.output


def test_several_workers_that_drain_refuse_new_connections_too(
    serve: Serves, tmp_path: Path
) -> None:
    """A proxy then asks the next instance.

    Were they only left waiting, it would wait as long as the drain lasts.
    """
    site = serve(tmp_path, WORKERS="2", DRAIN_SECONDS="300")
    link = site.wait_for_line("/setup/").split()[-1]
    with visit(site) as browser:
        set_up(browser, link)
        leave_an_answer(browser, "a long answer, please")

    site.process.terminate()
    wait_until(lambda: refuses_connections(site))

    assert site.process.poll() is None, "the answer was to go on"
    # Sooner it would count as the same press.
    sleep(1.1)
    site.interrupt()
    assert site.wait(5) == 1


def refuses_connections(site: Serve) -> bool:
    try:
        socket.create_connection(("127.0.0.1", site.port), timeout=2).close()
    except ConnectionRefusedError:
        return True
    return False


def test_web_server_that_dies_ends_everything_with_its_code(serve: Serves, tmp_path: Path) -> None:
    site = serve(tmp_path).wait_until_ready()
    children = descendants(site.process.pid)
    server = next(
        pid for pid in children if b"uvicorn" in Path(f"/proc/{pid}/cmdline").read_bytes()
    )

    os.kill(server, signal.SIGKILL)

    assert site.wait() == 128 + signal.SIGKILL
    wait_until_gone(children)


@pytest.mark.parametrize("name", ["a#b", "50%20 off?a=b", "a 'b' \"c\"", "dätä 日本"])
def test_any_folder_will_do(serve: Serves, tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    site = serve(folder).wait_until_ready()
    assert ask(site, "/readyz") == 200
    assert ask(site, "/accounts/login/") == 200
    assert {path.name for path in folder.iterdir()} >= {
        "db.sqlite3",
        "valkey",
        "valkey.sock",
        "secret_key",
        "static",
    }
    assert [path.name for path in tmp_path.iterdir()] == [name]
    command = [sys.executable, "manage.py", "doctor", site.url]
    env = clean_environment(folder, PORT=str(site.port))
    doctor = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=90)
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    site.process.terminate()
    assert site.wait() == 0


def test_the_demo_model_answers_whatever_the_proxies_of_the_environment(
    serve: Serves, tmp_path: Path
) -> None:
    with Listener() as listener:
        proxies: dict[str, Any] = dict.fromkeys(
            ("ALL_PROXY", "http_proxy", "HTTPS_PROXY"), f"socks5://127.0.0.1:{listener.port}"
        )
        site = serve(tmp_path, **proxies)
        link = site.wait_for_line("/setup/").split()[-1]
        with visit(site) as browser:
            set_up(browser, link)
            leave_an_answer(browser, "a table, please")
        assert listener.connections == 0


@pytest.mark.parametrize(
    "address", ["http://bücher.example:{port}", "http://XN--bcher-kva.example:{port}/"]
)
def test_an_address_beyond_ascii_has_a_sign_in_page_that_works(
    serve: Serves, tmp_path: Path, address: str
) -> None:
    port = free_port()
    admin: dict[str, Any] = {
        "DJANGO_SUPERUSER_USERNAME": "ada",
        "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
    }
    site = serve(
        tmp_path, PORT=str(port), SITE_URL=address.format(port=port), REDIS_URL="memory://", **admin
    )
    assert site.wait_for_line("Chatsite is ready at").endswith(
        f" http://xn--bcher-kva.example:{port}"
    )
    sent = {
        "Host": f"xn--bcher-kva.example:{port}",
        "Origin": f"http://xn--bcher-kva.example:{port}",
    }
    with httpx2.Client(base_url=site.url, trust_env=False, timeout=20, headers=sent) as browser:
        page = browser.get("/accounts/login/")
        assert page.status_code == 200
        fields = {
            "username": "ada",
            "password": PASSWORD,
            "csrfmiddlewaretoken": browser.cookies["csrftoken"],
        }
        assert browser.post("/accounts/login/", data=fields).status_code == 302
        assert browser.get("/api/limits").status_code == 200
