// Footnotes: `[^1]` in the text, `[^1]: …` where it is explained. The counterpart of
// chat/markdown/footnotes.py.

const NOTE = /\[\^([^\]\s]{1,100})\]:[ \t]*/y;
const MARK = /\[\^([^\]\s]{1,100})\]/y;
const INDENT = 4;

/** Reads (a block rule) a note and what is indented under it; `env.footnotes` learns it. */
export function footnote(state, startLine, endLine, silent) {
  const start = state.bMarks[startLine] + state.tShift[startLine];
  const found = match(NOTE, state.src, start, state.eMarks[startLine]);
  if (!found || state.sCount[startLine] - state.blkIndent >= 4) return false;
  if (silent) return true;
  state.env.footnotes.add(found[1]);
  const token = state.push("footnote_open", "div", 1);
  token.content = found[1];
  token.map = [startLine, 0];
  readContent(state, startLine, endLine, start + found[0].length);
  state.push("footnote_close", "div", -1);
  token.map[1] = state.line;
  return true;
}

function readContent(state, line, endLine, position) {
  const { parentType } = state;
  const kept = [state.bMarks[line], state.tShift[line], state.sCount[line]];
  [state.bMarks[line], state.tShift[line]] = [position, 0];
  state.blkIndent += INDENT;
  state.sCount[line] = state.blkIndent;
  state.parentType = "footnote";
  state.md.block.tokenize(state, line, endLine);
  state.blkIndent -= INDENT;
  [state.bMarks[line], state.tShift[line], state.sCount[line]] = kept;
  state.parentType = parentType;
}

/** Reads the mark of a note that exists (an inline rule). */
export function footnoteMark(state, silent) {
  if (!state.src.startsWith("[^", state.pos)) return false;
  const found = match(MARK, state.src, state.pos, state.posMax);
  if (!found || !state.env.footnotes.has(found[1])) return false;
  if (!silent) state.push("footnote_mark", "sup", 0).content = found[1];
  state.pos += found[0].length;
  return true;
}

function match(sticky, text, position, end) {
  sticky.lastIndex = position;
  const found = sticky.exec(text);
  return found && position + found[0].length <= end ? found : null;
}
