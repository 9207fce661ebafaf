// Which Markdown is read. The counterpart of chat/markdown/grammar.py: a rule that changes here
// changes there.

import MarkdownIt from "../../vendor/markdown-it/markdown-it.js";
import { readCjkEmphasis } from "./cjk.js";
import { definitionRule, recordedRule, settleDefinitions } from "./definitions.js";
import {
  alignByClass,
  findTasks,
  flattenLinks,
  htmlBreak,
  settleBreaks,
  showTasks,
  trimHeadings,
} from "./extras.js";
import { footnote, footnoteMark } from "./footnotes.js";
import { mathBlock, mathInline } from "./formulas.js";
import { rememberLines } from "./memory.js";
import { bareUrl } from "./urls.js";

export const MAX_NESTING = 20;
const SAFE_URL = /^(?:https?:\/\/|mailto:)/i;
const INTERRUPTS = { alt: ["paragraph", "reference", "blockquote", "list"] };

/** Makes a markdown-it parser; only its tokens are used, never its HTML. */
export function grammar() {
  const parser = new MarkdownIt("commonmark", {
    html: false,
    breaks: true,
    maxNesting: MAX_NESTING,
  });
  parser.enable(["table", "strikethrough"]);
  parser.validateLink = isSafe;
  readCjkEmphasis(parser);
  rememberLines(parser);
  const spare = new MarkdownIt("commonmark");
  addBlocks(parser.block.ruler, (name) => ruleOf(spare.block.ruler, name));
  addInlines(parser.inline.ruler, (name) => ruleOf(spare.inline.ruler, name));
  addSteps(parser.core.ruler);
  return parser;
}

export function isSafe(url) {
  return SAFE_URL.test(url);
}

function addBlocks(ruler, original) {
  ruler.before("fence", "math_block", mathBlock, INTERRUPTS);
  ruler.at("reference", definitionRule(original("reference")));
  ruler.before("reference", "footnote", footnote, INTERRUPTS);
}

function addInlines(ruler, original) {
  ruler.before("escape", "math_inline", mathInline);
  ruler.at("link", recordedRule(original("link")));
  ruler.at("image", recordedRule(original("image")));
  ruler.before("link", "footnote_mark", footnoteMark);
  ruler.before("autolink", "html_break", htmlBreak);
  ruler.after("text", "bare_url", bareUrl);
}

function addSteps(ruler) {
  ruler.before("inline", "find_tasks", findTasks);
  ruler.before("inline", "trim_headings", trimHeadings);
  ruler.after("inline", "flatten_links", flattenLinks);
  ruler.after("inline", "settle_definitions", settleDefinitions);
  ruler.after("inline", "align_by_class", alignByClass);
  ruler.after("inline", "settle_breaks", settleBreaks);
  ruler.after("inline", "show_tasks", showTasks);
}

/** Returns one of markdown-it's own rules, to be wrapped. */
function ruleOf(ruler, name) {
  ruler.enableOnly(name);
  return ruler.getRules("")[0];
}
