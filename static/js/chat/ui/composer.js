// Where one writes: sending, stopping, and what stands in the way of sending.

import { ComposerAlert } from "./composer-alert.js";
import { hasTouchKeyboard, sendOnEnter } from "./keyboard.js";

/** Dispatches "send" with a prompt that may be sent now, and "stop" for a press on Stop. */
export class Composer extends EventTarget {
  #form;
  #box;
  #send;
  #stop;
  #alert;
  #running = false;

  constructor(form) {
    super();
    this.#form = form;
    this.#box = form.elements.content;
    this.#send = form.querySelector("[data-send]");
    this.#stop = form.querySelector("[data-stop]");
    this.#alert = new ComposerAlert(form.querySelector("[data-alert]"));
    form.noValidate = true; // an empty box is simply not sent
    form.addEventListener("submit", (event) => this.#submitted(event));
    this.#stop.addEventListener("click", () => {
      if (this.#stop.ariaDisabled !== "true") this.dispatchEvent(new CustomEvent("stop"));
    });
    sendOnEnter(this.#box, form);
  }

  /** Whether a turn may be begun: none is running, and no limit is being waited for. */
  get ready() {
    return !this.#running && !this.#alert.isCounting;
  }

  /** The slug that was chosen, or undefined where there is no choice. */
  get model() {
    return this.#form.elements.model?.value;
  }

  /**
   * Puts the focus back into the box, unless that would bring up a touch keyboard over the answer,
   * or take away what is selected in it.
   */
  returnFocus() {
    if (!hasTouchKeyboard() && getSelection().isCollapsed) this.#box.focus();
  }

  /** Shows Stop where Send stands while an answer is being written. */
  setRunning(running) {
    const [appears, goes] = running ? [this.#stop, this.#send] : [this.#send, this.#stop];
    const hadFocus = document.activeElement === goes;
    this.#running = running;
    appears.hidden = false;
    goes.hidden = true;
    this.#showStopping(false);
    if (!hadFocus) return;
    if (hasTouchKeyboard() || !getSelection().isCollapsed) appears.focus();
    else this.#box.focus();
  }

  /**
   * Shows that Stop was pressed; with `again`, that it has not worked so far and may be pressed
   * once more.
   */
  setStopping({ again = false } = {}) {
    this.#showStopping(true, again);
  }

  /** Shows that Stop has not worked, and is not tried any more. */
  setNotStopping() {
    this.#showStopping(false);
  }

  // Not `disabled`: a disabled button loses the focus to nowhere.
  #showStopping(stopping, again = false) {
    this.#stop.setAttribute("aria-disabled", stopping && !again);
    this.#stop.querySelector("[data-stop-label]").textContent = stopping ? "Stopping…" : "Stop";
  }

  /** Puts a prompt that was not sent back into the box, before whatever was typed meanwhile. */
  restore(text) {
    this.#box.value = [text, this.#box.value].filter(Boolean).join("\n\n");
    this.#box.focus();
  }

  /**
   * Says why something was turned down, and offers what mends a refusal of that `code`; with
   * `retryAfter`, counts those seconds down and lets nothing be sent until they are over.
   */
  refuse(message, { code, retryAfter } = {}) {
    this.clearAlert();
    this.#alert.refuse(message, code);
    if (!retryAfter) return;
    this.#send.disabled = true;
    this.#alert.countDown(retryAfter, () => this.clearAlert());
  }

  /**
   * Says what else has not worked, and offers what mends a refusal of that code; "" takes that
   * away.
   */
  notify(message, code) {
    this.#alert.notify(message, code);
  }

  clearAlert() {
    this.#alert.clear();
    this.#send.disabled = false;
  }

  #submitted(event) {
    event.preventDefault();
    const text = this.#box.value;
    if (!this.ready || !text.trim()) return;
    this.#box.value = "";
    this.dispatchEvent(new CustomEvent("send", { detail: text }));
  }
}
