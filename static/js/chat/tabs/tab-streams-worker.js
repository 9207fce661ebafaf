// Reads the answers that the tabs of one person follow, all of them over one connection: over
// HTTP/1.1 a browser opens six to a host, and a tab that streams by itself keeps one of them. A
// shared worker, one for all tabs of a person; it outlives each of them.
//
// A worker knows no import map, so the address of the one module it needs, and that of the streams,
// come with each message.

const MAX_ANSWERS = 20; // of one request, as the site has it
const GATHER_MS = 20; // tabs that come or go together cost one new request, not one each
const LOOK_MS = 60_000;
// A browser that slows the timers of a hidden tab down still lets it say a word each minute. For
// those that do not tell of a crash.
const FORGOTTEN_MS = 5 * 60_000;
const TOO_MANY = {
  code: "too_many_readers",
  message: "Too many tabs follow answers of yours at once. Close some.",
  retry_after: 2,
};

/** The tabs that are there: each is a port, with the time when it was last heard of. */
class Tabs {
  #ports = new Map();
  #onMessage;
  #onGone;
  #lock = "";

  /**
   * `onMessage(port, message)` is called for each message of a tab, `onGone(port)` when one has
   * gone.
   */
  constructor(onMessage, onGone) {
    this.#onMessage = onMessage;
    this.#onGone = onGone;
  }

  start() {
    this.#holdLock();
    addEventListener("connect", ({ ports: [port] }) => this.#welcome(port));
    setInterval(() => this.#forgetSilent(), LOOK_MS);
  }

  forget(port) {
    this.#ports.delete(port);
    this.#onGone(port);
  }

  // While this worker lives nothing else gets that lock: so its tabs learn of its end.
  #holdLock() {
    const name = `${self.name}:${Date.now()}:${Math.random()}`;
    navigator.locks?.request(name, () => {
      this.#lock = name;
      for (const port of this.#ports.keys()) port.postMessage({ lock: name });
      return new Promise(() => {});
    });
  }

  #welcome(port) {
    this.#ports.set(port, Date.now());
    if (this.#lock) port.postMessage({ lock: this.#lock });
    port.addEventListener("message", ({ data }) => this.#receive(port, data));
    port.addEventListener("close", () => this.forget(port)); // the tab has gone, or crashed
    port.start();
  }

  #receive(port, message) {
    this.#ports.set(port, Date.now());
    this.#onMessage(port, message);
  }

  #forgetSilent() {
    for (const [port, heardAt] of this.#ports) {
      if (Date.now() - heardAt > FORGOTTEN_MS) this.forget(port);
    }
  }
}

class SharedReader {
  #tabs = new Tabs(
    (port, message) => this.#receive(port, message),
    (port) => this.#forget(port),
  );
  #follows = new Set(); // {port, id, answer, cursor, site}
  #alone = null; // the follow that its tab reads by itself
  #gathering = null;
  #reading = new AbortController();

  start() {
    this.#tabs.start();
  }

