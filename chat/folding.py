"""Text for comparison regardless of upper and lower case, in any script.

Pure; imports nothing of the project. Neither database can do it by itself: SQLite's LIKE knows the
case of ASCII alone, and so does PostgreSQL where its locale is C. So what is searched is stored
folded, beside the text.
"""

from bisect import bisect_right
from functools import partial
from unicodedata import normalize

# Turkish has two letters for the i of other languages: İ folds to an i with a dot above, ı to
# itself.
_TURKISH = str.maketrans({"ı": "i"})
_DOTTED_I = "i\N{COMBINING DOT ABOVE}"


def fold(text: str) -> str:
    """Returns the text for comparison, equal for texts that differ only in case or encoding.

    This is Unicode's compatibility caseless matching (The Unicode Standard, 3.13, D147), which also
    ignores width and how accents are composed. The result is composed again, to be short; and i is
    i, with and without its dot.
    """
    folded = normalize("NFKC", normalize("NFKD", normalize("NFD", text).casefold()).casefold())
    return normalize("NFKC", folded.replace(_DOTTED_I, "i").translate(_TURKISH))


def stored_fold(text: str) -> str:
    """Returns the fold to store beside a text: "" for ASCII, whose case databases know."""
    return "" if text.isascii() else fold(text)


def find_folded(text: str, query: str) -> tuple[int, int] | None:
    """Returns where the query first stands in the text, regardless of case.

    Start and end are in characters; None where it does not stand there.
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
    """Returns the most characters of the text that fold to no more than `size`.

    It may search by halves: a longer text never has a shorter fold.
    """
    if _folded_size(text, size) == size < _folded_size(text, size + 1):
        return size  # so it is in most texts: each letter folds to one
    return bisect_right(range(len(text) + 1), size, key=partial(_folded_size, text)) - 1


def _folded_size(text: str, end: int) -> int:
    return len(fold(text[:end]))
