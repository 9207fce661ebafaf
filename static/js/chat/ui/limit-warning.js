// A quiet line under the composer when little is left of a limit.

import { limits } from "../api.js";

const MAX_TIMER_MS = 24 * 3600 * 1000; // a timer takes no more than 24.8 days

export class LimitWarning {
  #line;
  #text;
  #timer = 0;

  constructor(line) {
    this.#line = line;
    this.#text = line.querySelector("[data-limit-warning-text]");
  }

  /**
   * Asks what is left, says it if it is little, and asks again when that is over. Never in the way:
   * a failure says nothing.
   */
  async update() {
    clearTimeout(this.#timer);
    const [first] = await this.#ask();
    this.#line.hidden = !first;
    this.#text.textContent = first?.message ?? "";
    if (first) {
      this.#timer = setTimeout(() => this.update(), Math.min(first.resets_in * 1000, MAX_TIMER_MS));
    }
  }

  async #ask() {
    try {
      return (await limits()).warnings;
    } catch {
      return [];
    }
  }
}
