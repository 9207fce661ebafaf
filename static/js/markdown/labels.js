// What the blocks of an answer know of each other: link definitions and footnotes, by label.

import { recording } from "./definitions.js";

const CANDIDATE = /\[((?:[^[\]\\]|\\.){1,999})\]/g;

/**
 * Keeps the labels of all blocks that are settled, and of `tail`, what the parser found in the text
 * after them.
 */
export class Labels {
  #normalize;
  #owners = new Map(); // label of a definition -> the first block that makes it
  #references = Object.create(null); // what these say
  #footnotes = new Set();
  #mentions = new Map(); // label -> the blocks that mention it
  #uses = new Map(); // label -> in how many blocks its definition is used
  #tail = null;
  #states = new Map();

  constructor(normalize) {
    this.#normalize = normalize;
  }

  /**
   * Returns what the parser is told when it reads the text after all settled blocks, and where it
   * leaves what it finds.
   */
  forTail() {
    const env = this.#environment(
      (label) => this.#owners.has(label),
      (label) => this.#uses.get(label) > 0,
    );
    env.own = Object.create(this.#references);
    env.references = recording(env.own, env);
    env.footnotes = new Set(this.#footnotes);
    return env;
  }

  /** Returns the same, to read a settled block again. */
  forBlock(block) {
    const isTaken = (label) => this.#owners.get(label) !== block;
    const isUsed = (label) =>
      this.#uses.get(label) > (block.used.has(label) ? 1 : 0) || this.#tail.used.has(label);
    const env = this.#environment(isTaken, isUsed);
    env.references = recording(Object.create(this.#tail.own), env);
    env.footnotes = new Set(this.#tail.footnotes);
    return env;
  }

  #environment(isTaken, isUsedElsewhere) {
    return { isTaken, isUsedElsewhere, used: new Set(), recording: false };
  }

  /**
   * Settles a block of the tail. `found` is what its tokens define: references by label, and
   * footnotes.
   */
  settle(block, found) {
    for (const [label, reference] of found.references) {
      if (this.#owners.has(label)) continue;
      this.#owners.set(label, block);
      this.#references[label] = reference;
    }
    for (const label of found.footnotes) this.#footnotes.add(label);
    const mentioned = this.#mentioned(block.source);
    for (const label of mentioned) {
      if (!this.#mentions.has(label)) this.#mentions.set(label, []);
      this.#mentions.get(label).push(block);
    }
    block.used = new Set(mentioned.filter((label) => found.used.has(label)));
    this.#count(block.used, 1);
  }

  /**
   * Takes what was read in the tail; returns the settled blocks to which this makes a difference.
   */
  readTail(env) {
    this.#tail = env;
    const before = this.#states;
    this.#states = this.#describe();
    const changed = [...before.keys()].filter((label) => !this.#states.has(label));
    for (const [label, state] of this.#states) if (before.get(label) !== state) changed.push(label);
    return new Set(changed.flatMap((label) => this.#mentions.get(label) ?? []));
  }

  /** Notes what a settled block uses now that it was read again. */
  replaceUses(block, used) {
    this.#count(block.used, -1);
    block.used = used;
    this.#count(used, 1);
  }

  #describe() {
    const states = new Map();
    for (const label in this.#tail.own) {
      const { href, title } = this.#tail.own[label];
      const isUsed = this.#uses.get(label) > 0 || this.#tail.used.has(label);
      states.set(label, JSON.stringify([href, title, isUsed]));
    }
    for (const label of this.#tail.footnotes) states.set(this.#normalize(`^${label}`), "footnote");
    return states;
  }

  #mentioned(source) {
    if (!source.includes("[")) return [];
    return [...new Set([...source.matchAll(CANDIDATE)].map((found) => this.#normalize(found[1])))];
  }

  #count(labels, step) {
    for (const label of labels) this.#uses.set(label, (this.#uses.get(label) ?? 0) + step);
  }
}
