"""Settings as a process reads them: strict, and derived from one another."""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from chatsite.env import Env

ROOT = Path(__file__).resolve().parents[1]
SECRET = "a-secret-key-that-is-long-enough-for-a-test"


def start(data_dir: Path, names: list[str], **settings: str) -> subprocess.CompletedProcess[str]:
    """A process that loads the settings and prints those named, as JSON."""
    known = re.findall(r'\benv\.\w+\(\s*"([A-Z_]+)"', (ROOT / "chatsite" / "settings.py").read_text())
    unset = {variant: "" for name in known for variant in (name, f"{name}_FILE")}
    env = os.environ | unset | {"DATA_DIR": str(data_dir)} | settings
    code = f"import json; from chatsite import settings; print(json.dumps([getattr(settings, name) for name in {names!r}], default=str))"
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, timeout=30)


def load(data_dir: Path, *names: str, **settings: str) -> list[Any]:
    done = start(data_dir, list(names), **settings)
    assert done.returncode == 0, done.stderr
    loaded: list[Any] = json.loads(done.stdout)
    return loaded


def refusal(data_dir: Path, **settings: str) -> str:
    """The sentence with which the settings stop the start."""
    done = start(data_dir, [], **settings)
    assert done.returncode == 1
    return done.stderr.strip().splitlines()[-1].removeprefix("django.core.exceptions.ImproperlyConfigured: ")


# --- What is wrong stops the start, by name ---------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PORT", "http", "PORT=http is not valid: it takes a whole number from 1 to 65535."),
        ("WORKERS", "0", "WORKERS=0 is not valid: it takes a whole number from 1 to 256."),
        ("DEBUG", "maybe", "DEBUG=maybe is not valid: it takes true or false."),
        ("LIMITS_WHEN_REDIS_DOWN", "hope", "LIMITS_WHEN_REDIS_DOWN=hope is not valid: it takes refuse or allow."),
        ("TIME_ZONE", "Mars/Olympus", "TIME_ZONE=Mars/Olympus is not valid: it takes a time zone such as Europe/Berlin."),
        (
            "SITE_URL",
            "http://chat.example.org:99999",
            "SITE_URL=http://chat.example.org:99999 is not valid: it takes an address such as https://chat.example.org.",
        ),
        (
            "SITE_URL",
            "https://chat.example.org/#a",
            "SITE_URL=https://chat.example.org/#a is not valid: it takes an address such as https://chat.example.org.",
        ),
        ("SITE_URL", "chat.example.org", "SITE_URL=chat.example.org is not valid: it takes an address such as https://chat.example.org."),
        (
            "TRUSTED_PROXIES",
            "10.0.0.1/8",
            "TRUSTED_PROXIES=10.0.0.1/8 is not valid: it takes a comma-separated list of networks such as 10.0.0.0/8 or ::1.",
        ),
    ],
)
def test_wrong_value_is_refused_by_name(tmp_path: Path, name: str, value: str, expected: str) -> None:
    assert refusal(tmp_path, **{name: value}) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "nonsense://user:hunter2@host/name"),
        ("DATABASE_URL", "mysql://user:hunter2@host/name"),
        ("DATABASE_URL", "postgres://user:hunter2@host"),
        ("DATABASE_URL", "sqlite://"),
        ("REDIS_URL", "http://:hunter2@host"),
        ("REDIS_URL", "redis://:hunter2/3@host:6379/0"),
        ("REDIS_URL", "localhost:6379"),
        ("OPENAI_BASE_URL", "127.0.0.1:8001/v1"),
        ("OPENAI_BASE_URL", "https://me:hunter2@api.example.org/v1"),
        ("OPENAI_BASE_URL", "http://[::1/v1"),
    ],
)
def test_a_wrong_address_is_refused_by_name_and_a_password_in_it_is_not_repeated(tmp_path: Path, name: str, value: str) -> None:
    done = start(tmp_path, [], **{name: value})
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"django.core.exceptions.ImproperlyConfigured: {name} is not valid: it takes ")
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgres://user:hunter2@host/name?sslmode=require"),
        ("DATABASE_URL", "postgres://?service=chat"),
        ("REDIS_URL", "rediss://:hunter%2F2@host:6379/1"),
        ("REDIS_URL", "unix:///run/redis.sock?db=1"),
        ("OPENAI_BASE_URL", "http://[::1]:8001/v1"),
        ("TIME_ZONE", "America/Argentina/Buenos_Aires"),
    ],
)
def test_a_right_address_is_taken(tmp_path: Path, name: str, value: str) -> None:
    assert start(tmp_path, [], **{name: value}).returncode == 0


