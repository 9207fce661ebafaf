// How many connections the tabs of this browser take for their answers: one tab reads by itself, as
// if it were alone; the others leave it to a worker that they share, which reads for all of them
// over one.

import { Refusal } from "../api.js";
import { urlFor } from "../urls.js";

// A worker goes with the process of the tab that began it, if that crashes, and no event tells of
// it. The lock that it holds does, in secure contexts; elsewhere, that it does not answer for so
// long.
const REPLY_MS = 3000;
// to a worker that has not answered: a machine may be busy, a browser may have none
const MAX_QUESTIONS = 10;

export class TabStreams {
  #name;
  #port = null;
  #connection = new AbortController();
  #receivers = new Map(); // id -> what takes the messages for it
  #lastId = 0;
  #timer = null;
  #hasReply = true;

  /**
   * `person`: whose answers these are; others who sign in with the same browser have a worker of
   * their own.
   */
  constructor(person) {
    this.#name = `chatsite:${person}`;
  }

  /** Follows nothing any more: the page is being left. What is followed after that begins anew. */
  stop() {
    this.#connectionLost();
  }

  /**
   * Asks whether this tab may read a stream by itself. Resolves to true also where tabs cannot
   * share: then each is as good as alone. Until `signal` is aborted no other tab may. Where the
   * worker did not answer it is asked again meanwhile, and `onShared` is called if it says that
   * others read alone.
   */
  async mayReadAlone(signal, onShared) {
    const alone = await this.#ask(signal);
    if (alone === undefined) this.#askAgain(signal, onShared).catch(() => {});
    return alone ?? true;
  }

  /** Returns the worker's word; undefined where it does not answer, null where there is none. */
  async #ask(signal) {
    if (!this.#connected()) return null;
    const inbox = this.#register(signal);
    this.#post({ verb: "ask", id: inbox.id });
    return (await inbox.next()).alone;
  }

  async #askAgain(signal, onShared) {
    for (let question = 0; question < MAX_QUESTIONS; question += 1) {
      await new Promise((resolve) => setTimeout(resolve, REPLY_MS));
      signal.throwIfAborted();
      const alone = await this.#ask(signal);
      if (alone === false) return onShared();
      if (alone !== undefined) return;
    }
  }

  /**
   * Returns the events of an answer after the cursor, read by the shared worker; `onSign` is called
   * for each sign of life. Throws Refusal, or TypeError when the site is out of reach; ends with
   * `signal`.
   */
  async follow(answer, cursor, signal, onSign) {
    this.#connected();
    const inbox = this.#register(signal);
    this.#post({ verb: "follow", id: inbox.id, answer, cursor, site: siteOfWorker() });
    const { end, ...first } = await inbox.next();
    throwWhatWentWrong(first);
    return end ? nothing() : eventsOf(inbox, onSign);
  }

  #register(signal) {
    const inbox = new Inbox(++this.#lastId, signal);
    this.#receivers.set(inbox.id, inbox);
    this.#watch();
    signal.addEventListener("abort", () => this.#unregister(inbox.id));
    return inbox;
  }

  #unregister(id) {
    if (!this.#receivers.delete(id)) return;
    this.#post({ verb: "leave", id });
    if (!this.#receivers.size) this.#unwatch();
  }

  // Each is to hear that the other is there while anything is followed.
  #watch() {
    if (this.#timer !== null) return;
    this.#hasReply = true;
    this.#timer = setInterval(() => {
      if (!this.#hasReply) return this.#connectionLost();
      this.#hasReply = false;
      this.#post({ verb: "alive", ids: [...this.#receivers.keys()] });
    }, REPLY_MS);
  }

  #unwatch() {
    clearInterval(this.#timer);
    this.#timer = null;
  }

  #post(message) {
    this.#port?.postMessage(message);
  }

  /**
   * Returns the port to the worker, which is started when first needed; null where there are no
   * shared workers.
   */
  #connected() {
    return (this.#port ??= this.#connect());
  }

  #connect() {
    try {
      const worker = new SharedWorker(import.meta.resolve("./tab-streams-worker.js"), {
        type: "module",
        name: this.#name,
      });
      const { port } = worker;
      const { signal } = (this.#connection = new AbortController());
      worker.addEventListener("error", () => this.#connectionLost(), { signal });
      port.addEventListener("message", ({ data }) => this.#receive(data, signal), { signal });
      port.start();
      return port;
    } catch {
      return null; // a browser without them, or one that forbids them here
    }
  }

  #receive(message, signal) {
    this.#hasReply = true;
    this.#receivers.get(message.id)?.put(message);
    if (message.lock) whenFree(message.lock, signal, () => this.#connectionLost());
  }

  // Whoever follows an answer asks for it again.
  #connectionLost() {
    this.#connection.abort();
    const receivers = [...this.#receivers.values()];
    this.#post({ verb: "bye" });
    this.#port?.close();
    this.#port = null;
    this.#receivers.clear();
    this.#unwatch();
    for (const inbox of receivers) inbox.put({ failed: true });
  }
}

/** Calls `act` when the worker, which holds the lock while it lives, has ended. */
function whenFree(lock, signal, act) {
  navigator.locks.request(lock, { mode: "shared", signal }, act).catch(() => {});
}

/** Returns the addresses that a worker cannot find by itself: it knows no import map. */
function siteOfWorker() {
  return {
    streams: urlFor("api_answer_streams"),
    decoder: import.meta.resolve("../stream/sse.js"),
  };
}

/** The messages of the worker to one request, in order. */
class Inbox {
  #messages = [];
  #signal;
  #wake = () => {};

  constructor(id, signal) {
    this.id = id;
    this.#signal = signal;
    signal.addEventListener("abort", () => this.#wake());
  }

  put(message) {
    this.#messages.push(message);
    this.#wake();
  }

  /** Returns the next message. Throws AbortError when the request has been given up. */
  async next() {
    while (!this.#messages.length) {
      this.#signal.throwIfAborted();
      await new Promise((resolve) => (this.#wake = resolve));
    }
    this.#signal.throwIfAborted();
    return this.#messages.shift();
  }
}

async function* eventsOf(inbox, onSign) {
  for (;;) {
    const message = await inbox.next();
    throwWhatWentWrong(message);
    if (message.end) return;
    onSign();
    if (message.event) yield message.event;
  }
}

async function* nothing() {}

function throwWhatWentWrong({ refused, failed }) {
  if (refused) throw new Refusal(refused.status, refused.error);
  if (failed) throw new TypeError("The connection was lost.");
}
