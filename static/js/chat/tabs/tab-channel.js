// What the tabs of one person tell each other, so that none needs a stream of its own to hear of
// it.

/**
 * Dispatches "message" for each message of another tab: {event, conversation, …}. Events are
 * "started" (a turn) and "renamed" with `title`, "ended" with `answer` and `status`, "deleted".
 */
export class TabChannel extends EventTarget {
  #name;
  #channel = null;

  /** `person`: whose tabs these are; others who use the same browser hear nothing of them. */
  constructor(person) {
    super();
    this.#name = `chatsite:${person}`;
  }

  start() {
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.addEventListener("message", ({ data: detail }) => {
      this.dispatchEvent(new CustomEvent("message", { detail }));
    });
  }

  stop() {
    this.#channel?.close();
    this.#channel = null;
  }

  broadcast(message) {
    this.#channel?.postMessage(message);
  }
}
