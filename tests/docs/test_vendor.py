"""Files under static/vendor are as their publishers sent them, and the README names them."""

import hashlib
import re
from pathlib import Path

VENDOR = Path(__file__).resolve().parents[2] / "static" / "vendor"
OURS = {"README.md", "source-sans-3/font.css"}


def test_every_vendored_file_has_the_checksum_that_is_written_down() -> None:
    rows = re.findall(
        r"^\| `([^`]+)` .* `([0-9a-f]{64})` \|$", (VENDOR / "README.md").read_text(), re.MULTILINE
    )
    assert rows
    for name, digest in rows:
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest, name


def test_no_vendored_file_is_unaccounted_for() -> None:
    readme = (VENDOR / "README.md").read_text()
    files = {path.relative_to(VENDOR).as_posix() for path in VENDOR.rglob("*") if path.is_file()}
    assert not [name for name in files - OURS if f"`{name}`" not in readme]
