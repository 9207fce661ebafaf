// Task lists, line breaks in table cells, and links in links. The counterpart of
// chat/markdown/extras.py.

const TASK = /^\[([ xX])\][ \t]+(?=\S)/;
const BREAK = /<br[ \t]*\/?>/iy;

/**
 * Takes `[ ]` and `[x]` off the beginning of list items (a core rule before the inline text is
 * read).
 */
export function findTasks({ tokens }) {
  tokens.forEach((item, index) => {
    if (item.type !== "list_item_open" || tokens[index + 1].type !== "paragraph_open") return;
    const inline = tokens[index + 2];
    const found = TASK.exec(inline.content);
    if (!found) return;
    inline.content = inline.content.slice(found[0].length);
    inline.meta = { done: found[1] !== " " };
    item.attrSet("class", "task");
  });
}

/** Puts a box before the text of those items. */
export function showTasks(state) {
  for (const token of state.tokens) {
    if (token.type !== "inline" || token.meta?.done === undefined) continue;
    const box = new state.Token("task_box", "span", 0);
    box.meta = token.meta;
    token.children.unshift(box);
  }
}

/** Reads `<br>` as one token; what it means depends on where it stands. */
export function htmlBreak(state, silent) {
  BREAK.lastIndex = state.pos;
  const found = BREAK.exec(state.src);
  if (!found || state.pos + found[0].length > state.posMax) return false;
  if (!silent) state.push("html_break", "br", 0).content = found[0];
  state.pos += found[0].length;
  return true;
}

/** Breaks lines in table cells, where Markdown has no other way; elsewhere `<br>` is text. */
export function settleBreaks({ tokens }) {
  tokens.forEach((token, index) => {
    const isCell = index > 0 && ["td_open", "th_open"].includes(tokens[index - 1].type);
    for (const child of token.children ?? []) {
      if (child.type === "html_break") child.type = isCell ? "hardbreak" : "text";
    }
  });
}

/** Says the alignment of table cells by a class. */
export function alignByClass({ tokens }) {
  for (const token of tokens) {
    if (token.type !== "td_open" && token.type !== "th_open") continue;
    const style = token.attrGet("style");
    if (style) token.attrs = [["class", `align-${style.split(":").at(-1)}`]];
  }
}

/** Keeps the outermost of links in links, as of a badge. HTML has none inside another. */
export function flattenLinks(state) {
  for (const block of state.tokens) {
    if (block.children) block.children = [...flat(block.children, state.Token)];
  }
}

function* flat(tokens, Token) {
  let depth = 0;
  for (const token of tokens) {
    const isLink = token.tag === "a";
    if (isLink) depth += token.nesting;
    if (isLink && depth > (token.nesting > 0 ? 1 : 0)) continue;
    yield depth > 0 && token.type === "image" ? imageText(token, Token) : token;
  }
}

function imageText(image, Token) {
  const token = new Token("text", "", 0);
  token.content = labelOf(image);
  return token;
}

/** Returns what stands for an image: its description, or else its address. */
export function labelOf(image) {
  return textOf(image.children ?? []) || (image.attrGet("src") ?? "");
}

function textOf(tokens) {
  return tokens
    .map((token) => (token.children?.length ? textOf(token.children) : token.content))
    .join("");
}

/**
 * Drops the spaces around a heading, as the server does (a core rule before the inline text is
 * read).
 */
export function trimHeadings({ tokens }) {
  tokens.forEach((token, index) => {
    if (token.type === "heading_open" && token.markup.startsWith("#")) {
      tokens[index + 1].content = tokens[index + 1].content.trim();
    }
  });
}
