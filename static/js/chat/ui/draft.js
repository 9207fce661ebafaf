// What was typed and not sent survives a reload, a look at another conversation and having to sign
// in again: in this tab, for this person.

import { wellFormed } from "../well-formed.js";

const GUEST = "guest";

export class Draft {
  #box;
  #person;
  #conversation;
  #kept = { key: "", text: "" };

  /**
   * `box`: where one types; `person`: whose drafts these are; `conversation()`: the id of the
   * conversation that is shown, "" for a new one.
   */
  constructor(box, person, conversation) {
    this.#box = box;
    this.#person = person;
    this.#conversation = conversation;
  }

  /**
   * Puts back what was kept, unless the browser has done so. What a guest wrote goes with them when
   * they sign in.
   */
  restore() {
    const drafts = [this.#person, GUEST]
      .map((person) => this.#key(person))
      .map((key) => ({ key, text: read(key) }));
    this.#kept = drafts.find(({ text }) => text) ?? this.#kept;
    this.#box.value ||= this.#kept.text;
  }

  keep() {
    const draft = {
      key: this.#key(this.#person),
      text: this.#box.value.trim() && wellFormed(this.#box.value),
    };
    if (draft.text === this.#kept.text && draft.key === this.#kept.key) return;
    // What began as a guest's, or in a conversation that had no id yet, moves.
    if (this.#kept.text) write(this.#kept.key, "");
    if (draft.text) write(draft.key, draft.text);
    this.#kept = draft;
  }

  /** Forgets all, for the person signs out: the next one to use the tab finds nothing. */
  forgetAll() {
    this.#box.value = "";
    attempt(() => sessionStorage.clear());
  }

  #key(person) {
    return `draft:${person}:${this.#conversation()}`;
  }
}

function read(key) {
  return attempt(() => sessionStorage.getItem(key)) ?? "";
}

function write(key, text) {
  attempt(() => (text ? sessionStorage.setItem(key, text) : sessionStorage.removeItem(key)));
}

// Storage may be blocked, or full: then there are no drafts.
function attempt(access) {
  try {
    return access();
  } catch {
    return undefined;
  }
}
