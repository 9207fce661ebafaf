"""Settings as a process reads them, derived from one another and from the environment."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from redis.connection import parse_url

from chatsite.env import Env
from chatsite.stores import database, socket_url
from chatsite.values import folder, site_origin, upstream_base_url
from tests.harness.settings import ROOT, load, refusal

SECRET = "a-secret-key-that-is-long-enough-for-a-test"


# --- What follows from what -------------------------------------------------------


def test_address_follows_from_host_and_port(tmp_path: Path) -> None:
    assert load(tmp_path, "SITE_URL", PORT="9000") == ["http://127.0.0.1:9000"]
    assert load(tmp_path, "SITE_URL", HOST="0.0.0.0") == ["http://localhost:8000"]
    assert load(tmp_path, "SITE_URL", HOST="::1") == ["http://[::1]:8000"]


def test_https_address_brings_secure_cookies_and_its_host(tmp_path: Path) -> None:
    names = [
        "SESSION_COOKIE_SECURE",
        "CSRF_COOKIE_SECURE",
        "SECURE_HSTS_SECONDS",
        "CSRF_TRUSTED_ORIGINS",
        "ALLOWED_HOSTS",
    ]
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
    assert (
        Env({"HOSTS": f"{given}, .{given}" if ":" not in host else given}).hosts("HOSTS")[0] == host
    )
    assert Env({"ORIGINS": value}).trusted_origins("ORIGINS") == [url]


def test_an_address_beyond_ascii_is_allowed_as_browsers_send_it(tmp_path: Path) -> None:
    names = ["SITE_URL", "CSRF_TRUSTED_ORIGINS", "ALLOWED_HOSTS", "DEFAULT_FROM_EMAIL"]
    for value in ("https://bücher.example/", "https://xn--bcher-kva.example"):
        url, origins, hosts, sender = load(tmp_path, *names, SITE_URL=value)
        assert (url, origins) == (
            "https://xn--bcher-kva.example",
            ["https://xn--bcher-kva.example"],
        )
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
def test_cookies_are_named_after_a_port_that_is_not_the_schemes_own(
    tmp_path: Path, settings: dict[str, str], suffix: str
) -> None:
    names = load(tmp_path, "SESSION_COOKIE_NAME", "CSRF_COOKIE_NAME", **settings)
    assert names == [f"sessionid{suffix}", f"csrftoken{suffix}"]
    assert load(tmp_path, "SESSION_COOKIE_NAME", SESSION_COOKIE_NAME="mine", **settings) == ["mine"]


def test_redis_is_the_embedded_one_until_one_is_named(tmp_path: Path) -> None:
    names = ["REDIS_URL", "REDIS_IS_EMBEDDED", "REDIS_IN_PROCESS"]
    assert load(tmp_path, *names) == [f"unix://{tmp_path}/valkey.sock", True, False]
    assert load(tmp_path, *names, REDIS_URL="redis://there/1") == ["redis://there/1", False, False]
    assert load(tmp_path, *names, REDIS_URL="memory://") == ["memory://", False, True]


@pytest.mark.parametrize(
    "name", ["a#b", "a?b=c", "a%20b", "a b", "a'\"b", "dätä", "日本", "a;b&c", "a\\b", "~a"]
)
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
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
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
def test_a_dotenv_file_that_cannot_be_read_is_refused_and_not_repeated(
    tmp_path: Path, content: bytes, refusal: str
) -> None:
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
