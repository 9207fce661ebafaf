"""The hook of CONTRIBUTING.md takes the messages that it asks for, and no others."""

import subprocess
from pathlib import Path

import pytest

HOOK = Path(__file__).resolve().parents[2] / ".githooks" / "commit-msg"


def is_accepted(message: str, folder: Path) -> bool:
    file = folder / "COMMIT_EDITMSG"
    file.write_text(message)
    return subprocess.run([HOOK, file], capture_output=True).returncode == 0


@pytest.mark.parametrize(
    "message",
    [
        "limits: Give back a window that another gate refused\n",
        "page: Show “Try now”\n\nThe page said when it tries next, and gave no way to try.\n",
        "chat/upstream: Read a list of parts\n\n# a comment of git\n",
        f"tests: {'A' * 65}\n",
        "Merge branch 'main'\n",
    ],
)
def test_a_message_of_the_right_form_is_accepted(message: str, tmp_path: Path) -> None:
    assert is_accepted(message, tmp_path)


@pytest.mark.parametrize(
    "message",
    [
        "Fix things\n",
        "limits: give back a window\n",
        "Limits: Give back a window\n",
        "limits: Give back a window.\n",
        "limits: Give back a window\nand a slot\n",
        f"tests: {'A' * 66}\n",
        "\n",
    ],
)
def test_any_other_message_is_refused(message: str, tmp_path: Path) -> None:
    assert not is_accepted(message, tmp_path)
