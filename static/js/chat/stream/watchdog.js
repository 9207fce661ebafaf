// Notices that a connection is dead, and that the network or the reader is back.

// the site says something every 15 s; three misses mean a dead connection
const SILENCE_MS = 45_000;
const QUIET_MS = 20_000; // after one miss whoever is back does not wait for two more

/**
 * Aborts `signal` when nothing has fed it for SILENCE_MS; for QUIET_MS when a laptop wakes up,
 * whose timers have slept along with it.
 */
export class Watchdog {
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

  /** Aborts: the connection is no longer wanted. */
  end() {
    clearTimeout(this.#timer);
    this.#controller.abort();
  }
}

/** Resolves after `ms`, or at once when the network or the reader comes back. */
export function delay(ms) {
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
  const actIfVisible = () => document.visibilityState === "visible" && act();
  window.addEventListener("online", act, { signal });
  document.addEventListener("visibilitychange", actIfVisible, { signal });
}
