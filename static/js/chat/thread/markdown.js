// Markdown shown as it grows. Nothing here is ever parsed as HTML: see ../markdown/dom.js.

import { DomBuilder } from "../../markdown/dom.js";
import { LiveDocument } from "../../markdown/live-document.js";
import { clone } from "../ui/templates.js";

// What a reader gets at once when they come back to a long answer is shown in pieces: no frame
// waits for all of it.
const CHARS_A_FRAME = 8_000;
// A frame that took time is followed by a pause this many times as long, so that the page stays
// free; after some that took too long the rest of the answer waits for the server's rendering at
// the end.
const PAUSE = 3;
const SHORT_MS = 8;
const TOO_LONG_MS = 250;
const TOO_MANY = 5;

/** Writes Markdown into `container`, at most once a frame. */
export class MarkdownStream {
  #container;
  #document = null; // most answers of a page are finished, and need none
  #pending = "";
  #afterReturn = false;
  #longFrames = 0;
  #cancel = null;

  constructor(container) {
    this.#container = container;
  }

  write(text) {
    this.#pending += text;
    this.#cancel ??= nextFrame(() => this.#flush());
  }

  /** Shows at once all that was written. */
  flush() {
    while (this.#pending) this.#show();
  }

  /** Drops what is not shown yet: the finished text is about to take its place. */
  end() {
    this.#cancel?.();
    this.#pending = "";
  }

  #flush() {
    const begin = performance.now();
    this.#show();
    const spent = performance.now() - begin;
    if (spent > TOO_LONG_MS) this.#longFrames += 1;
    if (this.#longFrames >= TOO_MANY) this.#document.stopFormatting();
    this.#cancel = null;
    if (this.#pending) this.#cancel = nextFrame(() => this.#flush());
    // timers know whole milliseconds
    else if (spent > SHORT_MS) this.#pause(Math.ceil(spent * PAUSE));
  }

  #pause(milliseconds) {
    const timer = setTimeout(() => {
      this.#cancel = null;
      if (this.#pending) this.#cancel = nextFrame(() => this.#flush());
    }, milliseconds);
    this.#cancel = () => clearTimeout(timer);
  }

  #show() {
    const text = this.#pending.slice(0, CHARS_A_FRAME);
    this.#pending = this.#pending.slice(CHARS_A_FRAME);
    // A line feed after a carriage return, even in the next piece, is a part of the same line
    // break.
    const whole = this.#afterReturn ? text.replace(/^\n/, "") : text;
    this.#afterReturn = text.endsWith("\r");
    this.#document ??= new LiveDocument(
      this.#container,
      new DomBuilder(() => clone("code-template")),
    );
    this.#document.append(whole.replace(/\r\n?/g, "\n"));
  }
}

function nextFrame(callback) {
  const frame = requestAnimationFrame(callback);
  return () => cancelAnimationFrame(frame);
}
