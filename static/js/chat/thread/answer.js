// One answer on the page, while it grows and when it has ended.

import { identify } from "./branches.js";
import { countdown, formatDuration } from "../ui/countdown.js";
import { MarkdownStream } from "./markdown.js";
import { patchChildren } from "./patch-tree.js";
import { keepReadingPlace } from "./reading-place.js";
import { clone } from "../ui/templates.js";

const WAITS = { waiting: "Waiting for the model…", saving: "Saving…" };
const AWAY = "The model cannot be reached.";
const WHY = {
  upstream_rate_limited: "The model is busy.",
  context_length_exceeded: "The conversation is too long for the model.",
};

export class AnswerView {
  #body;
  #markdown;
  #text = "";
  #progress = "";
  #endCountdown = () => {};

  /** Takes over an element that the server rendered, or makes a new one. */
  constructor(element = clone("answer-template")) {
    this.element = element;
    this.#body = element.querySelector("[data-body]");
    this.#markdown = new MarkdownStream(this.#body);
  }

  get id() {
    return this.element.dataset.answer;
  }

  started(id) {
    this.element.dataset.answer = id;
    identify(this.element, id);
  }

  append(text) {
    this.#text += text;
    this.#markdown.write(text);
    if (this.#progress) this.#showProgress("");
  }

  /**
   * Shows what is being waited for, from a `status` event; it stands there until text comes.
   * Returns the words.
   */
  showStatus({ state, reason, retry_in, model }) {
    const why = WHY[reason] ?? AWAY;
    if (state === "retrying" || (state === "waiting" && retry_in)) {
      return this.#showRetry(why, retry_in);
    }
    return this.#showProgress(
      state === "fallback" ? `${why} Asking ${model} instead…` : WAITS[state],
    );
  }

  /** Returns the words. */
  showReconnecting(reconnecting) {
    return this.#showProgress(reconnecting ? "Reconnecting…" : "");
  }

  /**
   * Shows the end, from the `done` event; `size` is that of the saved text in bytes. Returns the
   * note that is shown, or "".
   */
  finish({ status, usage, html, note }, model, size) {
    this.#markdown.end();
    const finished = document.createElement("template");
    finished.innerHTML = html ?? ""; // rendered and sanitised by the site
    const findPlace = keepReadingPlace(this.#body);
    patchChildren(this.#body, finished.content);
    findPlace();
    this.element
      .querySelector("template[data-source]")
      .content.replaceChildren(firstBytes(this.#text, size));
    this.element.querySelector("[data-usage]").textContent = usageLine(usage, model);
    return this.#end(status, note ?? "");
  }

  /**
   * Shows that the stream is gone for good, and with it the word of how the answer ended. Returns
   * the note.
   */
  connectionLost(message) {
    return this.#end("interrupted", message);
  }

  #end(status, note) {
    this.element.querySelector("[data-note]").textContent = note;
    this.element.dataset.status = status;
    this.#showProgress("");
    return note;
  }

  #showRetry(why, seconds) {
    const end = `${why} Trying again…`;
    if (!seconds) return this.#showProgress(end);
    const first = `${why} Trying again in ${formatDuration(Math.ceil(seconds))}…`;
    this.#showProgress(first);
    this.#endCountdown = countdown(
      seconds,
      (left) => this.#write(`${why} Trying again in ${formatDuration(left)}…`),
      () => this.#write(end),
    );
    return first;
  }

  #showProgress(text = "") {
    this.#endCountdown();
    this.#write(text);
    return text;
  }

  #write(text) {
    this.#progress = text;
    this.element.querySelector("[data-progress-text]").textContent = text;
  }
}

/**
 * Cuts off what was shown and may not be saved, when the worker of an answer was lost: it is not
 * copied either.
 */
function firstBytes(text, size) {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(
    new TextEncoder().encode(text).subarray(0, size),
  );
}

function usageLine(usage, model) {
  if (!usage?.completion_tokens) return "";
  const tokens = `${usage.completion_tokens} tokens${usage.estimated ? " (estimated)" : ""}`;
  return model ? `${model} · ${tokens}` : tokens;
}