def test_command_line_says_it_in_one_line(tmp_path: Path) -> None:
    env = os.environ | {"DATA_DIR": str(tmp_path), "PORT": "none"}
    done = subprocess.run([sys.executable, "manage.py", "check"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert done.stderr == "PORT=none is not valid: it takes a whole number from 1 to 65535.\n"


# --- What follows from what -------------------------------------------------------


def test_address_follows_from_host_and_port(tmp_path: Path) -> None:
    assert load(tmp_path, "SITE_URL", PORT="9000") == ["http://127.0.0.1:9000"]
    assert load(tmp_path, "SITE_URL", HOST="0.0.0.0") == ["http://localhost:8000"]
    assert load(tmp_path, "SITE_URL", HOST="::1") == ["http://[::1]:8000"]


def test_https_address_brings_secure_cookies_and_its_host(tmp_path: Path) -> None:
    names = ["SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_HSTS_SECONDS", "CSRF_TRUSTED_ORIGINS", "ALLOWED_HOSTS"]
    *cookies, hsts, origins, hosts = load(tmp_path, *names, SITE_URL="https://chat.example.org/")
    assert cookies == [True, True]
    assert hsts == 31536000
    assert origins == ["https://chat.example.org"]
    assert "chat.example.org" in hosts
    *cookies, hsts, _, hosts = load(tmp_path, *names)
    assert cookies == [False, False]
    assert hsts == 0
    assert "127.0.0.1" in hosts


def test_redis_is_the_embedded_one_until_one_is_named(tmp_path: Path) -> None:
    names = ["REDIS_URL", "REDIS_IS_EMBEDDED", "REDIS_IN_PROCESS"]
    assert load(tmp_path, *names) == [f"unix://{tmp_path}/valkey.sock", True, False]
    assert load(tmp_path, *names, REDIS_URL="redis://there/1") == ["redis://there/1", False, False]
    assert load(tmp_path, *names, REDIS_URL="memory://") == ["memory://", False, True]


def test_sqlite_waits_for_its_turn_and_writes_ahead(tmp_path: Path) -> None:
    options = load(tmp_path, "DATABASES")[0]["default"]["OPTIONS"]
    assert options["transaction_mode"] == "IMMEDIATE"
    assert options["timeout"] == 20
    assert "journal_mode=WAL" in options["init_command"]


# --- The secret key ---------------------------------------------------------------


def test_secret_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    first = load(tmp_path, "SECRET_KEY")
    assert len(first[0]) >= 50
    assert load(tmp_path, "SECRET_KEY") == first
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600
    assert load(tmp_path / "other", "SECRET_KEY") != first


def test_processes_that_start_together_agree_on_the_secret_key(tmp_path: Path) -> None:
    env = os.environ | {"DATA_DIR": str(tmp_path), "SECRET_KEY": ""}
    code = "from chatsite import settings; print(settings.SECRET_KEY)"
    started = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    keys = {process.communicate(timeout=30)[0] for process in started}
    assert len(keys) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


# --- Reading the environment ------------------------------------------------------


def test_secret_may_come_from_a_file_but_not_from_both(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(f"{SECRET}\n")
    assert Env({"KEY_FILE": str(path)}).secret("KEY") == SECRET
    with pytest.raises(ImproperlyConfigured, match="KEY and KEY_FILE are both set"):
        Env({"KEY": "x", "KEY_FILE": str(path)}).secret("KEY")
    with pytest.raises(ImproperlyConfigured, match=r"KEY_FILE=.* cannot be read"):
        Env({"KEY_FILE": str(tmp_path / "none")}).secret("KEY")


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (b"ONE=1\nthe key is hunter2\n", "line 2, is not valid: it takes NAME=value"),
        (b"ONE=1\n\nKEY\n", "line 3, is not valid: it takes NAME=value"),
        (b"KEY=hunter2\xff\n", "cannot be read"),
    ],
)
def test_a_dotenv_file_that_cannot_be_read_is_refused_and_not_repeated(tmp_path: Path, content: bytes, refusal: str) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_bytes(content)
    with pytest.raises(ImproperlyConfigured, match=refusal) as refused:
        Env({}, dotenv)
    assert str(refused.value).startswith(str(dotenv))
    assert "hunter2" not in str(refused.value)


def test_a_dotenv_file_may_have_comments_quotes_and_exports(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_bytes(b"\xef\xbb\xbf# the site\r\nexport ONE='a b' # here\r\n\r\nTWO=\r\n")
    env = Env({}, dotenv)
    assert [env.text("ONE"), env.text("TWO", "unset")] == ["a b", "unset"]


def test_environment_wins_over_the_dotenv_file(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("ONE=file\nTWO=$ONE\nTHREE=file\n")
    env = Env({"ONE": "process", "THREE": ""}, dotenv)
    assert env.text("ONE") == "process"
    assert env.text("TWO") == "$ONE", "a password may hold a dollar sign"
    assert env.text("THREE", "default") == "default"
