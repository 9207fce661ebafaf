"""What a fake upstream answers to which prompt."""

import itertools
import threading
from collections.abc import Sequence

from tests.harness import wire
from tests.harness.upstream_requests import Request

DEFAULT_PIECES = ("Hello", " from", " the", " fake", " model", ".")
DEFAULT_TEXT = "".join(DEFAULT_PIECES)


class Scripts:
    """Holds scripts by the key that a prompt contains; without one, DEFAULT_TEXT is answered."""

    def __init__(self) -> None:
        super().__init__()
        self._changing = threading.Lock()
        self._scripts: dict[str, list[wire.Script]] = {}
        self._keys = itertools.count(1)

    def key(self) -> str:
        """A word that no other prompt contains."""
        return f"key-{next(self._keys):05d}"

    def script(self, *answers: Sequence[wire.Step], key: str | None = None) -> str:
        """Sets the answers for prompts that contain the key, in order; the last one repeats.

        Returns the key.
        """
        key = key or self.key()
        with self._changing:
            self._scripts[key] = [list(answer) for answer in answers]
        return key

    def script_for(self, request: Request) -> wire.Script:
        with self._changing:
            keys = [key for key in self._scripts if key in request.prompt]
            if not keys:
                return wire.answer(*DEFAULT_PIECES)
            # A prompt that got no answer stands before the next one in the same message: the last
            # key is what is asked.
            answers = self._scripts[
                max(keys, key=lambda key: (request.prompt.rfind(key), len(key)))
            ]
            return answers.pop(0) if len(answers) > 1 else answers[0]
