// Emphasis next to Chinese, Japanese and Korean characters. The counterpart of
// chat/markdown/cjk.py.

// What Unicode's EastAsianWidth.txt has as wide, fullwidth or halfwidth, emoji left out.
const RANGES = [
  "\\u1100-\\u11ff\\u2e80-\\u303e\\u3040-\\ua4cf\\ua960-\\ua97c\\uac00-\\ud7fb\\uf900-\\ufaff",
  "\\ufe10-\\ufe19\\ufe30-\\ufe6b\\uff01-\\uffee\\u{16fe0}-\\u{1b2ff}\\u{20000}-\\u{3fffd}",
];
export const CJK = new RegExp(`[${RANGES.join("")}]`, "u");

/**
 * Makes `parser` read `*` and `~~` beside CJK text as marks, whatever punctuation is on their other
 * side.
 */
export function readCjkEmphasis(parser) {
  const { isWhiteSpace } = parser.utils;
  parser.inline.State = class extends parser.inline.State {
    scanDelims(start, canSplitWord) {
      const scanned = super.scanDelims(start, canSplitWord);
      const end = start + scanned.length;
      if (!canSplitWord || start === 0 || end >= this.posMax) return scanned;
      const before = characterBefore(this.src, start);
      const after = String.fromCodePoint(this.src.codePointAt(end));
      if (isWhiteSpace(before.codePointAt(0)) || isWhiteSpace(after.codePointAt(0))) return scanned;
      if (CJK.test(before) || CJK.test(after)) {
        return { ...scanned, can_open: true, can_close: true };
      }
      return scanned;
    }
  };
}

function characterBefore(text, position) {
  const isSecondHalf = /[\udc00-\udfff]/.test(text[position - 1]);
  return text.slice(isSecondHalf ? position - 2 : position - 1, position);
}
