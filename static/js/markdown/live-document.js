// A text that grows, and what is shown of it. All top-level blocks but the last are settled:
// nothing that is written later changes where they begin and end, so only the last one is read
// again. A settled block is read again only where a link definition or a footnote comes to which it
// refers.

import { asWritten } from "./dom.js";
import { MAX_NESTING, grammar } from "./grammar.js";
import { Labels } from "./labels.js";
import { patch, replaceNodes } from "./patch.js";

// As chat/markdown/render.py has them: from the line on in which these are used up, text is shown
// as it was written.
const MAX_MARKUP_CHARS = 40_000;
const MAX_CHARS = 1_000_000;
const MARKUP = /[\n[\]()!*_~`|<>&:\\#+=$-]/g;
// One block that is longer, and blocks that are read again more often, wait for the server's
// rendering at the end.
const MAX_TAIL_CHARS = 60_000;
const MAX_READ_AGAIN_CHARS = 200_000;
const ROUNDS = 3;

export class LiveDocument {
  #container;
  #builder;
  #parser = grammar();
  #labels = new Labels(this.#parser.utils.normalizeReference);
  #blocks = [];
  #tail = "";
  #marks = 0;
  #length = 0;
  #rest = null; // the text node of what is shown as it was written
  #readAgain = 0;

  constructor(container, builder) {
    this.#container = container;
    this.#builder = builder;
  }

  /** Adds `text`, with line feeds as its only line breaks, and shows it. */
  append(text) {
    if (this.#rest) return this.#rest.appendData(text);
    const end = this.#tail.length + text.length;
    const formatted = this.#formattedEnd(text);
    this.#tail += text;
    if (formatted < end) this.#giveUp(formatted);
    else if (end > MAX_TAIL_CHARS + text.length) this.#giveUp(end);
    else this.#read();
    return undefined;
  }

  /** Shows what comes as it was written: formatting it takes too long. */
  stopFormatting() {
    if (!this.#rest) this.#giveUp(this.#tail.length);
  }

  /** Returns up to where the tail with `text` behind it is formatted. */
  #formattedEnd(text) {
    const whole = this.#tail + text;
    for (const mark of text.matchAll(MARKUP)) {
      this.#marks += 1;
      if (this.#marks > MAX_MARKUP_CHARS) return startOfLine(whole, this.#tail.length + mark.index);
    }
    this.#length += text.length - (text.match(/[\udc00-\udfff]/g)?.length ?? 0);
    const over = this.#length - MAX_CHARS;
    return over > 0 ? startOfLine(whole, whole.length - over) : whole.length;
  }

  #giveUp(position) {
    const rest = this.#tail.slice(position);
    this.#tail = this.#tail.slice(0, position);
    this.#read();
    const block = asWritten("");
    this.#rest = block.firstChild.appendChild(new Text(rest));
    this.#container.append(block);
  }

  #read() {
    const env = this.#readTail();
    const waiting = this.#labels.readTail(env);
    if (waiting.size === 0) return;
    this.#refresh(waiting, env);
    // What it defines may be used now, and then it is not shown.
    if (Object.keys(env.own).length > 0) this.#labels.readTail(this.#readTail());
  }

  #readTail() {
    const env = this.#labels.forTail();
    const groups = this.#parse(this.#tail, env);
    const settled = this.#settledCount(groups);
    this.#show(groups);
    this.#settle(groups.slice(0, settled), env);
    return env;
  }

  /** Returns the top-level blocks of `source`, each with its tokens and lines. */
  #parse(source, env) {
    const groups = [];
    const lines = source.split("\n");
    let tokens = [];
    let depth = 0;
    for (const token of this.#parser.parse(source, env)) {
      tokens.push(token);
      depth += token.nesting;
      if (depth > 0) continue;
      // A definition and the paragraph that shows it are one block.
      const last = groups.at(-1);
      if (last?.isDefinition && last.start === tokens[0].map?.[0]) last.tokens.push(...tokens);
      else groups.push(group(tokens, lines));
      tokens = [];
    }
    return groups;
  }

  #show(groups) {
    for (const block of groups) block.nodes = this.#builder.build(block.tokens);
    const standing = patch(
      this.#container,
      this.#firstOfTail(),
      groups.flatMap(({ nodes }) => nodes),
    );
    for (const block of groups) block.nodes = standing.splice(0, block.nodes.length);
  }

  #firstOfTail() {
    const last = this.#blocks.findLast(({ nodes }) => nodes.length > 0);
    return last ? last.nodes.at(-1).nextSibling : this.#container.firstChild;
  }

  /**
   * Returns how many blocks will not change any more: all before the last one that begins in whole
   * lines.
   */
  #settledCount(groups) {
    const wholeLines = this.#tail.split("\n").length - 1;
    // A table begins in the line before the one that makes it a table.
    let count = groups.findLastIndex(({ start }) => start + 1 < wholeLines);
    while (count > 0 && belongTogether(groups[count - 1], groups[count], wholeLines)) count -= 1;
    return Math.max(count, 0);
  }

  #settle(groups, env) {
    if (groups.length === 0) return;
    for (const block of groups) {
      this.#labels.settle(block, { ...definedIn(block, env), used: env.used });
      delete block.tokens;
      this.#blocks.push(block);
    }
    this.#tail = this.#tail.split("\n").slice(groups.at(-1).end).join("\n");
  }

  #refresh(blocks, env) {
    let waiting = blocks;
    for (let round = 0; round < ROUNDS && waiting.size > 0; round += 1) {
      for (const block of waiting) this.#readBlockAgain(block);
      waiting = this.#labels.readTail(env);
    }
  }

  #readBlockAgain(block) {
    this.#readAgain += block.source.length;
    if (this.#readAgain > MAX_READ_AGAIN_CHARS) return;
    const env = this.#labels.forBlock(block);
    // The blank lines: what is settled does not go on.
    const tokens = this.#parse(`${block.source}\n\n`, env).flatMap((part) => part.tokens);
    const after = block.nodes.at(-1)?.nextSibling ?? this.#firstNodeAfter(block);
    block.nodes = replaceNodes(this.#container, block.nodes, this.#builder.build(tokens), after);
    this.#labels.replaceUses(block, env.used);
  }

  #firstNodeAfter(block) {
    const position = this.#blocks.indexOf(block);
    const next = this.#blocks.slice(position + 1).find(({ nodes }) => nodes.length > 0);
    return next ? next.nodes[0] : this.#firstOfTail();
  }
}

function group(tokens, lines) {
  const [start, end] = tokens[0].map ?? [0, 0];
  const source = lines.slice(start, end).join("\n");
  const isTooDeep = tokens.some(({ level }) => level >= MAX_NESTING - 1);
  const shown = isTooDeep ? [{ type: "as_written", nesting: 0, content: source }] : tokens;
  return {
    tokens: shown,
    start,
    end,
    source,
    isDefinition: tokens[0].type === "definition",
    used: new Set(),
  };
}

/** Tells whether two blocks, side by side, may still become one. */
function belongTogether(first, second, wholeLines) {
  if (first.end !== second.start) return false;
  // The next lines may be the definition's title; a formula that is not closed was none.
  const isOpenFormula =
    second.tokens[0].type === "math_block" &&
    (second.tokens[0].meta.open || second.end > wholeLines);
  return first.isDefinition || isOpenFormula;
}

function definedIn({ tokens }, env) {
  const labels = tokens.filter(({ type }) => type === "definition").map(({ meta }) => meta.label);
  const references = labels
    .filter((label) => env.own[label])
    .map((label) => [label, env.own[label]]);
  const footnotes = tokens
    .filter(({ type }) => type === "footnote_open")
    .map(({ content }) => content);
  return { references, footnotes };
}

function startOfLine(text, position) {
  return text.lastIndexOf("\n", position - 1) + 1;
}
