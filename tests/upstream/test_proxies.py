"""The way to the model's server: by the environment's proxy, directly, or not at all."""

import base64
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from chat.models import Usage
from chatsite.env import Env
from chatsite.proxies import proxy_for
from tests.harness.environment import API_KEY
from tests.harness.people import Person
from tests.harness.proxy import Listener, Proxy, certificate_for
from tests.harness.site import ROOT
from tests.harness.upstream import DEFAULT_TEXT, Upstream

if TYPE_CHECKING:
    from tests.conftest import StartSite
    from tests.harness.environment import Environment

OPENAI = "https://api.openai.com/v1"
LOCAL = "http://model.example/v1"
PROXY = "http://proxy:3128"


# --- Which proxy ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "environ", "proxy"),
    [
        (OPENAI, {}, ""),
        (OPENAI, {"HTTPS_PROXY": PROXY}, PROXY),
        (OPENAI, {"https_proxy": PROXY, "HTTPS_PROXY": "http://other"}, PROXY),
        (OPENAI, {"HTTP_PROXY": PROXY}, ""),
        (LOCAL, {"HTTP_PROXY": PROXY}, PROXY),
        (LOCAL, {"HTTPS_PROXY": PROXY}, ""),
        (LOCAL, {"all_proxy": PROXY}, PROXY),
        (OPENAI, {"ALL_PROXY": "socks://desktop:1080/", "https_proxy": PROXY}, PROXY),
        (OPENAI, {"https_proxy": "", "HTTPS_PROXY": PROXY}, PROXY),
        (OPENAI, {"HTTPS_PROXY": "proxy:3128"}, PROXY),
        (OPENAI, {"HTTPS_PROXY": "HTTP://Proxy:3128/"}, PROXY),
        (OPENAI, {"HTTPS_PROXY": "https://me:p%40ss@proxy:3129"}, "https://me:p%40ss@proxy:3129"),
        (OPENAI, {"HTTPS_PROXY": "http://[::1]:3128"}, "http://[::1]:3128"),
        (OPENAI, {"HTTPS_PROXY": "http://bücher.example:1"}, "http://xn--bcher-kva.example:1"),
        # What is not on the way does not matter.
        (
            OPENAI,
            {
                "HTTP_PROXY": "socks5://desktop:1080",
                "ALL_PROXY": "nonsense://",
                "HTTPS_PROXY": PROXY,
            },
            PROXY,
        ),
        ("http://127.0.0.1:8001/v1", {"ALL_PROXY": "socks5://desktop:1080"}, ""),
        ("http://localhost:8001/v1", {"HTTP_PROXY": PROXY, "ALL_PROXY": PROXY}, ""),
        ("http://[::1]:8001/v1", {"HTTP_PROXY": PROXY}, ""),
        ("http://[::ffff:127.0.0.1]/v1", {"HTTP_PROXY": PROXY}, ""),
        ("http://127.8.8.8/v1", {"HTTP_PROXY": PROXY}, ""),
        ("http://0.0.0.0:1/v1", {"HTTP_PROXY": PROXY}, ""),
        ("http://ollama.localhost/v1", {"HTTP_PROXY": PROXY}, ""),
        ("http://localhost.example/v1", {"HTTP_PROXY": PROXY}, PROXY),
        ("http://192.168.1.5/v1", {"HTTP_PROXY": PROXY}, PROXY),
    ],
)
def test_the_proxy_is_the_one_that_curl_would_take(
    url: str, environ: dict[str, str], proxy: str
) -> None:
    assert proxy_for(url, Env(environ)) == proxy


