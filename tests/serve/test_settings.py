"""Settings as a process reads them: strict, and derived from one another."""

import json
import os
import re
import ssl
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from redis.connection import parse_url

from chatsite.env import Env
from chatsite.headers import header_lines, header_value, token
from chatsite.stores import check_redis_url, database, socket_url
from chatsite.values import folder, site_origin, upstream_base_url

ROOT = Path(__file__).resolve().parents[2]
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
        (
            "SITE_URL",
            "http://my_site:8000",
            "SITE_URL=http://my_site:8000 is not valid: it takes an address such as https://chat.example.org "
            "(a host name has no underscore).",
        ),
        ("HOST", "my_box", "HOST=my_box has an underscore, with which no request is taken: set SITE_URL, or an address as HOST."),
        ("UPSTREAM_RETRIES", "nan", "UPSTREAM_RETRIES=nan is not valid: it takes a whole number from 0 to 20."),
        ("UPSTREAM_IDLE_SECONDS", "-1", f"UPSTREAM_IDLE_SECONDS=-1 is not valid: it takes a whole number from 1 to {2**31}."),
        ("DRAIN_SECONDS", "inf", f"DRAIN_SECONDS=inf is not valid: it takes a whole number from 0 to {2**31}."),
        ("DATA_DIR", "~nobody-of-that-name/x", "DATA_DIR=~nobody-of-that-name/x is not valid: no home is known by that name."),
        (
            "EMAIL_HOST",
            "smtp://mail",
            "EMAIL_HOST=smtp://mail is not valid: it takes a host such as mail.example.org, the port in EMAIL_PORT.",
        ),
        ("DEFAULT_FROM_EMAIL", "chat", "DEFAULT_FROM_EMAIL=chat is not valid: it takes a mail address such as chat@example.org."),
        ("SESSION_COOKIE_NAME", "a;b", "SESSION_COOKIE_NAME=a;b is not valid: it takes letters, digits, - and _."),
        ("SESSION_COOKIE_NAME", "csrftoken_8000", "SESSION_COOKIE_NAME and CSRF_COOKIE_NAME are the same name; give each its own."),
        (
            "CSRF_COOKIE_NAME",
            "__Host-csrf",
            "CSRF_COOKIE_NAME=__Host-csrf is not valid: browsers keep such a name for https only, and SITE_URL is not.",
        ),
        (
            "ALLOWED_HOSTS",
            "https://chat.example.org",
            "ALLOWED_HOSTS=https://chat.example.org is not valid: it takes a comma-separated list of hosts such as chat.example.org "
            "or .example.org, without scheme, port or path.",
        ),
        (
            "CSRF_TRUSTED_ORIGINS",
            "chat.example.org",
            "CSRF_TRUSTED_ORIGINS=chat.example.org is not valid: it takes a comma-separated list of origins such as "
            "https://chat.example.org or https://*.example.org, without path.",
        ),
        (
            "SSL_CERT_FILE",
            "/nowhere",
            "SSL_CERT_FILE=/nowhere cannot be used: No such file or directory. "
            "Set it to a file of certificates in PEM format, or unset it.",
        ),
        ("SSLKEYLOGFILE", "/nowhere/keys", "SSLKEYLOGFILE=/nowhere/keys cannot be written: No such file or directory. Unset it."),
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


