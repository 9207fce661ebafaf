// The messages on the page, in order.

import { identify } from "./branches.js";
import { clone } from "./templates.js";

export class Thread {
  #element;
  #empty;

  constructor(element) {
    this.#element = element;
    this.#empty = element.querySelector("[data-empty]");
  }

  /** The id of the last message: what the next prompt follows; null in a new conversation. */
  get lastId() {
    return this.#element.querySelector(".message:last-of-type")?.dataset.answer ?? null;
  }

  /** An answer that was being written when the page was rendered, or null. */
  get streamingAnswer() {
    return this.#element.querySelector('.answer[data-status="streaming"][data-answer]:not([data-answer=""])');
  }

  append(...messages) {
    this.#empty.hidden = true;
    this.#element.append(...messages);
  }

  /** Takes `message` and all that follow it off the page; returns a function that puts them back in the place of what came instead. */
  cutFrom(message) {
    const messages = [...this.#element.querySelectorAll(".message")];
    const cut = messages.slice(messages.indexOf(message));
    cut.forEach((each) => each.remove());
    return () => this.append(...cut);
  }

  /** Undoes `append`. */
  remove(...messages) {
    messages.forEach((message) => message.remove());
    this.#empty.hidden = this.#element.querySelector(".message") !== null;
  }
}

export function makePrompt(text, parent) {
  const element = clone("prompt-template");
  element.querySelector("[data-text]").textContent = text;
  element.dataset.parent = parent ?? "";
  return element;
}

export function identifyPrompt(element, id) {
  element.dataset.prompt = id;
  identify(element, id);
}
