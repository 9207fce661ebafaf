// Where one writes: sending, stopping, and what stands in the way of sending.

import { countdown, formatDuration } from "./countdown.js";

const TOUCH = matchMedia("(pointer: coarse) and (not (any-pointer: fine))");

export class Composer {
  #form;
  #box;
  #send;
  #stop;
  #alert;
  #running = false;
  #endCountdown = null;
  #notice = document.createElement("p");

  /** `onSend(text)` is called for a prompt that may be sent now, `onStop()` for a press on Stop. */
  constructor(form, { onSend, onStop }) {
    this.#form = form;
    this.#box = form.elements.content;
    this.#send = form.querySelector("[data-send]");
    this.#stop = form.querySelector("[data-stop]");
    this.#alert = form.querySelector("[data-alert]");
    form.noValidate = true; // an empty box is simply not sent
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.ready && this.#box.value.trim()) onSend(this.#take());
    });
    this.#stop.addEventListener("click", () => this.#stop.ariaDisabled === "true" || onStop());
    sendOnEnter(this.#box, form);
  }

  /** Whether a turn may be begun: none is running, and no limit is being waited for. */
  get ready() {
    return !this.#running && !this.#endCountdown;
  }

  /** The slug that was chosen, or undefined where there is no choice. */
  get model() {
    return this.#form.elements.model?.value;
  }

  focus() {
    this.#box.focus();
  }

  /** Back to the box, unless that would bring up a touch keyboard over the answer, or take away what is selected in it. */
  returnFocus() {
    if (!TOUCH.matches && getSelection().isCollapsed) this.focus();
  }

  /** While an answer is being written, Stop stands where Send does. */
  setRunning(running) {
    const [appears, goes] = running ? [this.#stop, this.#send] : [this.#send, this.#stop];
    const hadFocus = document.activeElement === goes;
    this.#running = running;
    appears.hidden = false;
    goes.hidden = true;
    this.#sayStopping(false);
    if (!hadFocus) return;
    if (TOUCH.matches || !getSelection().isCollapsed) appears.focus();
    else this.focus();
  }

  /** Stop was pressed; with `again`, it has not worked so far and may be pressed once more. */
  setStopping({ again = false } = {}) {
    this.#sayStopping(true, again);
  }

  /** Stop has not worked, and nobody tries any more. */
  setNotStopping() {
    this.#sayStopping(false);
  }

  // Not `disabled`: a disabled button loses the focus to nowhere.
  #sayStopping(stopping, again = false) {
    this.#stop.setAttribute("aria-disabled", stopping && !again);
    this.#stop.querySelector("[data-stop-label]").textContent = stopping ? "Stopping…" : "Stop";
  }

  /** Puts a prompt that was not sent back into the box, before whatever was typed meanwhile. */
  restore(text) {
    this.#box.value = [text, this.#box.value].filter(Boolean).join("\n\n");
    this.focus();
  }

  /** Says why something was turned down; with seconds, counts them down and lets nothing be sent until they are over. */
  refuse(message, seconds) {
    this.clearAlert();
    const [text, clock] = [document.createElement("span"), document.createElement("span")];
    text.textContent = message;
    // Read out once, not every second.
    clock.ariaHidden = "true";
    clock.dataset.countdown = "";
    this.#alert.replaceChildren(text, " ", clock);
    this.#alert.hidden = false;
    if (!seconds) return;
    this.#send.disabled = true;
    const tick = (left) => (clock.textContent = `You can send again in ${formatDuration(left)}.`);
    this.#endCountdown = countdown(seconds, tick, () => this.clearAlert());
  }

  /** Adds to what `refuse` has said a link to this page, which leads to signing in where that is what is missing. */
  offerReload() {
    this.#alert.append(reloadLink());
  }

  /** Says something beside what `refuse` may have said, in the place of the last such word; "" takes that away. */
  notify(message, { offerReload = false } = {}) {
    this.#notice.remove();
    this.#notice = document.createElement("p");
    this.#notice.append(message, ...(offerReload ? [" ", reloadLink()] : []));
    if (message) this.#alert.append(this.#notice);
    this.#alert.hidden = !this.#alert.textContent.trim();
  }

  clearAlert() {
    this.#endCountdown?.();
    this.#endCountdown = null;
    this.#send.disabled = false;
    this.#alert.hidden = true;
    this.#alert.replaceChildren();
  }

  #take() {
    const text = this.#box.value;
    this.#box.value = "";
    return text;
  }
}

function reloadLink() {
  const link = document.createElement("a");
  link.href = location.pathname + location.search;
  link.textContent = "Reload the page; what you wrote is kept.";
  return link;
}

/** Enter submits the form, Shift+Enter breaks the line; on a touch keyboard, which has no Shift+Enter, Enter breaks it. */
export function sendOnEnter(box, form) {
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || TOUCH.matches) return;
    event.preventDefault();
    form.requestSubmit();
  });
}
