// Markdown shown as it grows. Nothing here is ever parsed as HTML: text becomes text nodes, and only the elements below exist.

import * as smd from "../../vendor/streaming-markdown/smd.js";
import { clone } from "./templates.js";

const ORDINARY = /^[\p{Letter}\p{Number}.,;?]+$/u;
const SAFE_URL = /^(?:https?:\/\/|mailto:)/i;
// What the server's renderer leaves as it was written: shown with its marks.
const PLAIN = new Map([
  [smd.EQUATION_BLOCK, "$$"],
  [smd.EQUATION_INLINE, "$"],
]);

/** Writes Markdown into `container`, at most once a frame. */
export class MarkdownStream {
  #container;
  #renderer;
  #parser;
  #tail = new Text();
  #pending = "";
  #frame = null;

  constructor(container) {
    this.#container = container;
    this.#renderer = rendererInto(container);
    this.#parser = smd.parser(this.#renderer);
  }

  write(text) {
    this.#pending += text;
    this.#frame ??= requestAnimationFrame(() => this.#flush());
  }

  /** Drops what is not shown yet: the finished text is about to take its place. */
  end() {
    if (this.#frame !== null) cancelAnimationFrame(this.#frame);
    this.#frame = null;
  }

  #flush() {
    this.#frame = null;
    const text = this.#pending;
    this.#pending = "";
    try {
      if (this.#parser) this.#parse(text);
      else this.#container.append(text);
    } catch {
      // Nested deeper than the parser can count: plain text until the server's rendering comes.
      this.#parser = null;
      this.#container.append(text);
    }
  }

  // The parser holds back its last character, in case it begins a mark; an ordinary one is shown for the time being.
  #parse(text) {
    this.#tail.remove();
    smd.parser_write(this.#parser, text);
    const { nodes, index } = this.#renderer.data;
    this.#tail.data = this.#parser.pending;
    if (index > 0 && ORDINARY.test(this.#parser.pending)) nodes[index].append(this.#tail);
  }
}

function rendererInto(container) {
  const renderer = smd.default_renderer(container);
  const { add_token: addPlainToken, end_token: endPlainToken } = renderer;
  const open = (data, element, inner = element) => {
    data.nodes[data.index].append(element);
    data.nodes[++data.index] = inner;
  };
  renderer.add_token = (data, token) => {
    if (token === smd.IMAGE || token === smd.LINK || token === smd.RAW_URL) open(data, link());
    else if (token === smd.CODE_FENCE || token === smd.CODE_BLOCK) openCode(data, open);
    else if (token === smd.TABLE) openTable(data, open);
    else if (token === smd.CHECKBOX) open(data, plain("[ ]"));
    else if (PLAIN.has(token)) open(data, plain(PLAIN.get(token), PLAIN.get(token)));
    else addPlainToken(data, token);
  };
  renderer.end_token = (data) => {
    const element = data.nodes[data.index];
    if (element.dataset.closing) element.append(element.dataset.closing);
    endPlainToken(data);
  };
  renderer.set_attr = (data, attribute, value) => setAttribute(data.nodes[data.index], attribute, value);
  return renderer;
}

function link() {
  const element = document.createElement("a");
  element.rel = "noopener noreferrer nofollow";
  element.target = "_blank";
  return element;
}

function plain(opening, closing = "") {
  const element = document.createElement("span");
  element.textContent = opening;
  element.dataset.closing = closing;
  return element;
}

function openCode(data, open) {
  const block = clone("code-template");
  open(data, block, block.querySelector("code"));
}

function openTable(data, open) {
  const scroll = document.createElement("div");
  scroll.className = "table-scroll";
  scroll.tabIndex = 0; // so that the keyboard can scroll it
  scroll.append(document.createElement("table"));
  open(data, scroll, scroll.firstElementChild);
}

function setAttribute(element, attribute, value) {
  if (attribute === smd.LANG) element.closest(".code-block").querySelector(".code-language").textContent = value;
  else if (attribute === smd.START) element.setAttribute("start", value);
  else if (attribute === smd.CHECKED) element.textContent = "[x]";
  else if (SAFE_URL.test(value)) element.href = value; // of a link, or of an image, which is never loaded
}
