"""Text as it is compared: without regard to upper and lower case, in any script. Pure; imports
nothing of the project.

Neither database can do it by itself: SQLite's LIKE knows the case of ASCII alone, and so does
PostgreSQL where its locale is C. So what is searched is stored folded, beside the text.
"""

from bisect import bisect_right
from functools import partial
from unicodedata import normalize

# Turkish has two letters of which other languages have one: İ folds to an i with a dot above, ı to
# itself.
_TURKISH = str.maketrans({"ı": "i"})
_DOTTED_I = "i\N{COMBINING DOT ABOVE}"


def fold(text: str) -> str:
    """The text for comparing, equal for texts that differ in case, width, or how accents are
    composed.

    Unicode's compatibility caseless matching (The Unicode Standard, 3.13, D147), composed again so
    that it stays short; and i is i, with and without its dot.
    """
    folded = normalize("NFKC", normalize("NFKD", normalize("NFD", text).casefold()).casefold())
    return normalize("NFKC", folded.replace(_DOTTED_I, "i").translate(_TURKISH))


def stored_fold(text: str) -> str:
    """What is stored beside a text: "" for one in ASCII, of which both databases know the case."""
    return "" if text.isascii() else fold(text)


def find_folded(text: str, query: str) -> tuple[int, int] | None:
    """Where in the text the query stands first, without regard to case: start and end in
    characters; None where it does not.
    """
    folded, wanted = fold(text), fold(query)
    start = folded.find(wanted) if wanted else -1
    if start < 0:
        return None
    size = start + len(wanted)
    end = _last_within(text, size)
    # Half of a letter that folds to two is the whole letter.
    return _last_within(text, start), end if len(fold(text[:end])) == size else end + 1


def _last_within(text: str, size: int) -> int:
    """The most characters of the text that fold to no more than `size`; the longer a text, the
    longer its fold.
    """
    if _folded_size(text, size) == size < _folded_size(text, size + 1):
        return size  # as in most texts, where each letter folds to one
    return bisect_right(range(len(text) + 1), size, key=partial(_folded_size, text)) - 1


def _folded_size(text: str, end: int) -> int:
    return len(fold(text[:end]))
