// Follows one answer to its end, through lost connections: a stream that closes without [DONE] is resumed at the cursor.

import { answerStream, Refusal } from "./api.js";
import { beginTurn } from "./begin.js";
import { EventDecoder } from "./sse.js";

const SILENCE_MS = 45_000; // the site says something every 15 s; three misses mean that the connection is dead
const QUIET_MS = 20_000; // after one miss whoever is back does not wait for two more
const NOTICE_MS = 2_000; // shorter interruptions are not worth telling
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
const MOST_BEGINNINGS = 6; // about 15 s: then whoever asked had better know

export class AnswerStream {
  #answer;
  #turn;
  #onEvent;
  #onReconnecting;
  #cursor = "";
  #failures = 0;
  #noticeTimer = null;

  /** `turn`: the body that begins it, with its `turn` id, or null where `answer` (its id) is known already. */
  constructor({ turn = null, answer = null, onEvent, onReconnecting }) {
    this.#turn = turn;
    this.#answer = answer;
    this.#onEvent = onEvent;
    this.#onReconnecting = onReconnecting;
  }

  /** Returns after [DONE]. Throws Refusal when the site turns it down, or TypeError or AbortError when a turn could not be begun. */
  async run() {
    try {
      for (;;) {
        const retryAfter = await this.#attempt();
        if (retryAfter === "done") return;
        this.#lost();
        await this.#pause(retryAfter);
      }
    } finally {
      this.#found();
    }
  }

  async #attempt() {
    const watchdog = new Watchdog();
    try {
      const response = await this.#open(watchdog.signal);
      this.#found();
      return (await this.#read(response, watchdog)) ? "done" : null;
    } catch (error) {
      if (!this.#mayTryAgain(error)) throw error;
      return error.retryAfter ?? null;
    } finally {
      watchdog.end();
    }
  }

  async #open(signal) {
    const response = await (this.#answer ? answerStream(this.#answer, this.#cursor, signal) : beginTurn(this.#turn, signal));
    // The sign-in page of a hotel's network, say: not a word of the site's.
    if (!response.headers.get("Content-Type")?.startsWith("text/event-stream")) throw new TypeError("no event stream");
    return response;
  }

  // The same turn sent again begins nothing new, so a beginning may be repeated like a reading.
  #mayTryAgain(error) {
    if (!this.#answer && this.#failures + 1 >= MOST_BEGINNINGS) return false;
    if (!(error instanceof Refusal)) return true;
    if (error.code === "internal_error") return error.status >= 500;
    return error.code === "draining" || (this.#answer !== null && [429, 503].includes(error.status));
  }

  async #read(response, watchdog) {
    const decoder = new EventDecoder();
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return false;
      watchdog.feed();
      for (const event of decoder.push(value)) {
        if (event.data === "[DONE]") return true;
        this.#take(event);
      }
    }
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

  #lost() {
    this.#failures += 1;
    this.#noticeTimer ??= setTimeout(() => this.#onReconnecting(true), NOTICE_MS);
  }

  #found() {
    if (this.#noticeTimer === null) return;
    clearTimeout(this.#noticeTimer);
    this.#noticeTimer = null;
    this.#onReconnecting(false);
  }

  // Half fixed, half random, so that all tabs of a site that was away do not come back at once.
  async #pause(retryAfter) {
    const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (this.#failures - 1));
    const pause = retryAfter === null ? longest * (0.5 + Math.random() / 2) : retryAfter * 1000;
    await waited(navigator.onLine ? pause : LONGEST_PAUSE_MS);
  }
}

/** Aborts `signal` when nothing has fed it for SILENCE_MS; for QUIET_MS when a laptop wakes up, whose timers have slept along with it. */
class Watchdog {
  #controller = new AbortController();
  #timer;
  #fedAt;

  constructor() {
    this.feed();
    onReturn(() => Date.now() - this.#fedAt > QUIET_MS && this.#controller.abort(), this.signal);
  }

  get signal() {
    return this.#controller.signal;
  }

  feed() {
    this.#fedAt = Date.now();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#controller.abort(), SILENCE_MS);
  }

  /** The connection is no longer wanted. */
  end() {
    clearTimeout(this.#timer);
    this.#controller.abort();
  }
}

/** Resolves after `ms`, or at once when the network or the reader comes back. */
function waited(ms) {
  return new Promise((resolve) => {
    const listening = new AbortController();
    const end = () => {
      clearTimeout(timer);
      listening.abort();
      resolve();
    };
    const timer = setTimeout(end, ms);
    onReturn(end, listening.signal);
  });
}

/** Calls `act` when the network or the reader comes back, until `signal` is aborted. */
function onReturn(act, signal) {
  window.addEventListener("online", act, { signal });
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && act(), { signal });
}
