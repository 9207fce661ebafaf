"""`manage.py serve` and `make run` as real processes, each with a data folder of its own."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from threading import Thread
from time import monotonic, sleep
from typing import Any

import httpx2
import pytest
import redis

from tests.harness.answers import wait_until
from tests.harness.processes import descendants
from tests.harness.proxy import Listener
from tests.harness.site import free_port

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 40
END_SECONDS = 30
PASSWORD = "correct horse battery staple"


def clean_environment(data_dir: Path, **settings: str) -> dict[str, str]:
    """No setting of the developer's shell or `.env` file, but those given; a port that is free."""
    names = re.findall(r'\benv\.\w+\(\s*"([A-Z_]+)"', (ROOT / "chatsite" / "settings.py").read_text())
    unset = {variant: "" for name in names for variant in (name, f"{name}_FILE")}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")}
    return inherited | unset | {"DATA_DIR": str(data_dir), "PORT": str(free_port()), "DRAIN_SECONDS": "20"} | settings


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(pids: set[int], seconds: float = 10) -> None:
    deadline = monotonic() + seconds
    while remaining := {pid for pid in pids if is_alive(pid)}:
        commands = [Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ") for pid in remaining if is_alive(pid)]
        assert monotonic() < deadline, f"still running: {commands}"
        sleep(0.02)


class Serve:
    """A command that runs the site, in a session of its own, its output read line by line."""

    def __init__(self, data_dir: Path, *command: str, cwd: Path = ROOT, **settings: str) -> None:
        env = clean_environment(data_dir, **settings)
        self.port = int(env["PORT"])
        self.url = f"http://127.0.0.1:{self.port}"
        self.data_dir = data_dir
        self.lines: list[str] = []
        self._arrived: Queue[str | None] = Queue()
        self.process = subprocess.Popen(
            command or (sys.executable, "manage.py", "serve"),
            cwd=cwd,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._arrived.put(line.rstrip("\n"))
        self._arrived.put(None)
        self.process.stdout.close()

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_for_line(self, text: str, seconds: float = START_SECONDS) -> str:
        """The first line from now on that contains `text`."""
        deadline = monotonic() + seconds
        while (line := self._arrived.get(timeout=max(0.0, deadline - monotonic()))) is not None:
            self.lines.append(line)
            if text in line:
                return line
        raise AssertionError(f"it ended without saying {text!r}:\n{self.output}")

    def wait_until_ready(self) -> "Serve":
        self.wait_for_line("Chatsite is ready at")
        return self

    def interrupt(self) -> None:
        """Ctrl-C: the terminal sends SIGINT to the whole group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def wait(self, seconds: float = END_SECONDS) -> int:
        """Its exit code, after all of its output."""
        code = self.process.wait(seconds)
        while (line := self._arrived.get(timeout=seconds)) is not None:
            self.lines.append(line)
        return code

    def sweep(self) -> None:
        """Leaves nothing behind, whatever a test has found."""
        remaining = descendants(self.process.pid) | ({self.process.pid} if self.process.poll() is None else set())
        for pid in remaining:
            os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def valkey(self) -> "redis.Redis":
        return redis.Redis(unix_socket_path=str(self.data_dir / "valkey.sock"))


class Serves:
    """Starts them and sweeps up."""

    def __init__(self) -> None:
        self._started: list[Serve] = []

    def __call__(self, data_dir: Path, *command: str, cwd: Path = ROOT, **settings: str) -> Serve:
        self._started.append(Serve(data_dir, *command, cwd=cwd, **settings))
        return self._started[-1]

    def sweep(self) -> None:
        for serve in self._started:
            serve.sweep()


@pytest.fixture
def serve() -> Iterator[Serves]:
    serves = Serves()
    yield serves
    serves.sweep()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """One site for the tests that do not end it."""
    site = Serve(tmp_path_factory.mktemp("running"), DJANGO_SUPERUSER_USERNAME="ada", DJANGO_SUPERUSER_PASSWORD=PASSWORD)
    site.wait_until_ready()
    yield site
    site.sweep()


def visit(site: Serve) -> httpx2.Client:
    """A browser of few features; close it."""
    return httpx2.Client(base_url=site.url, trust_env=False, timeout=20)


def set_up(browser: httpx2.Client, link: str) -> None:
    """Makes the first admin, who is then signed in."""
    page = browser.get(link)
    assert page.status_code == 200, page.text
    fields = {"username": "ada", "email": "ada@example.org", "password1": PASSWORD, "password2": PASSWORD}
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


def ask(site: Serve, path: str) -> int:
    return httpx2.get(f"{site.url}{path}", trust_env=False, timeout=20).status_code


# --- From the first start to the last ---------------------------------------------


def test_ctrl_c_lets_an_answer_finish_and_the_next_start_finds_everything_again(serve: Serves, tmp_path: Path) -> None:
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
    with sqlite3.connect(tmp_path / "db.sqlite3") as database:
        ended = database.execute("SELECT status, content FROM chat_message WHERE id = ?", [answer.replace("-", "")]).fetchone()
    assert ended[0] == "complete"
    assert ended[1].startswith("**Demo answer.**")
    assert "| Neptune" in ended[1]

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
def test_make_run_ends_everything_when_it_is_told_to(serve: Serves, tmp_path: Path, whole_group: bool) -> None:
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


def test_client_that_never_sends_the_rest_of_its_request_does_not_hold_up_the_end(serve: Serves, tmp_path: Path) -> None:
    site = serve(tmp_path, REDIS_URL="memory://", OPENAI_API_KEY="sk-never-used", DRAIN_SECONDS="2").wait_until_ready()
    with socket.create_connection(("127.0.0.1", site.port)) as half:
        half.sendall(b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        assert ask(site, "/healthz") == 200
        site.process.terminate()
        assert site.wait(10) == 0


def test_without_redis_and_with_a_key_it_starts_uvicorn_alone(serve: Serves, tmp_path: Path) -> None:
    site = serve(tmp_path, REDIS_URL="memory://", OPENAI_API_KEY="sk-never-used").wait_until_ready()
    assert len(descendants(site.process.pid)) == 1
    assert ask(site, "/readyz") == 200
    assert not (tmp_path / "valkey").exists()
    site.process.terminate()
    assert site.wait() == 0
    assert "demo" not in site.output


def test_several_workers_that_drain_refuse_new_connections_too(serve: Serves, tmp_path: Path) -> None:
    """A proxy then asks the next instance. Were they only left waiting, it would wait as long as the drain lasts."""
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
    server = next(pid for pid in children if b"uvicorn" in Path(f"/proc/{pid}/cmdline").read_bytes())

    os.kill(server, signal.SIGKILL)

    assert site.wait() == 128 + signal.SIGKILL
    wait_until_gone(children)


@pytest.mark.parametrize("name", ["a#b", "50%20 off?a=b", "a 'b' \"c\"", "dätä 日本"])
def test_any_folder_will_do(serve: Serves, tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    site = serve(folder).wait_until_ready()
    assert ask(site, "/readyz") == 200
    assert ask(site, "/accounts/login/") == 200
    assert {path.name for path in folder.iterdir()} >= {"db.sqlite3", "valkey", "valkey.sock", "secret_key", "static"}
    assert [path.name for path in tmp_path.iterdir()] == [name]
    command = [sys.executable, "manage.py", "doctor", site.url]
    env = clean_environment(folder, PORT=str(site.port))
    doctor = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=90)
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    site.process.terminate()
    assert site.wait() == 0


def test_the_demo_model_answers_whatever_the_proxies_of_the_environment(serve: Serves, tmp_path: Path) -> None:
    with Listener() as listener:
        proxies: dict[str, Any] = dict.fromkeys(("ALL_PROXY", "http_proxy", "HTTPS_PROXY"), f"socks5://127.0.0.1:{listener.port}")
        site = serve(tmp_path, **proxies)
        link = site.wait_for_line("/setup/").split()[-1]
        with visit(site) as browser:
            set_up(browser, link)
            leave_an_answer(browser, "a table, please")
        assert listener.connections == 0


@pytest.mark.parametrize("address", ["http://bücher.example:{port}", "http://XN--bcher-kva.example:{port}/"])
def test_an_address_beyond_ascii_has_a_sign_in_page_that_works(serve: Serves, tmp_path: Path, address: str) -> None:
    port = free_port()
    admin: dict[str, Any] = {"DJANGO_SUPERUSER_USERNAME": "ada", "DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    site = serve(tmp_path, PORT=str(port), SITE_URL=address.format(port=port), REDIS_URL="memory://", **admin)
    assert site.wait_for_line("Chatsite is ready at").endswith(f" http://xn--bcher-kva.example:{port}")
    sent = {"Host": f"xn--bcher-kva.example:{port}", "Origin": f"http://xn--bcher-kva.example:{port}"}
    with httpx2.Client(base_url=site.url, trust_env=False, timeout=20, headers=sent) as browser:
        page = browser.get("/accounts/login/")
        assert page.status_code == 200
        fields = {"username": "ada", "password": PASSWORD, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        assert browser.post("/accounts/login/", data=fields).status_code == 302
        assert browser.get("/api/limits").status_code == 200


# --- While it runs ----------------------------------------------------------------


def test_admin_of_the_environment_is_made_once_and_can_sign_in(running: Serve) -> None:
    with visit(running) as browser:
        browser.get("/accounts/login/")
        fields = {"username": "ada", "password": PASSWORD, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
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
    code = "from chat import redis; print(redis.client().get('seen'))"
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
    shell = subprocess.run(command, cwd=ROOT, env=clean_environment(running.data_dir), capture_output=True, text=True, timeout=30)
    assert shell.stdout.strip() == "b'1'", shell.stderr


def test_embedded_valkey_never_evicts_and_has_no_port(running: Serve) -> None:
    settings = running.valkey().config_get("maxmemory-policy", "port", "appendonly", "save")
    assert settings == {"maxmemory-policy": "noeviction", "port": "0", "appendonly": "yes", "save": ""}


def test_valkey_that_dies_is_started_again_with_its_data(running: Serve) -> None:
    before = running.valkey().info("server")["process_id"]
    running.valkey().set("survives", "yes")
    # Written to the file is enough to survive the process; only the machine's own crash may lose the last second.
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
        == f"HOST=127.0.0.1 PORT={running.port} cannot be listened on: Address already in use. Set PORT (or HOST) to a free one."
    )


def test_data_folder_of_a_running_site_is_refused(running: Serve, serve: Serves) -> None:
    refused = serve(running.data_dir)
    assert refused.wait() == 1
    assert refused.output == f"DATA_DIR={running.data_dir} is in use by another running site. Stop that one, or set another DATA_DIR."
    assert ask(running, "/readyz") == 200


# --- What cannot start says so in one line ----------------------------------------


@pytest.mark.parametrize("secret_key", ["", "a-secret-key-of-an-operator-who-likes-to-choose-it-himself"])
def test_data_folder_that_cannot_be_written_is_one_clear_line(serve: Serves, tmp_path: Path, secret_key: str) -> None:
    (tmp_path / "file").write_text("no folder")
    folder = tmp_path / "file" / "data"
    refused = serve(folder, SECRET_KEY=secret_key)
    assert refused.wait() == 1
    assert refused.output == f"DATA_DIR={folder} cannot be used: Not a directory. Set DATA_DIR to a folder this user can write."


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
def test_a_setting_that_is_wrong_is_one_clear_line(serve: Serves, tmp_path: Path, setting: str, value: str) -> None:
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


def test_redis_that_is_not_there_is_one_clear_line_without_its_password(serve: Serves, tmp_path: Path) -> None:
    port = free_port()
    refused = serve(tmp_path, REDIS_URL=f"redis://user:hunter2@127.0.0.1:{port}/0?password=hunter2")
    assert refused.wait() == 1
    assert refused.output.startswith(f"REDIS_URL=redis://127.0.0.1:{port}/0 does not answer: ")
    assert "Connection refused" in refused.output
    assert len(refused.lines) == 1
    assert "hunter2" not in refused.output


def test_redis_that_says_nothing_is_given_up_soon(serve: Serves, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = monotonic()
        refused = serve(tmp_path, REDIS_URL=f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        assert refused.wait() == 1
    assert "does not answer" in refused.output
    assert len(refused.lines) == 1
    # Most of it is Python's and Django's start on a busy machine; redis-py's own patience would be longer still.
    assert monotonic() - start < 15


def test_redis_inside_the_process_is_refused_for_two_workers(serve: Serves, tmp_path: Path) -> None:
    refused = serve(tmp_path, REDIS_URL="memory://", WORKERS="2")
    assert refused.wait() == 1
    assert "REDIS_URL=memory:// counts inside one process, but WORKERS=2." in refused.output
    assert "Traceback" not in refused.output


def test_database_that_is_away_is_one_clear_line(serve: Serves, tmp_path: Path) -> None:
    refused = serve(
        tmp_path, REDIS_URL="memory://", OPENAI_API_KEY="sk-x", DATABASE_URL=f"postgres://user:hunter2@127.0.0.1:{free_port()}/chat"
    )
    assert refused.wait() == 1
    assert refused.lines[-1].startswith("The database cannot be used: ")
    assert "Traceback" not in refused.output
    assert "hunter2" not in refused.output
