// What stands above the box: why something was turned down, and what else has not worked.

import { countdown, formatDuration } from "./countdown.js";

// Signing in again, or a fresh token, is a page away, and the draft is kept.
const MENDED_BY_RELOADING = ["not_signed_in", "csrf_failed"];

export class ComposerAlert {
  #element;
  #endCountdown = null;
  #notice = document.createElement("p");

  constructor(element) {
    this.#element = element;
  }

  /** Whether seconds are counted down. */
  get isCounting() {
    return this.#endCountdown !== null;
  }

  /** Says why something was turned down, and offers what mends a refusal of that code. */
  refuse(message, code = "") {
    this.clear();
    const text = document.createElement("span");
    text.textContent = message;
    this.#element.replaceChildren(text, " ");
    this.#element.hidden = false;
    if (isMendedByReloading(code)) this.#element.append(reloadLink());
  }

  /** Counts the seconds down behind that, then calls `onEnd`. */
  countDown(seconds, onEnd) {
    const clock = document.createElement("span");
    clock.ariaHidden = "true"; // read out once, not every second
    clock.dataset.countdown = "";
    this.#element.firstElementChild.after(" ", clock);
    const tick = (left) => (clock.textContent = `You can send again in ${formatDuration(left)}.`);
    this.#endCountdown = countdown(seconds, tick, onEnd);
  }

  /**
   * Says something beside what `refuse` may have said, in the place of the last such word, and
   * offers what mends a refusal of that code; "" takes that away.
   */
  notify(message, code = "") {
    this.#notice.remove();
    this.#notice = document.createElement("p");
    this.#notice.append(message, ...(isMendedByReloading(code) ? [" ", reloadLink()] : []));
    if (message) this.#element.append(this.#notice);
    this.#element.hidden = !this.#element.textContent.trim();
  }

  clear() {
    this.#endCountdown?.();
    this.#endCountdown = null;
    this.#element.hidden = true;
    this.#element.replaceChildren();
  }
}

function isMendedByReloading(code) {
  return MENDED_BY_RELOADING.includes(code);
}

function reloadLink() {
  const link = document.createElement("a");
  link.href = location.pathname + location.search;
  link.textContent = "Reload the page; what you wrote is kept.";
  return link;
}
