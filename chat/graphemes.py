"""Cuts text between what a reader sees as characters.

Pure; imports nothing of the project. Extended grapheme clusters of Unicode's UAX #29, as far as
they matter for cutting: marks, joiners, emoji sequences, flags, Hangul, and the conjuncts of Indic
scripts.
"""

from unicodedata import category, combining

ZWJ = "\N{ZERO WIDTH JOINER}"
_VIRAMA = 9
_MARKS = ("Mn", "Me", "Mc")


def cut(text: str, most: int) -> str:
    """Returns the beginning of the text, at most `most` code points, in whole characters.

    Only a character that is itself longer than `most`, such as a letter with a hundred marks, is
    cut in two.
    """
    if len(text) <= most:
        return text
    end = most
    while end > 0 and _is_inside(text, end):
        end -= 1
    return text[: end or most]


def cut_bytes(text: str, most: int) -> str:
    """Returns the same for at most `most` bytes of UTF-8."""
    return cut(text, len(text.encode()[:most].decode(errors="ignore")))


def _is_inside(text: str, place: int) -> bool:
    """Tells whether the characters before and after the place are seen as one."""
    before, after = text[place - 1], text[place]
    if after == ZWJ or _is_extending(after) or before == ZWJ:
        return True
    if _is_flag_half(before) and _is_flag_half(after):
        return _flag_halves_before(text, place) % 2 == 1
    if combining(before) == _VIRAMA and category(after) == "Lo":
        return True
    return _hangul_goes_on(before, after)


def _is_extending(letter: str) -> bool:
    """Tells whether the character belongs to the one before it.

    Such are marks, variation selectors among them, ZWNJ, the five skin tones, and the tags of
    regional flags.
    """
    return (
        category(letter) in _MARKS
        or "\U0001f3fb" <= letter <= "\U0001f3ff"
        or "\U000e0020" <= letter <= "\U000e007f"
        or letter == "\u200c"
    )


def _is_flag_half(letter: str) -> bool:
    return "\U0001f1e6" <= letter <= "\U0001f1ff"


def _flag_halves_before(text: str, place: int) -> int:
    count = 0
    while count < place and _is_flag_half(text[place - 1 - count]):
        count += 1
    return count


def _hangul_goes_on(before: str, after: str) -> bool:
    """Tells whether a Hangul syllable that is written in parts goes on.

    The parts are a leading consonant, a vowel and a final consonant.
    """
    is_whole, is_open = (
        "가" <= before <= "힣",
        "가" <= before <= "힣" and (ord(before) - 0xAC00) % 28 == 0,
    )
    if "\u1100" <= before <= "\u115f":
        return "\u1100" <= after <= "\u11a7" or "가" <= after <= "힣"
    if is_open or "\u1160" <= before <= "\u11a7":
        return "\u1160" <= after <= "\u11ff"
    return (is_whole or "\u11a8" <= before <= "\u11ff") and "\u11a8" <= after <= "\u11ff"