def read(name: str, value: str, base: Path) -> object:
    """What the settings make of an address."""
    if name == "DATABASE_URL":
        return database(value, base, base)
    if name == "REDIS_URL":
        return check_redis_url(value)  # type: ignore[func-returns-value]
    return upstream_base_url(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        # A piece of the password would be the host, the port, the path or nothing.
        ("DATABASE_URL", "postgres://user:hunter2#x@host/name"),
        ("DATABASE_URL", "postgres://user:12/hunter2@host/name"),
        ("DATABASE_URL", "postgres://user:12?hunter2@host/name"),
        ("DATABASE_URL", "sqlite:////tmp/hunter2#1/db.sqlite3"),
        ("DATABASE_URL", "sqlite:////tmp/hunter2?1/db.sqlite3"),
        ("REDIS_URL", "redis://:a#hunter2@host:6379/0"),
        ("REDIS_URL", "redis://user:12?hunter2@host"),
        ("REDIS_URL", "redis://user:12/hunter2@host"),
        ("REDIS_URL", "redis://host/hunter2"),
        ("REDIS_URL", "redis://host/0?hunter2=1"),
        ("REDIS_URL", "unix://run/hunter2.sock"),
        ("REDIS_URL", "unix://"),
        ("OPENAI_BASE_URL", "https://user:12/hunter2@api.example.org/v1"),
        ("OPENAI_BASE_URL", "https://api.example.org/v1?key=hunter2"),
        ("OPENAI_BASE_URL", "https://api.example.org/v1#hunter2"),
        ("OPENAI_BASE_URL", "https://api.example.org/v1/hunter2/chat/completions"),
        ("OPENAI_BASE_URL", "https://api.example.org/hunter2/chat/completions/"),
        ("OPENAI_BASE_URL", "https://api.example.org/ hunter2"),
        ("OPENAI_BASE_URL", "https://api.example.org\n/hunter2"),
        ("OPENAI_BASE_URL", "https://256.1.1.1/hunter2"),
        ("OPENAI_BASE_URL", "https://api..example.org/hunter2"),
    ],
)
def test_an_address_of_which_a_piece_would_be_read_as_another_is_refused(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=rf"^{name} is not valid: it takes ") as refused:
        read(name, value, tmp_path)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgres://user:hunter2@host/name?sslmode=require"),
        ("DATABASE_URL", "postgres://?service=chat"),
        ("REDIS_URL", "rediss://:hunter%2F2@host:6379/1"),
        ("REDIS_URL", "unix:///run/redis.sock?db=1"),
        ("OPENAI_BASE_URL", "http://[::1]:8001/v1"),
        ("TIME_ZONE", "America/Argentina/Buenos_Aires"),
        ("DATABASE_URL", "postgres://user:p%23%2F%3F%40ss@host/name"),
        ("REDIS_URL", "redis://user:p%23%2F%3F%40ss@host/"),
        ("REDIS_URL", "redis://host?db=2"),
        ("REDIS_URL", "unix:///run/a%23b.sock"),
        ("ALLOWED_HOSTS", "*, .example.org, [::1], ::1, my_box"),
        ("CSRF_TRUSTED_ORIGINS", "https://*.example.org, https://chat.example.org/"),
        # Nobody here reads them.
        ("REQUESTS_CA_BUNDLE", "/nowhere"),
        ("TZ", "Nonsense/No"),
        ("LC_ALL", "C"),
        ("OPENAI_ADMIN_KEY", "sk–admin"),
    ],
)
def test_a_right_address_is_taken(tmp_path: Path, name: str, value: str) -> None:
    assert start(tmp_path, [], **{name: value}).returncode == 0


