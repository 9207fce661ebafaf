// Follows one answer to its end, through lost connections: a stream that closes without [DONE] is resumed at the cursor.

import { answerStream, Refusal } from "../api.js";
import { beginTurn } from "./turn-api.js";
import { EventDecoder } from "./sse.js";

const SILENCE_MS = 45_000; // the site says something every 15 s; three misses mean that the connection is dead
const QUIET_MS = 20_000; // after one miss whoever is back does not wait for two more
const NOTICE_MS = 2_000; // shorter interruptions are not worth telling
const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 15_000;
const MAX_BEGINNINGS = 6; // about 15 s: then whoever asked had better know

export class AnswerStream {
  #tabs;
  #answer;
  #turn;
  #onEvent;
  #onReconnecting;
  #cursor = "";
  #failures = 0;
  #noticeTimer = null;

  /**
   * `tabs`: the TabStreams of the page; `turn`: the body that begins it, with its `turn` id, or null where `answer` (its id) is known
   * already.
   */
  constructor({ tabs, turn = null, answer = null, onEvent, onReconnecting }) {
    this.#tabs = tabs;
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
        if (retryAfter === "begun") continue;
        this.#connectionLost();
        await this.#pause(retryAfter);
      }
    } finally {
      this.#connectionFound();
    }
  }

  // "done" after [DONE], "begun" when another connection is to go on with what this one began, else seconds to wait, or null.
  async #attempt() {
    const watchdog = new Watchdog();
    const isBeginning = !this.#answer;
    let isShared = false;
    const share = () => {
      isShared = this.#answer !== null; // before that nobody else could go on with it
      if (isShared) watchdog.end();
    };
    try {
      const alone = this.#tabs.mayReadAlone(watchdog.signal, share);
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

  async #open(alone, watchdog) {
    const { signal } = watchdog;
    const onSign = () => watchdog.feed();
    if (!this.#answer) return untilBegun(eventsOf(await beginTurn(this.#turn, signal), onSign), alone);
    if (await alone) return eventsOf(await answerStream(this.#answer, this.#cursor, signal), onSign);
    return this.#tabs.follow(this.#answer, this.#cursor, signal, onSign);
  }

  // The same turn sent again begins nothing new, so a beginning may be repeated like a reading.
  #mayTryAgain(error) {
    if (!this.#answer && this.#failures + 1 >= MAX_BEGINNINGS) return false;
    if (!(error instanceof Refusal)) return true;
    if (error.code === "internal_error") return error.status >= 500;
    return error.code === "draining" || (this.#answer !== null && [429, 503].includes(error.status));
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
    this.#noticeTimer ??= setTimeout(() => this.#onReconnecting(true), NOTICE_MS);
  }

  #connectionFound() {
    if (this.#noticeTimer === null) return;
    clearTimeout(this.#noticeTimer);
    this.#noticeTimer = null;
    this.#onReconnecting(false);
  }

  // Half fixed, half random, so that all tabs of a site that was away do not come back at once.
  async #pause(retryAfter) {
    const longest = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (this.#failures - 1));
    const pause = retryAfter === null ? longest * (0.5 + Math.random() / 2) : retryAfter * 1000;
    await delay(navigator.onLine ? pause : MAX_PAUSE_MS);
  }
}

/** The events of a response; `onSign` is called for each sign of life. Throws TypeError where it is none of the site's. */
function eventsOf(response, onSign) {
  // The sign-in page of a hotel's network, say: not a word of the site's.
  if (!response.headers.get("Content-Type")?.startsWith("text/event-stream")) throw new TypeError("no event stream");
  return decoded(response.body.getReader(), onSign);
}

async function* decoded(reader, onSign) {
  const decoder = new EventDecoder();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    onSign();
    yield* decoder.push(value);
  }
}

/** Those events; where this tab may not read alone, no more than the start, which names the answer that others can go on with. */
async function* untilBegun(events, alone) {
  for await (const event of events) {
    yield event;
    if (event.name === "start" && !(await alone)) return;
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
function delay(ms) {
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
