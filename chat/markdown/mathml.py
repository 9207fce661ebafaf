"""Turns a formula in LaTeX into MathML, which browsers show without a script."""

import re
from html import unescape
from xml.etree.ElementTree import Element, tostring

from latex2mathml.converter import convert_to_element

from chat.markdown.formulas import MAX_FORMULA_CHARS

# Deeper than any real formula, and well inside of what a browser's parser keeps.
MAX_DEPTH = 60
# Definitions can expand without end; the others make links, styles and classes.
_FORBIDDEN = re.compile(
    r"\\(?:(?:re|provide)?newcommand|[gex]?def\b|let\b|Declare|html)"
    r"|\\(?:href|url|style|class)\b",
)
# The converter has the starred environments only.
_INNER = re.compile(r"\\(begin|end)\{(?:(align|gather)ed|split)\}")
# Wider or higher than this, in any unit, a space is there to cover something else.
_MAX_LENGTH = 20
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_ARITY = {
    "mfrac": 2, "mroot": 2, "msub": 2, "msup": 2, "mover": 2, "munder": 2,
    "msubsup": 3, "munderover": 3,
}  # fmt: skip

TAGS = {
    "math", "menclose", "mfrac", "mi", "mn", "mo", "mover", "mpadded", "mphantom", "mroot", "mrow",
    "mspace", "msqrt", "mstyle", "msub", "msubsup", "msup", "mtable", "mtd", "mtext", "mtr",
    "munder", "munderover",
}  # fmt: skip
ATTRIBUTES = {
    "accent", "columnalign", "columnlines", "columnspacing", "depth", "displaystyle", "fence",
    "form", "height", "linebreak", "linethickness", "lspace", "mathbackground", "mathcolor",
    "mathvariant", "maxsize", "minsize", "movablelimits", "notation", "rowlines", "rowspacing",
    "rspace", "scriptlevel", "separator", "stretchy", "voffset", "width",
}  # fmt: skip


def mathml(latex: str, *, is_block: bool) -> str | None:
    """Returns `latex` as a `math` element; None where it is not understood.

    Its `alttext` is the source. Time is linear: about 40 µs a character, and no source is longer
    than MAX_FORMULA_CHARS.
    """
    if len(latex) > MAX_FORMULA_CHARS or _FORBIDDEN.search(latex):
        return None
    source = _INNER.sub(lambda m: f"\\{m[1]}{{{m[2] or 'align'}*}}", latex)
    try:
        tree = convert_to_element(source, display="block" if is_block else "inline")
    except Exception:
        # The converter raises its own errors, and IndexError, KeyError, RecursionError and others.
        return None
    if not _is_sound(tree):
        return None
    _stretch_brackets(tree)
    tree.attrib = {"display": tree.attrib["display"], "alttext": latex.strip()}
    return tostring(tree, encoding="unicode", short_empty_elements=False)


def _stretch_brackets(tree: Element) -> None:
    """Makes the brackets of a matrix as high as it is: the converter leaves them small."""
    for row in tree.iter():
        for first, table, last in zip(row, row[1:], row[2:], strict=False):
            if (first.tag, table.tag, last.tag) == ("mo", "mtable", "mo"):
                first.attrib.update(stretchy="true", fence="true", form="prefix")
                last.attrib.update(stretchy="true", fence="true", form="postfix")


def _is_modest(attributes: dict[str, str]) -> bool:
    lengths = (float(n) for value in attributes.values() for n in _NUMBER.findall(value))
    return attributes.keys() <= ATTRIBUTES and all(length <= _MAX_LENGTH for length in lengths)


def _is_sound(tree: Element) -> bool:
    """Returns whether each element is known, whole and not too deep; unescapes their texts.

    The converter passes on as text, with its backslash, what it does not know.
    """
    waiting = [(tree, 1)]
    has_text = False
    while waiting:
        element, depth = waiting.pop()
        if depth > MAX_DEPTH or len(element) != _ARITY.get(element.tag, len(element)):
            return False
        if element.tag not in TAGS or not (element is tree or _is_modest(element.attrib)):
            return False
        element.text = unescape(element.text or "")
        if element.tag != "mtext" and ("\\" in element.text or element.text == "&"):
            return False
        has_text = has_text or bool(element.text.strip())
        waiting += [(child, depth + 1) for child in element]
    return has_text
