// Link definitions, `[label]: address`: one that nothing refers to is text, and stays visible.
// The counterpart of chat/markdown/definitions.py.

import { linkTokens } from "./urls.js";

const LABEL = /^\[((?:\\.|[^\\\]])*)\]:/s;

/** Gives `known` a memory: what is looked up while `env.recording` is noted in `env.used`. */
export function recording(known, env) {
  return new Proxy(known, {
    get(target, label) {
      const found = target[label];
      if (found && env.recording) env.used.add(label);
      return found;
    },
  });
}

/** Wraps CommonMark's own block rule, `rule`: leaves a token where the definition stands. */
export function definitionRule(rule) {
  return (state, startLine, endLine, silent) => {
    if (!rule(state, startLine, endLine, silent)) return false;
    if (silent) return true;
    const token = state.push("definition", "", 0);
    token.content = state.getLines(startLine, state.line, state.blkIndent, false).trim();
    token.map = [startLine, state.line];
    return true;
  };
}

/** Wraps CommonMark's own inline rule for links or images: notes which definition it used. */
export function recordedRule(rule) {
  return (state, silent) => {
    const before = state.env.recording;
    state.env.recording = !silent;
    const found = rule(state, silent);
    state.env.recording = before;
    return found;
  };
}

/**
 * Makes definitions paragraphs (a core rule), but for those in use that are the first of their
 * label.
 */
export function settleDefinitions(state) {
  const { isTaken, isUsedElsewhere, used } = state.env;
  const seen = new Set();
  state.tokens = state.tokens.flatMap((token) => {
    if (token.type !== "definition") return [token];
    const label = state.md.utils.normalizeReference(LABEL.exec(token.content)?.[1] ?? "");
    const isFirst = !seen.has(label) && !isTaken(label);
    seen.add(label);
    const isHidden = isFirst && (used.has(label) || isUsedElsewhere(label));
    token.meta = { label };
    return isHidden ? [token] : [token, ...paragraph(token, state.Token)];
  });
}

function paragraph(definition, Token) {
  const opening = new Token("paragraph_open", "p", 1);
  const inline = new Token("inline", "", 0);
  const closing = new Token("paragraph_close", "p", -1);
  opening.map = definition.map;
  opening.level = closing.level = definition.level;
  inline.level = definition.level + 1;
  inline.children = definition.content
    .split("\n")
    .flatMap((line) => [...linkTokens(line.trim(), Token), new Token("softbreak", "br", 0)])
    .slice(0, -1);
  return [opening, inline, closing];
}
