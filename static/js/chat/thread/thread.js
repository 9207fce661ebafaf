// The messages on the page, in order.

import { identify } from "./branches.js";
import { clone } from "../ui/templates.js";

export class Thread {
  #element;
  #empty;
  #earlier;

  constructor(element) {
    this.#element = element;
    this.#empty = element.querySelector("[data-empty]");
    this.#earlier = element.querySelector("[data-earlier]");
  }

  /** The id of the last message: what the next prompt follows; null in a new conversation. */
  get lastId() {
    return this.#element.querySelector("[data-message]:last-of-type")?.dataset.answer ?? null;
  }

  /** An answer that was being written when the page was rendered, or null. */
  get streamingAnswer() {
    return this.#element.querySelector(
      '[data-status="streaming"][data-answer]:not([data-answer=""])',
    );
  }

  /** Returns the status of that answer as it is shown; undefined where it is not. */
  statusOf(answer) {
    return this.#messages.find((message) => message.dataset.answer === answer)?.dataset.status;
  }

  append(...messages) {
    this.#empty.hidden = true;
    this.#element.append(...messages);
  }

  /**
   * Takes `message` and all that follow it off the page; returns a function that puts them back in
   * the place of what came instead.
   */
  cutFrom(message) {
    const cut = this.#messages.slice(this.#messages.indexOf(message));
    cut.forEach((each) => each.remove());
    return () => this.append(...cut);
  }

  /** Undoes `append`. */
  remove(...messages) {
    messages.forEach((message) => message.remove());
    this.#empty.hidden = this.#messages.length > 0;
  }

  clear() {
    this.#earlier.hidden = true;
    this.remove(...this.#messages);
  }

  /**
   * Takes over a fresh rendering of the same conversation. Up to the first difference all stays as
   * it is, and so does who reads it.
   */
  update(rendered) {
    this.#showEarlier(rendered.querySelector("[data-earlier]"));
    const [old, fresh] = [this.#messages, messagesIn(rendered)];
    const different = fresh.findIndex((message, place) => !isSame(message, old[place]));
    const same = different < 0 ? fresh.length : different;
    this.remove(...old.slice(same));
    fresh.slice(same).forEach((message) => message.querySelector("noscript")?.remove());
    if (fresh.length > same) this.append(...fresh.slice(same));
  }

  // The link to what a long conversation has above what is shown.
  #showEarlier(rendered) {
    this.#earlier.replaceWith(rendered);
    this.#earlier = rendered;
  }

  get #messages() {
    return messagesIn(this.#element);
  }
}

function messagesIn(element) {
  return [...element.querySelectorAll("[data-message]")];
}

function isSame(one, other) {
  return (
    other &&
    one.id === other.id &&
    ["status", "place", "count", "newest"].every((key) => one.dataset[key] === other.dataset[key])
  );
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
