// Follows one answer to its end, through lost connections: a stream that closes without [DONE] is
// resumed at the cursor.

import { Refusal } from "../api.js";
import { delay, Watchdog } from "./watchdog.js";

const NOTICE_MS = 2_000; // shorter interruptions are not worth telling
const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 15_000;
const MAX_BEGINNINGS = 6; // about 15 s: then whoever asked had better know

/**
 * Dispatches "reconnecting" with true when the connection has been lost for a while, with false
 * when it is back; each event of the answer goes to the function that `run` is given.
 */
export class AnswerStream extends EventTarget {
  #source;
  #turn;
  #answer;
  #onEvent = null;
  #cursor = "";
  #failures = 0;
  #noticeTimer = null;

  /**
   * Takes the AnswerSource, and either `turn`, the body that begins it (with its `turn` id), or
   * `answer`, the id of one that is being written already.
   */
  constructor(source, { turn = null, answer = null }) {
    super();
    this.#source = source;
    this.#turn = turn;
    this.#answer = answer;
  }

  /**
   * Calls `onEvent(name, payload, cursor)` for each event; returns after [DONE]. Throws Refusal
   * when the site turns it down, or TypeError or AbortError when a turn could not be begun.
   */
  async run(onEvent) {
    this.#onEvent = onEvent;
    try {
      for (;;) {
        const retryAfter = await this.#attempt();
        if (retryAfter === "done") return;
        if (retryAfter === "begun") continue;
        this.#connectionLost();
        await this.#pause(retryAfter);
      }
    } finally {
      this.#connectionFound();
    }
  }

  // Returns "done" after [DONE], "begun" when another connection is to go on with what this one
  // began, else seconds to wait, or null.
  async #attempt() {
    const watchdog = new Watchdog();
    const isBeginning = !this.#answer;
    let isShared = false;
    const share = () => {
      isShared = this.#answer !== null; // before that nobody else could go on with it
      if (isShared) watchdog.end();
    };
    try {
      const alone = this.#source.mayReadAlone(watchdog.signal, share);
      alone.catch(() => {}); // nobody waits for it where a turn is turned down
      const events = await this.#open(alone, watchdog);
      this.#connectionFound();
      if (await this.#read(events)) return "done";
      return isBeginning && this.#answer && !(await alone) ? "begun" : null;
    } catch (error) {
      if (isShared) return "begun";
      if (!this.#mayTryAgain(error)) throw error;
      return error.retryAfter ?? null;
    } finally {
      watchdog.end();
    }
  }

  #open(alone, watchdog) {
    return this.#answer
      ? this.#source.resume(this.#answer, this.#cursor, alone, watchdog)
      : this.#source.begin(this.#turn, alone, watchdog);
  }

  // The same turn sent again begins nothing new, so a beginning may be repeated like a reading.
  #mayTryAgain(error) {
    if (!this.#answer && this.#failures + 1 >= MAX_BEGINNINGS) return false;
    if (!(error instanceof Refusal)) return true;
    if (error.code === "internal_error") return error.status >= 500;
    return (
      error.code === "draining" || (this.#answer !== null && [429, 503].includes(error.status))
    );
  }

  async #read(events) {
    for await (const event of events) {
      if (event.data === "[DONE]") return true;
      this.#take(event);
    }
    return false;
  }

  #take({ name, data, id }) {
    const payload = JSON.parse(data);
    if (name === "start") this.#answer = payload.answer;
    if (id) this.#cursor = id;
    if (name === "delta") this.#failures = 0;
    try {
      this.#onEvent(name, payload, id);
    } catch (error) {
      reportError(error); // a fault of the page is no reason to connect again
    }
  }

  #connectionLost() {
    this.#failures += 1;
    this.#noticeTimer ??= setTimeout(() => this.#notify(true), NOTICE_MS);
  }

  #connectionFound() {
    if (this.#noticeTimer === null) return;
    clearTimeout(this.#noticeTimer);
    this.#noticeTimer = null;
    this.#notify(false);
  }

  #notify(isReconnecting) {
    this.dispatchEvent(new CustomEvent("reconnecting", { detail: isReconnecting }));
  }

  // Half fixed, half random, so that all tabs of a site that was away do not come back at once.
  async #pause(retryAfter) {
    const longest = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (this.#failures - 1));
    const pause = retryAfter === null ? longest * (0.5 + Math.random() / 2) : retryAfter * 1000;
    await delay(navigator.onLine ? pause : MAX_PAUSE_MS);
  }
}
