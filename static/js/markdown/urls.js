// Bare web addresses in running text become links. The counterpart of chat/markdown/urls.py.

// An address ends before CJK text, Thai and the other scripts that write no spaces, before brackets
// of any script but ( ) and { }, and before the marks of strong and struck text.
const URL_SOURCE =
  "https?://(?:\\[[0-9a-f:.]+\\]|[A-Za-z0-9\\u00c0-\\u024f\\u0370-\\u0dff])" +
  "(?:(?!\\*\\*|~~)[A-Za-z0-9\\-._~:/?#@!$&()*+,;=%{}\\u00c0-\\u024f\\u0370-\\u0dff])*";
const WORD = /[A-Za-z0-9+.-]/;
const TRAILING = ".,:;!?*_~&$\u060c\u061b\u061f\u0964\u0965";
const BRACKETS = { ")": "(", "}": "{" };

/** Links the address whose colon is at `state.pos` (an inline rule); not inside a link. */
export function bareUrl(state, silent) {
  if (silent || state.linkLevel > 0 || !state.src.startsWith("://", state.pos)) return false;
  const scheme = /https?$/i.exec(state.pending.slice(-5))?.[0];
  if (!scheme) return false;
  const start = state.pos - scheme.length;
  if (start > 0 && WORD.test(state.src[start - 1])) return false;
  const pattern = new RegExp(URL_SOURCE, "iy");
  pattern.lastIndex = start;
  const found = pattern.exec(state.src)?.[0];
  if (!found) return false;
  const url = trimmed(found.slice(0, state.posMax - start));
  state.pending = state.pending.slice(0, -scheme.length);
  state.push("link_open", "a", 1).attrs = [["href", state.md.normalizeLink(url)]];
  state.push("text", "", 0).content = url;
  state.push("link_close", "a", -1);
  state.pos = start + url.length;
  return true;
}

/**
 * Returns it without the punctuation of the sentence around it; a closing bracket stays if the
 * address opened it.
 */
function trimmed(url) {
  const unopened = {};
  for (const [end, begin] of Object.entries(BRACKETS)) {
    unopened[end] = url.split(end).length - url.split(begin).length;
  }
  let length = url.length;
  for (; length > 0; length -= 1) {
    const last = url[length - 1];
    if (unopened[last] > 0) unopened[last] -= 1;
    else if (!TRAILING.includes(last)) break;
  }
  return url.slice(0, length);
}

/** Returns tokens of `text` with its addresses linked, and nothing else read as a mark. */
export function linkTokens(text, Token) {
  const tokens = [];
  let position = 0;
  for (const found of text.matchAll(new RegExp(URL_SOURCE, "gi"))) {
    const url = trimmed(found[0]);
    tokens.push(textToken(text.slice(position, found.index), Token), ...linked(url, Token));
    position = found.index + url.length;
  }
  return [...tokens, textToken(text.slice(position), Token)];
}

function linked(url, Token) {
  const opening = new Token("link_open", "a", 1);
  opening.attrs = [["href", url]];
  return [opening, textToken(url, Token), new Token("link_close", "a", -1)];
}

function textToken(content, Token) {
  const token = new Token("text", "", 0);
  token.content = content;
  return token;
}
