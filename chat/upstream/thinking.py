"""Takes what a model thinks in tags out of its text. Pure; imports nothing of the project.

Servers without a reasoning parser pass a model's tags on in `content`: DeepSeek-R1, Qwen and most
others write <think>, Gemini <thought>, Magistral [THINK], Kimi ◁think▷, Seed-OSS <seed:think>,
Command A <|START_THINKING|>, gpt-oss a channel called analysis. Only a tag at the beginning of an
answer counts; a later one is something that the answer is about.
"""

import re

_NAMES = ("think", "thinking", "thought", "reasoning", "reason", "seed:think", "longcat_think")
_TAGS = {
    **{f"<{name}>": f"</{name}>" for name in _NAMES},
    "[think]": "[/think]",
    "◁think▷": "◁/think▷",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|start_thinking|>": "<|end_thinking|>",
    "<|channel|>analysis<|message|>": "<|channel|>final<|message|>",
}
_MAX_STARTING = max(map(len, (*_TAGS, *_TAGS.values())))
# A closing tag may have blanks in it.
_MAX_CLOSING = max(map(len, _TAGS.values())) + 4
_MAX_ATTRIBUTES = 200
_ATTRIBUTES = rf"\s[^<>]{{0,{_MAX_ATTRIBUTES}}}"
_OPENED = re.compile(rf"<(?:{'|'.join(_NAMES)}){_ATTRIBUTES}", re.I)


def _opening(tag: str) -> re.Pattern[str]:
    """Returns the pattern of a tag; one in angle brackets may have attributes."""
    pattern = (
        rf"{re.escape(tag[:-1])}(?:{_ATTRIBUTES})?>"
        if tag[0] == "<" and tag[1:-1] in _NAMES
        else re.escape(tag)
    )
    return re.compile(pattern, re.I)


def _closing(tag: str) -> re.Pattern[str]:
    pattern = (
        rf"{re.escape(tag[:-1])}\s{{0,4}}>"
        if tag[0] == "<" and tag[2:-1] in _NAMES
        else re.escape(tag)
    )
    return re.compile(pattern, re.I)


_OPENINGS = {_opening(opening): _closing(closing) for opening, closing in _TAGS.items()}
# An answer may begin with a closing tag: the template has opened the thoughts, and the model had
# none.
_CLOSINGS = tuple(_OPENINGS.values())
_STARTS = tuple({*_TAGS, *_TAGS.values()})


class ThinkingFilter:
    """Splits an answer's text, given in pieces of any size, into text and thinking."""

    def __init__(self) -> None:
        self._held = ""
        self._closing: re.Pattern[str] | None = None
        self._thoughts: list[str] = []
        self._has_thought = False
        self._speaking = False

    @property
    def speaking(self) -> bool:
        """Returns whether the answer has begun: all further pieces are text as they are."""
        return self._speaking

    def feed(self, piece: str) -> tuple[str, int]:
        """Returns what is now known to be text, and the number of characters of thinking."""
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
        # Blank lines after the thoughts set them apart from the answer; they are not part of it.
        return (text.lstrip() if self._has_thought else text), thought

    def rest(self, *, complete: bool) -> str:
        """Returns the text that was held back, at the end of the answer.

        Where a model has `complete`d its answer and never closed its tag, the thoughts are the
        answer: better shown than lost.
        """
        held, closing = self._held, self._closing
        self._held, self._closing = "", None
        if closing is None:
            return "" if self._has_thought and not held.strip() else held
        return ("".join(self._thoughts) + held).strip() if complete else ""

    def _open(self) -> bool:
        """Returns whether the held text begins with a tag, which is then taken."""
        start = self._held.lstrip()
        for opening, closing in _OPENINGS.items():
            if found := opening.match(start):
                self._held, self._closing = start[found.end() :], closing
                self._has_thought = True
                return True
        if closed := next(filter(None, (closing.match(start) for closing in _CLOSINGS)), None):
            self._held, self._has_thought = start[closed.end() :], True
            return self._open()
        return False

    def _take_thoughts(self) -> tuple[int, bool]:
        """Moves thoughts out of the held text.

        Returns how many characters that were, and whether the tag is closed.
        """
        assert self._closing is not None
        found = self._closing.search(self._held)
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
        if _OPENED.fullmatch(start):
            return True
        return not start or (
            len(start) < _MAX_STARTING and any(tag.startswith(start.lower()) for tag in _STARTS)
        )
