// Formulas: `$…$`, `$$…$$`, `\(…\)` and `\[…\]`, told from money, variables and escapes.
// The counterpart of chat/markdown/formulas.py.

import { CJK } from "./cjk.js";

export const CLOSING = { $: "$", $$: "$$", "\\(": "\\)", "\\[": "\\]" };
const MAX_FORMULA_CHARS = 2000;
const ALNUM = /[A-Za-z0-9]/;
// In dollars: “5 and 10”, or two words in a row, is a sentence between two sums of money.
const PROSE = /^[0-9.,]+\s+\p{L}{2}|\p{L}{2},?\s+\p{L}{2}/u;
const MARKS = /[\\^_=+*/<>|{}()0-9-]/;
// `\[1\]` and `\[word\]` are brackets that somebody escaped.
const LATEX = /^\s|[\\^_=]/;

/**
 * Reads a formula that stands alone (a block rule): `$$` or `\[` alone on a line opens a formula, a
 * line that ends with its counterpart closes it.
 */
export function mathBlock(state, startLine, endLine, silent) {
  const opening = lineOf(state, startLine);
  if ((opening !== "$$" && opening !== "\\[") || state.sCount[startLine] - state.blkIndent >= 4) {
    return false;
  }
  const last = closingLine(state, startLine, endLine, CLOSING[opening]);
  if (last === null) return false;
  if (silent) return true;
  const isOpen = last === endLine;
  const source = state
    .getLines(startLine + 1, isOpen ? last : last + 1, state.blkIndent, false)
    .trim();
  const token = state.push("math_block", "", 0);
  token.content = isOpen ? source : source.slice(0, -CLOSING[opening].length).trim();
  token.markup = opening;
  token.meta = { open: isOpen };
  state.line = isOpen ? last : last + 1;
  token.map = [startLine, state.line];
  return true;
}

/**
 * `endLine` where the text ends before the formula does, null where a blank line says that it was
 * none.
 */
function closingLine(state, startLine, endLine, closing) {
  for (let line = startLine + 1; line < endLine; line += 1) {
    if (state.isEmpty(line) || state.sCount[line] < state.blkIndent) return null;
    if (lineOf(state, line).endsWith(closing)) return line;
  }
  return endLine;
}

function lineOf(state, line) {
  return state.src
    .slice(state.bMarks[line] + state.tShift[line], state.eMarks[line])
    .replace(/[ \t]+$/, "");
}

/** Reads a formula in a line (an inline rule). */
export function mathInline(state, silent) {
  const opening = openingAt(state);
  if (!opening) return false;
  const start = state.pos + opening.length;
  const end = endOf(state, opening, start);
  if (end === null || !isFormula(opening, state.src.slice(start, end))) return false;
  if (!silent) {
    const token = state.push("math_inline", "", 0);
    token.content = state.src.slice(start, end);
    token.markup = opening;
  }
  state.pos = end + opening.length;
  return true;
}

function openingAt({ src, pos }) {
  const two = src.slice(pos, pos + 2);
  if (two === "\\(" || two === "\\[") return two;
  if (two[0] !== "$") return "";
  if (pos > 0 && (src[pos - 1] === "$" || ALNUM.test(src[pos - 1]))) return "";
  return two === "$$" ? "$$" : "$";
}

function endOf(state, opening, start) {
  const closing = CLOSING[opening];
  const window = state.src.slice(start, Math.min(state.posMax, start + MAX_FORMULA_CHARS));
  let end = window.indexOf(closing);
  while (end > 0 && closing !== "\\)" && window[end - 1] === "\\") {
    end = window.indexOf(closing, end + 1);
  }
  if (end <= 0) return null;
  const after = state.src.slice(start + end + closing.length, start + end + closing.length + 1);
  if (opening === "$" && (after === "$" || ALNUM.test(after))) return null;
  return start + end;
}

function isFormula(opening, content) {
  const trimmed = content.trim();
  if (!trimmed) return false;
  if (opening === "$") return isDollarFormula(content);
  if (opening === "\\[") return LATEX.test(content) && /[\p{L}\p{N}]/u.test(content);
  return opening === "\\(" || MARKS.test(content) || [...trimmed].length <= 3;
}

function isDollarFormula(content) {
  if (content.includes("\n") || content !== content.trim()) return false;
  return content.includes("\\") || !(CJK.test(content) || PROSE.test(content));
}