  #receive(port, { verb, id, answer, cursor, ids, site }) {
    if (verb === "ask") this.#askAlone(port, id);
    else if (verb === "follow") this.#follow({ port, id, answer, cursor, site });
    else if (verb === "leave") this.#leave(port, id);
    else if (verb === "alive") this.#compare(port, ids);
    else if (verb === "bye") this.#tabs.forget(port);
  }

  // --- who reads ---------------------------------------------------------------

  /** Lets one tab at a time read by itself, without this worker: most often it is the only one. */
  #askAlone(port, id) {
    this.#alone ??= { port, id };
    port.postMessage({ id, alone: this.#alone.port === port && this.#alone.id === id });
  }

  #follow(follow) {
    this.#follows.add(follow);
    this.#openSoon();
  }

  #leave(port, id) {
    if (this.#alone?.port === port && this.#alone.id === id) this.#alone = null;
    this.#drop((follow) => follow.port === port && follow.id === id);
  }

  #forget(port) {
    if (this.#alone?.port === port) this.#alone = null;
    this.#drop((follow) => follow.port === port);
  }

  /**
   * Ends what the tab follows and this worker does not, for it was taken for gone: it asks again.
   */
  #compare(port, ids) {
    port.postMessage({});
    const follows = [...this.#follows].filter((follow) => follow.port === port);
    const known = new Set(follows.map(({ id }) => id));
    if (this.#alone?.port === port) known.add(this.#alone.id);
    for (const id of ids) if (!known.has(id)) port.postMessage({ id, end: true });
  }

  // The site is to know when an answer is not read any more.
  #drop(isOver) {
    const over = [...this.#follows].filter(isOver);
    for (const follow of over) this.#follows.delete(follow);
    if (over.length) this.#openSoon();
  }

  // --- reading -----------------------------------------------------------------

  #openSoon() {
    this.#gathering ??= setTimeout(() => {
      this.#gathering = null;
      this.#open();
    }, GATHER_MS);
  }

  /** Asks anew for all that is followed, each from where it is. */
  async #open() {
    this.#reading.abort();
    const { signal } = (this.#reading = new AbortController());
    const items = this.#items();
    if (!items.length) return;
    try {
      await this.#fetch(items, signal);
      this.#end(items, { end: true }, signal);
    } catch {
      this.#end(items, { failed: true }, signal);
    }
  }

  async #fetch(items, signal) {
    const options = { signal, credentials: "same-origin", cache: "no-store" };
    const response = await fetch(addressOf(items), options);
    if (!response.ok) {
      const refused = { status: response.status, error: await errorOf(response) };
      return this.#end(items, { refused }, signal);
    }
    const type = response.headers.get("Content-Type");
    if (!type?.startsWith("text/event-stream")) throw new TypeError("no event stream");
    return this.#read(response, items, signal);
  }

  /** Returns those who follow, by answer and place in it. */
  #items() {
    const items = new Map();
    for (const follow of this.#follows) {
      const key = `${follow.answer}:${follow.cursor}`;
      items.set(key, [...(items.get(key) ?? []), follow]);
    }
    const wanted = [...items.values()];
    this.#end(wanted.slice(MAX_ANSWERS), { refused: { status: 429, error: TOO_MANY } });
    return wanted.slice(0, MAX_ANSWERS);
  }

  async #read(response, items, signal) {
    const { EventDecoder } = await import(items[0][0].site.decoder);
    const decoder = new EventDecoder();
    const reader = response.body.getReader();
    for (const follow of items.flat()) follow.port.postMessage({ id: follow.id, open: true });
    let item = [];
    for (;;) {
      const { done, value } = await reader.read();
      if (done || signal.aborted) return;
      for (const event of decoder.push(value)) {
        if (event.name === "item") {
          item = items[JSON.parse(event.data).item];
          decoder.lastEventId = ""; // a cursor is one answer's
          send(item, { sign: true });
        } else this.#deliver(item, event);
      }
    }
  }

  #deliver(item, event) {
    for (const follow of item) if (event.id) follow.cursor = event.id;
    if (event.name === "refused") this.#end([item], { refused: JSON.parse(event.data) });
    else send(item, { event });
    if (event.data === "[DONE]") for (const follow of item) this.#follows.delete(follow);
  }

  /**
   * Tells those of them who are still there that there is no more, unless their request has been
   * replaced.
   */
  #end(items, message, signal) {
    if (signal?.aborted) return;
    for (const follow of items.flat()) {
      if (this.#follows.delete(follow)) follow.port.postMessage({ id: follow.id, ...message });
    }
  }
}

function send(item, message) {
  for (const { port, id } of item) port.postMessage({ id, ...message });
}

function addressOf(items) {
  const query = new URLSearchParams(
    items.map(([{ answer, cursor }]) => ["follow", `${answer}:${cursor}`]),
  );
  return `${items[0][0].site.streams}?${query}`;
}

async function errorOf(response) {
  try {
    return (await response.json()).error;
  } catch {
    return undefined; // a proxy's page, not the site's word
  }
}

new SharedReader().start();
