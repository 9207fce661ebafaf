// Asks the site to end an answer, until it has or says that it will not.

import { Refusal, stopAnswer } from "../api.js";

const PAUSE_MS = 1000;
// the site ends an answer within a second; it may wait for its database for 25
const SLOW_MS = 5_000;
const SILENCE_MS = 30_000;
const SLOW = "The site has not answered yet.";

export class StopRequest {
  #answer;
  #onTrouble;
  #attempt = new AbortController();
  #hasEnded = false;
  #isRunning = false;

  /**
   * `onTrouble({message, code, isFinal})`: it has not worked, for the reason given ("" if unknown);
   * unless that is final, it is tried again.
   */
  constructor(answer, onTrouble) {
    this.#answer = answer;
    this.#onTrouble = onTrouble;
  }

  /** Asks; called again, it asks once more without waiting for what is under way. */
  async start() {
    this.#attempt.abort();
    if (this.#isRunning || this.#hasEnded) return;
    this.#isRunning = true;
    // Whoever pressed Stop means it, however long the network is away.
    while (!this.#hasEnded && (await this.#fails())) await this.#pause();
    this.#isRunning = false;
  }

  /** Asks nothing any more: the answer has ended. */
  stop() {
    this.#hasEnded = true;
    this.#attempt.abort();
  }

  // Whether it failed and is to be tried again.
  async #fails() {
    const attempt = (this.#attempt = new AbortController());
    const slow = setTimeout(() => this.#report({ message: SLOW, isFinal: false }), SLOW_MS);
    const silent = setTimeout(() => attempt.abort(), SILENCE_MS);
    try {
      await stopAnswer(this.#answer, attempt.signal);
      return false;
    } catch (error) {
      const isFinal = error instanceof Refusal && error.status < 500 && error.status !== 429;
      const message = error instanceof Refusal ? error.message : "";
      if (!attempt.signal.aborted) this.#report({ message, code: error.code, isFinal });
      return !isFinal;
    } finally {
      clearTimeout(slow);
      clearTimeout(silent);
    }
  }

  #report(trouble) {
    if (!this.#hasEnded) this.#onTrouble(trouble);
  }

  // Cut short by whoever presses again.
  #pause() {
    const { signal } = (this.#attempt = new AbortController());
    return new Promise((resolve) => {
      setTimeout(resolve, PAUSE_MS);
      signal.addEventListener("abort", resolve);
    });
  }
}
