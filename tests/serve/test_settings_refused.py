"""A setting that is wrong stops the start and is named."""

import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from chatsite.stores import check_redis_url, database
from chatsite.values import upstream_base_url
from tests.harness.settings import ROOT, refusal, start


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PORT", "http", "PORT=http is not valid: it takes a whole number from 1 to 65535."),
        ("WORKERS", "0", "WORKERS=0 is not valid: it takes a whole number from 1 to 256."),
        ("DEBUG", "maybe", "DEBUG=maybe is not valid: it takes true or false."),
        (
            "LIMITS_WHEN_REDIS_DOWN",
            "hope",
            "LIMITS_WHEN_REDIS_DOWN=hope is not valid: it takes refuse or allow.",
        ),
        (
            "TIME_ZONE",
            "Mars/Olympus",
            "TIME_ZONE=Mars/Olympus is not valid: it takes a time zone such as Europe/Berlin.",
        ),
        (
            "SITE_URL",
            "http://chat.example.org:99999",
            (
                "SITE_URL=http://chat.example.org:99999 is not valid: it takes an address such as"
                " https://chat.example.org."
            ),
        ),
        (
            "SITE_URL",
            "https://chat.example.org/#a",
            (
                "SITE_URL=https://chat.example.org/#a is not valid: it takes an address such as"
                " https://chat.example.org."
            ),
        ),
        (
            "SITE_URL",
            "http://my_site:8000",
            (
                "SITE_URL=http://my_site:8000 is not valid: it takes an address such as"
                " https://chat.example.org (a host name has no underscore)."
            ),
        ),
        (
            "HOST",
            "my_box",
            (
                "HOST=my_box has an underscore, with which no request is taken: set SITE_URL, or an"
                " address as HOST."
            ),
        ),
        (
            "UPSTREAM_RETRIES",
            "nan",
            "UPSTREAM_RETRIES=nan is not valid: it takes a whole number from 0 to 20.",
        ),
        (
            "UPSTREAM_IDLE_SECONDS",
            "-1",
            f"UPSTREAM_IDLE_SECONDS=-1 is not valid: it takes a whole number from 1 to {2**31}.",
        ),
        (
            "DRAIN_SECONDS",
            "inf",
            f"DRAIN_SECONDS=inf is not valid: it takes a whole number from 0 to {2**31}.",
        ),
        (
            "DATA_DIR",
            "~nobody-of-that-name/x",
            "DATA_DIR=~nobody-of-that-name/x is not valid: no home is known by that name.",
        ),
        (
            "EMAIL_HOST",
            "smtp://mail",
            (
                "EMAIL_HOST=smtp://mail is not valid: it takes a host such as mail.example.org, the"
                " port in EMAIL_PORT."
            ),
        ),
        (
            "DEFAULT_FROM_EMAIL",
            "chat",
            (
                "DEFAULT_FROM_EMAIL=chat is not valid: it takes a mail address such as"
                " chat@example.org."
            ),
        ),
        (
            "SESSION_COOKIE_NAME",
            "a;b",
            "SESSION_COOKIE_NAME=a;b is not valid: it takes letters, digits, - and _.",
        ),
        (
            "SESSION_COOKIE_NAME",
            "csrftoken_8000",
            "SESSION_COOKIE_NAME and CSRF_COOKIE_NAME are the same name; give each its own.",
        ),
        (
            "CSRF_COOKIE_NAME",
            "__Host-csrf",
            (
                "CSRF_COOKIE_NAME=__Host-csrf is not valid: browsers keep such a name for https"
                " only, and SITE_URL is not."
            ),
        ),
        (
            "ALLOWED_HOSTS",
            "https://chat.example.org",
            (
                "ALLOWED_HOSTS=https://chat.example.org is not valid: it takes a comma-separated"
                " list of hosts such as chat.example.org or .example.org, without scheme, port or"
                " path."
            ),
        ),
        (
            "CSRF_TRUSTED_ORIGINS",
            "chat.example.org",
            (
                "CSRF_TRUSTED_ORIGINS=chat.example.org is not valid: it takes a comma-separated"
                " list of origins such as https://chat.example.org or https://*.example.org,"
                " without path."
            ),
        ),
        (
            "SSL_CERT_FILE",
            "/nowhere",
            (
                "SSL_CERT_FILE=/nowhere cannot be used: No such file or directory. "
                "Set it to a file of certificates in PEM format, or unset it."
            ),
        ),
        (
            "SSLKEYLOGFILE",
            "/nowhere/keys",
            "SSLKEYLOGFILE=/nowhere/keys cannot be written: No such file or directory. Unset it.",
        ),
        (
            "SITE_URL",
            "chat.example.org",
            (
                "SITE_URL=chat.example.org is not valid: it takes an address such as"
                " https://chat.example.org."
            ),
        ),
        (
            "TRUSTED_PROXIES",
            "10.0.0.1/8",
            (
                "TRUSTED_PROXIES=10.0.0.1/8 is not valid: it takes a comma-separated list of"
                " networks such as 10.0.0.0/8 or ::1."
            ),
        ),
    ],
)
def test_wrong_value_is_refused_by_name(
    tmp_path: Path, name: str, value: str, expected: str
) -> None:
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
def test_a_wrong_address_is_refused_by_name_and_a_password_in_it_is_not_repeated(
    tmp_path: Path, name: str, value: str
) -> None:
    done = start(tmp_path, [], **{name: value})
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        f"django.core.exceptions.ImproperlyConfigured: {name} is not valid: it takes "
    )
    assert "hunter2" not in done.stderr


