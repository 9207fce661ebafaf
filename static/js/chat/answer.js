// One answer on the page, while it grows and when it has ended.

import { identify } from "./branches.js";
import { MarkdownStream } from "./markdown.js";
import { clone } from "./templates.js";

const NOTES = { stopped: "You stopped this answer.", interrupted: "This answer broke off.", failed: "No answer came." };

export class AnswerView {
  #body;
  #markdown;
  #text = "";
  #status = "";
  #error = "";

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
    if (this.#status) this.#showProgress("");
  }

  /** What is being waited for, from a `status` event. */
  showStatus({ state, retry_in, model }) {
    if (state === "retrying") this.#showProgress(retry_in ? `The model is busy; trying again in ${Math.ceil(retry_in)} s…` : "Trying again…");
    else if (state === "fallback") this.#showProgress(`Asking ${model} instead…`);
    else this.#showProgress(state === "saving" ? "Saving…" : "Waiting for the model…");
  }

  showReconnecting(reconnecting) {
    this.#showProgress(reconnecting ? "Reconnecting…" : "");
  }

  /** From an `error` event: what went wrong, for the note under the answer. */
  failed({ message }) {
    this.#error = message;
  }

  /** From the `done` event. Returns the note that is shown, or "". */
  finish({ status, finish_reason, usage, html }, model) {
    this.#markdown.end();
    const finished = document.createElement("template");
    finished.innerHTML = html ?? ""; // rendered and sanitised by the site
    this.#body.replaceChildren(finished.content);
    this.element.querySelector("template[data-source]").content.replaceChildren(this.#text);
    this.element.querySelector("[data-usage]").textContent = usageLine(usage, model);
    return this.#end(status, [NOTES[status], this.#error].filter(Boolean).join(" ") || lengthNote(finish_reason));
  }

  /** The stream is gone for good, and with it the word of how the answer ended. Returns the note. */
  lose(message) {
    return this.#end("interrupted", message);
  }

  #end(status, note) {
    this.element.querySelector("[data-note]").textContent = note;
    this.element.dataset.status = status;
    this.#showProgress("");
    return note;
  }

  #showProgress(text) {
    this.#status = text;
    this.element.querySelector("[data-progress-text]").textContent = text;
  }
}

function lengthNote(reason) {
  return reason === "length" ? "The answer has reached its length limit." : "";
}

function usageLine(usage, model) {
  if (!usage?.completion_tokens) return "";
  const tokens = `${usage.completion_tokens} tokens${usage.estimated ? " (estimated)" : ""}`;
  return model ? `${model} · ${tokens}` : tokens;
}
