// What the tabs of one person tell each other, so that none needs a stream of its own to hear of it.

/**
 * Messages are {event, conversation, …}: "started" (a turn) and "renamed" with `title`, "ended" with `answer` and `status`, "deleted".
 * A tab does not hear itself.
 */
export class TabChannel {
  #name;
  #onMessage;
  #channel = null;

  /** `person`: whose tabs these are; others who sign in with the same browser hear nothing of them. */
  constructor(person, onMessage) {
    this.#name = `chatsite:${person}`;
    this.#onMessage = onMessage;
  }

  start() {
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.addEventListener("message", ({ data }) => this.#onMessage(data));
  }

  stop() {
    this.#channel?.close();
    this.#channel = null;
  }

  broadcast(message) {
    this.#channel?.postMessage(message);
  }
}