def read(name: str, value: str, base: Path) -> object:
    """Returns what the settings make of an address."""
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
def test_an_address_of_which_a_piece_would_be_read_as_another_is_refused(
    tmp_path: Path, name: str, value: str
) -> None:
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
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1
    assert done.stderr == "PORT=none is not valid: it takes a whole number from 1 to 65535.\n"


def test_an_address_that_ends_too_late_is_told_where_to_end(tmp_path: Path) -> None:
    said = refusal(tmp_path, OPENAI_BASE_URL="http://127.0.0.1:8001/v1/chat/completions")
    assert said.endswith(
        "; here, leave off the /chat/completions at its end, which is added to it."
    )


def test_a_password_in_the_address_of_the_site_is_not_repeated(tmp_path: Path) -> None:
    said = refusal(tmp_path, SITE_URL="https://me:hunter2@chat.example.org")
    assert said.startswith(
        "SITE_URL is not valid: it takes an address such as https://chat.example.org"
    )
    assert "hunter2" not in said


@pytest.mark.parametrize("name", ["SITE_URL", "OPENAI_MODEL", "EMAIL_HOST_USER", "SECRET_KEY"])
def test_bytes_that_are_no_text_are_refused_by_name(tmp_path: Path, name: str) -> None:
    assert (
        refusal(tmp_path, **{name: os.fsdecode(b"caf\xe9")})
        == f"{name} is not valid: it is not UTF-8."
    )


def test_certificates_that_are_none_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "bundle.pem"
    path.write_text("no certificate")
    assert refusal(tmp_path, SSL_CERT_FILE=str(path)).startswith(
        f"SSL_CERT_FILE={path} cannot be used: it holds no certificate."
    )
    assert refusal(tmp_path, SSL_CERT_FILE=str(tmp_path)).startswith(
        f"SSL_CERT_FILE={tmp_path} cannot be used: "
    )
    assert refusal(tmp_path, SSL_CERT_FILE="", SSL_CERT_DIR=str(tmp_path)).startswith(
        f"SSL_CERT_DIR={tmp_path} holds no certificate"
    )
    # As the client does, which looks into no folder where there is a file.
    bundle = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().openssl_cafile
    assert start(tmp_path, [], SSL_CERT_FILE=bundle, SSL_CERT_DIR="/nowhere").returncode == 0