def test_command_line_says_it_in_one_line(tmp_path: Path) -> None:
    env = os.environ | {"DATA_DIR": str(tmp_path), "PORT": "none"}
    done = subprocess.run([sys.executable, "manage.py", "check"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert done.stderr == "PORT=none is not valid: it takes a whole number from 1 to 65535.\n"


def test_an_address_that_ends_too_late_is_told_where_to_end(tmp_path: Path) -> None:
    said = refusal(tmp_path, OPENAI_BASE_URL="http://127.0.0.1:8001/v1/chat/completions")
    assert said.endswith("; here, leave off the /chat/completions at its end, which is added to it.")


def test_a_password_in_the_address_of_the_site_is_not_repeated(tmp_path: Path) -> None:
    said = refusal(tmp_path, SITE_URL="https://me:hunter2@chat.example.org")
    assert said.startswith("SITE_URL is not valid: it takes an address such as https://chat.example.org")
    assert "hunter2" not in said


@pytest.mark.parametrize("name", ["SITE_URL", "OPENAI_MODEL", "EMAIL_HOST_USER", "SECRET_KEY"])
def test_bytes_that_are_no_text_are_refused_by_name(tmp_path: Path, name: str) -> None:
    assert refusal(tmp_path, **{name: os.fsdecode(b"caf\xe9")}) == f"{name} is not valid: it is not UTF-8."


# --- Keys and headers -------------------------------------------------------------


@pytest.mark.parametrize(
    "value", ["hunter–2", "hun\nter2", "hun\rter2", "hun\tter2", "hünter2", "hunter2\x7f", "hun\u200bter2", "hun\xa0ter2", "猎人hunter2"]
)
def test_what_no_header_can_carry_is_refused_by_name_and_not_repeated(value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^KEY is not valid: its character \d+ \(U\+[0-9A-F]{4}.*Copy it again\.$") as refused:
        header_value("KEY", value)
    assert "hun" not in str(refused.value)


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "METRICS_TOKEN", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "EMAIL_HOST_PASSWORD"])
def test_a_key_with_a_dash_stops_the_start_by_name(tmp_path: Path, name: str) -> None:
    said = refusal(tmp_path, **{name: "sk–key"})
    assert said.startswith(f"{name} is not valid: its character 3 (U+2013 EN DASH) is one that no ")


@pytest.mark.parametrize("value", ['"sk-hunter2"', "'sk-hunter2'", "Bearer sk-hunter2", "bearer sk-hunter2"])
def test_a_key_with_something_around_it_is_refused(value: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^KEY is not valid: it ") as refused:
        token("KEY", value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("value", [" sk-key ", "sk-key\r\n", "\ufeffsk-key", "\u200bsk-key\u200b \n", "\xa0sk-key", "sk-key\u2060"])
def test_what_pasting_leaves_at_the_ends_is_taken_off(value: str) -> None:
    assert token("KEY", Env({"KEY": value}).secret("KEY")) == "sk-key"


@pytest.mark.parametrize("content", [b"sk-key", b"sk-key\n", b"sk-key\r\n\r\n", b"\xef\xbb\xbfsk-key\r\n", b"\n sk-key \n"])
def test_a_file_of_a_secret_may_end_and_begin_as_editors_do_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    assert token("KEY", Env({"KEY_FILE": str(path)}).secret("KEY")) == "sk-key"


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf\n", "sk-key".encode("utf-16"), b"sk-key\x00", b"sk-key\nsk-other\n"])
def test_a_file_of_a_secret_that_holds_none_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(ImproperlyConfigured, match=rf"^(KEY_FILE={path} |KEY is not valid)") as refused:
        token("KEY", Env({"KEY_FILE": str(path)}).secret("KEY"))
    assert "sk-" not in str(refused.value)


def test_headers_of_the_operator_are_lines() -> None:
    assert header_lines("LINES", "X-Team: chat\n\nX-Empty:\r\n") == {"X-Team": "chat", "X-Empty": ""}
    assert header_lines("LINES", "") == {}


@pytest.mark.parametrize("lines", ["hunter2", "X hunter2: a", "X-Größe: hunter2", "X-A: hunter–2", "Host: hunter2", ": hunter2"])
def test_a_line_that_is_no_header_is_refused_by_name(lines: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^LINES is not valid: ") as refused:
        header_lines("LINES", lines)
    assert "hunter" not in str(refused.value)


# --- Certificates -----------------------------------------------------------------


def test_certificates_that_are_none_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "bundle.pem"
    path.write_text("no certificate")
    assert refusal(tmp_path, SSL_CERT_FILE=str(path)).startswith(f"SSL_CERT_FILE={path} cannot be used: it holds no certificate.")
    assert refusal(tmp_path, SSL_CERT_FILE=str(tmp_path)).startswith(f"SSL_CERT_FILE={tmp_path} cannot be used: ")
    assert refusal(tmp_path, SSL_CERT_FILE="", SSL_CERT_DIR=str(tmp_path)).startswith(f"SSL_CERT_DIR={tmp_path} holds no certificate")
    # As the client does, which looks into no folder where there is a file.
    bundle = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().openssl_cafile
    assert start(tmp_path, [], SSL_CERT_FILE=bundle, SSL_CERT_DIR="/nowhere").returncode == 0


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


@pytest.mark.parametrize(
    ("value", "url", "host"),
    [
        ("https://bücher.example", "https://xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("HTTPS://BÜCHER.Example/", "https://xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("https://straße.example", "https://xn--strae-oqa.example", "xn--strae-oqa.example"),
        ("http://例え.テスト:8080", "http://xn--r8jz45g.xn--zckzah:8080", "xn--r8jz45g.xn--zckzah"),
        ("http://почта。рф", "http://xn--80a1acny.xn--p1ai", "xn--80a1acny.xn--p1ai"),
        ("https://Chat.Example.org//", "https://chat.example.org", "chat.example.org"),
        ("https://chat.example.org.", "https://chat.example.org", "chat.example.org"),
        ("https://chat.example.org:443", "https://chat.example.org", "chat.example.org"),
        ("http://chat.example.org:80/", "http://chat.example.org", "chat.example.org"),
        ("http://[::1]:8000", "http://[::1]:8000", "[::1]"),
        ("http://[2001:DB8:0:0::1]", "http://[2001:db8::1]", "[2001:db8::1]"),
        ("http://192.168.1.5:8000", "http://192.168.1.5:8000", "192.168.1.5"),
        ("http://nas", "http://nas", "nas"),
    ],
)
def test_the_address_is_kept_as_browsers_send_it(value: str, url: str, host: str) -> None:
    site = site_origin(value, "127.0.0.1", 8000)
    assert (str(site), site.host) == (url, host)
    given = host if ":" in host else value.partition("://")[2].partition(":")[0].strip("/")
    assert Env({"HOSTS": f"{given}, .{given}" if ":" not in host else given}).hosts("HOSTS")[0] == host
    assert Env({"ORIGINS": value}).trusted_origins("ORIGINS") == [url]


def test_an_address_beyond_ascii_is_allowed_as_browsers_send_it(tmp_path: Path) -> None:
    names = ["SITE_URL", "CSRF_TRUSTED_ORIGINS", "ALLOWED_HOSTS", "DEFAULT_FROM_EMAIL"]
    for value in ("https://bücher.example/", "https://xn--bcher-kva.example"):
        url, origins, hosts, sender = load(tmp_path, *names, SITE_URL=value)
        assert (url, origins) == ("https://xn--bcher-kva.example", ["https://xn--bcher-kva.example"])
        assert hosts[0] == "xn--bcher-kva.example"
        assert sender == "chatsite@xn--bcher-kva.example"


@pytest.mark.parametrize(
    "value",
    [
        "http://",
        "http:chat",
        "//chat",
        "http://a b",
        "http://a%20b",
        "http://-a",
        "http://a..b",
        "http://1.2.3",
        "http://256.1.1.1",
        "http://0x7f.1",
        "http://[::1",
        "http://[fe80::1%25eth0]",
        "http://chat/x",
        "http://chat?x",
        "http://chat:0",
        "ftp://chat",
        f"http://{'a' * 64}.org",
        "http://☃-.example",
        "http://*.example.org",
        "http://chat\\x",
    ],
)
def test_an_address_that_browsers_would_not_use_is_refused(tmp_path: Path, value: str) -> None:
    assert refusal(tmp_path, SITE_URL=value).startswith(
        f"SITE_URL={value} is not valid: it takes an address such as https://chat.example.org"
    )


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("https://api.example.org/v1/", "https://api.example.org/v1"),
        ("HTTP://Model.Example.org:8001", "http://model.example.org:8001"),
        ("http://bücher.example/v1", "http://xn--bcher-kva.example/v1"),
        ("http://llama_server:8080/v1", "http://llama_server:8080/v1"),
        ("https://x.services.example/models", "https://x.services.example/models"),
    ],
)
def test_the_address_of_the_model_is_kept_as_the_client_takes_it(value: str, kept: str) -> None:
    assert upstream_base_url(value) == kept


@pytest.mark.parametrize(
    ("settings", "suffix"),
    [
        ({}, "_8000"),
        ({"PORT": "9000"}, "_9000"),
        ({"PORT": "80"}, ""),
        ({"SITE_URL": "https://chat.example.org"}, ""),
        ({"SITE_URL": "https://chat.example.org:443"}, ""),
        ({"SITE_URL": "https://chat.example.org:8443"}, "_8443"),
        ({"SITE_URL": "http://chat.example.org:443"}, "_443"),
    ],
)
def test_cookies_are_named_after_a_port_that_is_not_the_schemes_own(tmp_path: Path, settings: dict[str, str], suffix: str) -> None:
    names = load(tmp_path, "SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", **settings)
    assert names == [f"sessionid{suffix}", f"csrftoken{suffix}"]
    assert load(tmp_path, "SESSION_COOKIE_NAME", SESSION_COOKIE_NAME="mine", **settings) == ["mine"]


def test_redis_is_the_embedded_one_until_one_is_named(tmp_path: Path) -> None:
    names = ["REDIS_URL", "REDIS_IS_EMBEDDED", "REDIS_IN_PROCESS"]
    assert load(tmp_path, *names) == [f"unix://{tmp_path}/valkey.sock", True, False]
    assert load(tmp_path, *names, REDIS_URL="redis://there/1") == ["redis://there/1", False, False]
    assert load(tmp_path, *names, REDIS_URL="memory://") == ["memory://", False, True]


@pytest.mark.parametrize("name", ["a#b", "a?b=c", "a%20b", "a b", "a'\"b", "dätä", "日本", "a;b&c", "a\\b", "~a"])
def test_a_folder_is_a_path_and_no_url(tmp_path: Path, name: str) -> None:
    path = folder("DATA_DIR", f"{tmp_path}/{name}", ROOT)
    assert path == tmp_path / name
    assert database("", path, ROOT)["NAME"] == f"{tmp_path}/{name}/db.sqlite3"
    assert parse_url(socket_url(path / "valkey.sock"))["path"] == f"{tmp_path}/{name}/valkey.sock"


def test_a_relative_folder_is_below_the_project_and_a_home_is_a_home(tmp_path: Path) -> None:
    key = {"SECRET_KEY": SECRET}
    assert load(Path("some/where"), "DATA_DIR", **key) == [str(ROOT / "some" / "where")]
    assert load(Path("~/chat"), "DATA_DIR", HOME=str(tmp_path), **key) == [str(tmp_path / "chat")]
    databases = load(tmp_path, "DATABASES", DATABASE_URL="sqlite:///some.sqlite3", **key)[0]
    assert databases["default"]["NAME"] == str(ROOT / "some.sqlite3")


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