@pytest.mark.parametrize(
    ("url", "exempt", "direct"),
    [
        (OPENAI, "*", True),
        (OPENAI, "api.openai.com", True),
        (OPENAI, "API.OpenAI.com.", True),
        (OPENAI, "localhost, .openai.com", True),
        (OPENAI, "openai.com", True),
        (OPENAI, "*.openai.com", True),
        (OPENAI, "localhost openai.com", True),
        (OPENAI, "openai.com:443", True),
        (OPENAI, "openai.com:80", False),
        (OPENAI, "ai.com", False),
        (OPENAI, "notopenai.com,com.openai", False),
        (OPENAI, ",,", False),
        ("http://10.1.2.3:8000/v1", "10.0.0.0/8", True),
        ("http://10.1.2.3:8000/v1", "10.1.2.3:8000", True),
        ("http://10.1.2.3:8000/v1", "10.1.2.3:80", False),
        ("http://10.1.2.3/v1", "192.168.0.0/16", False),
        ("http://[2001:db8::1]:8000/v1", "2001:db8::/32", True),
        ("http://[2001:db8::1]:8000/v1", "[2001:db8::1]:8000", True),
        ("http://[2001:db8::1]/v1", "[2001:db8:0::1]", True),
        ("http://xn--bcher-kva.example/v1", "bücher.example", True),
    ],
)
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_what_no_proxy_names_is_asked_directly(
    url: str, exempt: str, direct: bool, name: str
) -> None:
    assert proxy_for(url, Env({"ALL_PROXY": PROXY, name: exempt})) == ("" if direct else PROXY)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize(
    "value",
    [
        "socks://127.0.0.1:1",
        "socks4://127.0.0.1:1",
        "socks5://me:hunter2@127.0.0.1:1",
        "socks5h://127.0.0.1",
        "SOCKS5://x",
        "ftp://hunter2",
        "http://",
        "http://me:hunter2@",
        "http://a b",
        "http://proxy:99999",
        "http://proxy:0",
        "http://proxy/hunter2",
        "http://proxy?hunter2",
        "http://me:hunter2#@proxy",
        "http://me:12/hunter2@proxy",
        "http://a%3Ab:hunter2@proxy",
        "http://me:hunter2–@proxy",
    ],
)
def test_a_proxy_on_the_way_that_cannot_be_used_is_refused_by_name_and_not_repeated(
    name: str, value: str
) -> None:
    with pytest.raises(
        ImproperlyConfigured, match=rf"^{name}.* name api\.openai\.com in NO_PROXY\.$"
    ) as refused:
        proxy_for(OPENAI, Env({name: value}))
    assert "hunter2" not in str(refused.value)


# --- Whole turns ---------------------------------------------------------------------------


@pytest.fixture
def socks() -> Iterator[Listener]:
    with Listener() as listener:
        yield listener


def test_a_turn_goes_through_the_http_proxy_with_its_password(
    start_site: "StartSite", alice: Person, upstream: Upstream
) -> None:
    with Proxy(upstream.port) as proxy:
        site = start_site(
            OPENAI_BASE_URL=LOCAL, http_proxy=f"http://me:p%40ss@127.0.0.1:{proxy.port}"
        )
        with alice.client_on(site).chat(content="hello") as stream:
            stream.read()
            assert stream.text == DEFAULT_TEXT
    (head,) = proxy.heads
    assert head.startswith("POST http://model.example/v1/chat/completions HTTP/1.1\r\n")
    assert f"Proxy-Authorization: Basic {base64.b64encode(b'me:p@ss').decode()}" in head


def test_a_turn_goes_through_a_tunnel_and_the_proxy_sees_no_key(
    start_site: "StartSite", alice: Person, upstream: Upstream, tmp_path: Path
) -> None:
    certificate = certificate_for("model.example", tmp_path)
    with Proxy(upstream.port, certificate) as proxy:
        env: dict[str, Any] = {
            "HTTPS_PROXY": f"http://me:pass@127.0.0.1:{proxy.port}",
            "SSL_CERT_FILE": str(certificate),
        }
        site = start_site(OPENAI_BASE_URL="https://model.example/v1", **env)
        with alice.client_on(site).chat(content="hello") as stream:
            stream.read()
            assert stream.text == DEFAULT_TEXT
    assert [head.split("\r\n")[0] for head in proxy.heads] == ["CONNECT model.example:443 HTTP/1.1"]
    assert f"Proxy-Authorization: Basic {base64.b64encode(b'me:pass').decode()}" in proxy.heads[0]
    assert API_KEY not in proxy.heads[0]


