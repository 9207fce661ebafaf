"""The settings of the site as a process of their own loads them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def start(data_dir: Path, names: list[str], **settings: str) -> subprocess.CompletedProcess[str]:
    """A process that loads the settings and prints those named, as JSON."""
    known = re.findall(
        r'\benv\.\w+\(\s*"([A-Z_]+)"', (ROOT / "chatsite" / "settings.py").read_text()
    )
    unset = {variant: "" for name in known for variant in (name, f"{name}_FILE")}
    env = os.environ | unset | {"DATA_DIR": str(data_dir)} | settings
    code = (
        "import json; from chatsite import settings; print(json.dumps([getattr(settings, name) for"
        f" name in {names!r}], default=str))"
    )
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, timeout=30
    )


def load(data_dir: Path, *names: str, **settings: str) -> list[Any]:
    done = start(data_dir, list(names), **settings)
    assert done.returncode == 0, done.stderr
    loaded: list[Any] = json.loads(done.stdout)
    return loaded


def refusal(data_dir: Path, **settings: str) -> str:
    """The sentence with which the settings stop the start."""
    done = start(data_dir, [], **settings)
    assert done.returncode == 1
    return (
        done.stderr.strip()
        .splitlines()[-1]
        .removeprefix("django.core.exceptions.ImproperlyConfigured: ")
    )
