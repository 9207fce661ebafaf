"""docs/providers.md names whom the tests play, and the tests play whom it names."""

import re
from pathlib import Path

import pytest

from tests.harness.upstream_quirks.refusals import REFUSALS
from tests.harness.upstream_quirks.stream_quirks import QUIRKS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "providers.md"
PLAYED = {entry.provider for table in (QUIRKS, REFUSALS) for entry in table.values()}
# Nobody in particular.
ANONYMOUS = {
    "any",
    "any proxy",
    "any server",
    "home-made servers",
    "hotels",
    "proxies in JavaScript",
    "servers in Go",
    "servers in Rust",
    "several",
    "small models",
    "unknown",
}


def rows() -> list[tuple[str, list[str]]]:
    """Each provider of the table with the words of its last column."""
    found = re.findall(r"^\|([^|]+)\|[^|]+\|[^|]*\| `([^`|]+)` \|$", PAGE.read_text(), re.MULTILINE)
    return [(name.strip(), words.split(" or ")) for name, words in found]


def is_meant(word: str, provider: str) -> bool:
    return word.lower() in provider.lower()


def test_the_table_is_read() -> None:
    assert len(rows()) == PAGE.read_text().count("\n| ") - 1


@pytest.mark.parametrize(("name", "words"), rows(), ids=[name for name, _ in rows()])
def test_provider_that_the_page_names_is_played(name: str, words: list[str]) -> None:
    assert all(any(is_meant(word, provider) for provider in PLAYED) for word in words)


@pytest.mark.parametrize("provider", sorted(PLAYED - ANONYMOUS))
def test_provider_that_is_played_stands_on_the_page(provider: str) -> None:
    assert any(is_meant(word, provider) for _, words in rows() for word in words)