def test_a_proxy_that_lets_nobody_through_is_an_upstream_that_is_away_and_costs_nothing(
    start_site: "StartSite", alice: Person, upstream: Upstream
) -> None:
    with Proxy(upstream.port, refusing=True) as proxy:
        env: dict[str, Any] = {
            "HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}",
            "UPSTREAM_RETRIES": "0",
        }
        site = start_site(OPENAI_BASE_URL="https://model.example/v1", **env)
        with alice.client_on(site).chat(content="hello") as stream:
            stream.read()
            assert stream.named("error")[0]["code"] == "upstream_unavailable"
            assert Usage.objects.get(answer=stream.answer).prompt_tokens == 0
    assert len(proxy.heads) == 1


def test_a_model_on_this_machine_is_asked_directly_whatever_the_proxies(
    start_site: "StartSite", alice: Person, socks: Listener
) -> None:
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
    for scheme in ("socks5", "http", "socks"):
        env: dict[str, Any] = dict.fromkeys(names, f"{scheme}://127.0.0.1:{socks.port}")
        site = start_site(**env)
        with alice.client_on(site).chat(content="hello") as stream:
            stream.read()
            assert stream.text == DEFAULT_TEXT
    assert socks.connections == 0


@pytest.mark.parametrize("command", [["serve"], ["doctor"]])
@pytest.mark.parametrize("scheme", ["socks", "socks5", "socks5h"])
def test_a_socks_proxy_on_the_way_stops_the_start_and_is_sent_nothing(
    environment: "Environment", socks: Listener, command: list[str], scheme: str
) -> None:
    env = {
        **os.environ,
        "OPENAI_BASE_URL": LOCAL,
        "ALL_PROXY": f"{scheme}://127.0.0.1:{socks.port}",
    }
    done = subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert re.fullmatch(
        rf"ALL_PROXY names a {scheme} proxy, which the way to model\.example cannot take\."
        r" [^\n]+\n",
        done.stderr,
    )
    assert (socks.connections, socks.received) == (0, b"")


def test_doctor_asks_through_the_proxy_too(environment: "Environment", upstream: Upstream) -> None:
    with Proxy(upstream.port) as proxy:
        env = {
            **os.environ,
            "OPENAI_BASE_URL": LOCAL,
            "HTTP_PROXY": f"http://127.0.0.1:{proxy.port}",
        }
        done = subprocess.run(
            [sys.executable, "manage.py", "doctor"],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            timeout=90,
        )
    assert "ok    upstream: model.example takes our key" in done.stdout
    assert proxy.heads[0].startswith("GET http://model.example/v1/models HTTP/1.1\r\n")


# --- What else the client reads by itself --------------------------------------------------


def test_what_the_operator_sets_goes_along_and_the_sdks_own_log_stays_off(
    start_site: "StartSite", alice: Person, upstream: Upstream
) -> None:
    key = upstream.key()
    env: dict[str, Any] = {
        "OPENAI_ORG_ID": " org-1 ",
        "OPENAI_PROJECT_ID": "proj-1",
        "OPENAI_CUSTOM_HEADERS": "X-Team: chat",
        "OPENAI_LOG": "debug",
    }
    site = start_site(**env)
    alice.client_on(site).chat(content=f"a secret {key}").read()
    sent = {name.lower(): value for name, value in upstream.requests(key)[0].headers.items()}
    assert (sent["openai-organization"], sent["openai-project"], sent["x-team"]) == (
        "org-1",
        "proj-1",
        "chat",
    )
    assert "a secret" not in site.log()


def test_blanks_that_the_sdk_would_read_are_unset(
    start_site: "StartSite", alice: Person, upstream: Upstream
) -> None:
    key = upstream.key()
    site = start_site(
        OPENAI_ORG_ID=" ",
        OPENAI_PROJECT_ID="",
        OPENAI_CUSTOM_HEADERS="\n",
        OPENAI_ADMIN_KEY="sk–admin",
    )
    alice.client_on(site).chat(content=key).read()
    assert not {"openai-organization", "openai-project"} & {
        name.lower() for name in upstream.requests(key)[0].headers
    }
