// Tokens -> elements. Nothing is ever parsed as HTML: text becomes text nodes, and only the
// elements below exist.

import { labelOf } from "./extras.js";
import { CLOSING } from "./formulas.js";
import { isSafe } from "./grammar.js";

const TAGS = new Set(
  "a blockquote em h1 h2 h3 h4 h5 h6 li ol p s strong table tbody td th thead tr ul".split(" "),
);
const LANGUAGE = /^[\p{L}\p{N}_+#.-]{1,30}/u;

/** Builds what the server's renderer would; `codeBlock()` makes an empty block of code. */
export class DomBuilder {
  #codeBlock;

  constructor(codeBlock) {
    this.#codeBlock = codeBlock;
  }

  /** Returns the nodes of these tokens, in order. */
  build(tokens) {
    const root = this.#build(tokens);
    root.normalize(); // as a parser of HTML makes them: no two text nodes side by side
    return [...root.childNodes];
  }

  #build(tokens) {
    const root = document.createDocumentFragment();
    let place = root;
    for (const token of tokens) {
      if (token.hidden) continue;
      if (token.type === "inline") place.append(this.#build(token.children));
      else if (token.nesting > 0) place = open(place, token);
      else if (token.nesting < 0) place = close(place, token);
      else place.append(...this.#leaf(token));
    }
    return root;
  }

  #leaf(token) {
    const make = LEAVES[token.type];
    if (make) return make(token);
    if (token.type === "fence" || token.type === "code_block") return [this.#code(token)];
    return [token.content];
  }

  #code({ type, content, info }) {
    const block = this.#codeBlock();
    const language = type === "fence" && LANGUAGE.exec(info.trim());
    if (language) block.querySelector("span").textContent = language[0];
    block.querySelector("code").textContent = content;
    return block;
  }
}

const LEAVES = {
  text: ({ content }) => [content],
  softbreak: () => [element("br"), "\n"],
  hardbreak: () => [element("br"), "\n"],
  hr: () => [element("hr")],
  code_inline: ({ content }) => [element("code", { text: content })],
  image: (token) => [image(token)],
  math_inline: (token) => [element("span", { class: "formula", text: sourceOf(token, "") })],
  math_block: (token) => [
    element("div", { class: "formula-block", tabindex: 0, text: sourceOf(token, "\n") }),
  ],
  footnote_mark: ({ content }) => [
    element("sup", { class: "footnote-mark", text: `[${content}]` }),
  ],
  task_box: ({ meta }) => [taskBox(meta.done), " "],
  definition: () => [], // a paragraph follows it where it is shown
  as_written: ({ content }) => [asWritten(content)],
};

function open(place, token) {
  if (token.type === "table_open") return openTable(place);
  if (token.type === "footnote_open") return openFootnote(place, token.content);
  if (!TAGS.has(token.tag)) throw new Error(`an element that no answer has: ${token.tag}`);
  const opened = element(token.tag);
  for (const [name, value] of token.attrs ?? []) setAttribute(opened, name, value);
  place.append(opened);
  return opened;
}

function close(place, token) {
  const isWrapped = token.type === "table_close" || token.type === "footnote_close";
  return isWrapped ? place.parentNode.parentNode : place.parentNode;
}

function openTable(place) {
  // so that the keyboard can scroll it
  const scroll = element("div", { class: "table-scroll", tabindex: 0 });
  const table = element("table");
  scroll.append(table);
  place.append(scroll);
  return table;
}

function openFootnote(place, label) {
  const note = element("div", { class: "footnote" });
  const content = element("div");
  note.append(element("span", { class: "footnote-label", text: `[${label}]` }), content);
  place.append(note);
  return content;
}

function setAttribute(target, name, value) {
  if (name === "href") setAddress(target, value);
  else if (name === "title" || name === "start" || name === "class")
    target.setAttribute(name, value);
}

function setAddress(link, address) {
  if (isSafe(address) && URL.canParse(address)) link.setAttribute("href", address);
  link.target = "_blank";
  link.rel = "noopener noreferrer nofollow";
}

/** Makes a link to an image, which is never loaded. */
function image(token) {
  const link = element("a", { text: labelOf(token) });
  setAddress(link, token.attrGet("src") ?? "");
  return link;
}

function sourceOf({ markup, content, meta }, gap) {
  return markup + gap + content + (meta?.open ? "" : gap + CLOSING[markup]);
}

function taskBox(isDone) {
  const box = element("span", { class: "task-box", role: "img", text: isDone ? "☑" : "☐" });
  box.ariaLabel = isDone ? "Done" : "To do";
  return box;
}

/** Shows text that is not formatted, as the server shows it. */
export function asWritten(text) {
  const block = element("pre");
  block.append(element("code", { text }));
  return block;
}

function element(tag, { text = "", ...attributes } = {}) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text) made.textContent = text;
  return made;
}
