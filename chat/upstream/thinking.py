"""Takes what a model thinks in tags out of its text. Pure; imports nothing of the project.

Servers without a reasoning parser pass a model's own tags on in `content`:
DeepSeek-R1, Qwen and most others write <think>, Gemini <thought>, Magistral
[THINK], Kimi ◁think▷, Seed-OSS <seed:think>, Command A <|START_THINKING|>,
gpt-oss a channel called analysis. They open an answer; further down a tag is
something that the answer is about.
"""

import re

_TAGS = {
    **{f"<{name}>": f"</{name}>" for name in ("think", "thinking", "thought", "reasoning", "reason", "seed:think")},
    "[think]": "[/think]",
    "◁think▷": "◁/think▷",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|start_thinking|>": "<|end_thinking|>",
    "<|channel|>analysis<|message|>": "<|channel|>final<|message|>",
}
_MAX_OPENING = max(map(len, _TAGS))
_MAX_CLOSING = max(map(len, _TAGS.values()))
_OPENINGS = {re.compile(re.escape(opening), re.I): closing for opening, closing in _TAGS.items()}


class ThinkingFilter:
    """Splits an answer's text, given in pieces of any size, into what is said and what is thought."""

    def __init__(self) -> None:
        self._held = ""
        self._closing: str | None = None
        self._thoughts: list[str] = []
        self._has_thought = False
        self._speaking = False

    @property
    def speaking(self) -> bool:
        """Whether the answer itself has begun: from here on every piece is text as it is."""
        return self._speaking

    def feed(self, piece: str) -> tuple[str, int]:
        """Returns what of the pieces so far is now known to be text, and how many characters were thought."""
        if self._speaking:
            return piece, 0
        self._held += piece
        thought = 0
        while self._closing is not None or self._open():
            characters, closed = self._take_thoughts()
            thought += characters
            if not closed:
                return "", thought
        if self._may_become_tag():
            return "", thought
        self._speaking = True
        text, self._held = self._held, ""
        # Blank lines behind the thoughts set them apart from the answer; they are not part of it.
        return (text.lstrip() if self._has_thought else text), thought

    def rest(self, *, complete: bool) -> str:
        """Returns what was held back, at the end of the answer.

        Of a model that `complete`d its answer and never closed its tag, the thoughts are the
        answer: better shown than lost.
        """
        held, closing = self._held, self._closing
        self._held, self._closing = "", None
        if closing is None:
            return "" if self._has_thought and not held.strip() else held
        return ("".join(self._thoughts) + held).strip() if complete else ""

    def _open(self) -> bool:
        """Whether the held text begins with a tag, which is then taken."""
        start = self._held.lstrip()
        for opening, closing in _OPENINGS.items():
            if found := opening.match(start):
                self._held, self._closing = start[found.end() :], closing
                self._has_thought = True
                return True
        return False

    def _take_thoughts(self) -> tuple[int, bool]:
        """Moves thoughts out of the held text; returns how many characters, and whether the tag is closed."""
        assert self._closing is not None
        found = re.search(re.escape(self._closing), self._held, re.I)
        if found is None:
            # The end may be the first half of the closing tag.
            end = max(0, len(self._held) - _MAX_CLOSING)
            self._thoughts.append(self._held[:end])
            self._held = self._held[end:]
            return end, False
        self._thoughts.clear()
        self._held, self._closing = self._held[found.end() :], None
        return found.start(), True

    def _may_become_tag(self) -> bool:
        start = self._held.lstrip()
        return not start or (len(start) < _MAX_OPENING and any(tag.startswith(start.lower()) for tag in _TAGS))
