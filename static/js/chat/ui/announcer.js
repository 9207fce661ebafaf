// What a screen reader hears of an answer: whole sentences, never tokens.

const SENTENCE_END = /[.!?:…。！？](?=\s)|\n/g;
const PAUSE_MS = 1500;

export class Announcer {
  #region;
  #unsaid = "";
  #timer = null;

  constructor(region) {
    this.#region = region;
  }

  /** Takes a piece of an answer; what it completes is announced a moment later. */
  add(text) {
    this.#unsaid += text;
    this.#timer ??= setTimeout(() => this.#sayComplete(), PAUSE_MS);
  }

  /** Says the rest, for the answer has ended, and `note` if there is one. */
  end(note = "") {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.say([this.#unsaid, note].filter(Boolean).join(" "));
    this.#unsaid = "";
  }

  #sayComplete() {
    this.#timer = null;
    const end = [...this.#unsaid.matchAll(SENTENCE_END)].at(-1);
    if (!end) return;
    const cut = end.index + end[0].length;
    this.say(this.#unsaid.slice(0, cut));
    this.#unsaid = this.#unsaid.slice(cut);
  }

  /** Announces `text` at once, unless it is blank. */
  say(text) {
    if (!text.trim()) return;
    const line = document.createElement("p");
    line.textContent = text.replace(/[*_`#>|]+/g, "");
    this.#region.append(line);
    while (this.#region.childElementCount > 5) this.#region.firstElementChild.remove();
  }
}
