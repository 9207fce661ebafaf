// Keeps this tab in step with what other tabs do: the list of conversations, and the conversation
// that is shown. Of that the page is fetched again, and only what differs is replaced.

import { conversationPage, Refusal } from "../api.js";

export class TabSync {
  #conversation;
  #sidebar;
  #stale = false;
  #at = null;
  #looks = 0;
  #listening = new AbortController();

  constructor(conversation, sidebar) {
    this.#conversation = conversation;
    this.#sidebar = sidebar;
  }

  start() {
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    document.addEventListener("visibilitychange", () => this.catchUp(), { signal });
    window.addEventListener("online", () => this.catchUp(), { signal });
  }

  stop() {
    this.#listening.abort();
  }

  /** Takes a message of another tab. */
  receive({ event, conversation, title, answer, status }) {
    if (event === "started") this.#sidebar.put(conversation, title);
    else if (event === "renamed") this.#sidebar.rename(conversation, title);
    else if (event === "deleted") this.#sidebar.remove(conversation);
    if (conversation !== this.#conversation.id) return;
    if (
      event === "started" ||
      (event === "ended" && !this.#conversation.knowsEnd(answer, status))
    ) {
      this.markStale();
    } else if (event === "renamed") this.#conversation.rename(title);
    else if (event === "deleted") this.#conversation.forget();
  }

  /** Notes that there may be messages that this tab does not show. */
  markStale() {
    this.#stale = true;
    // What began elsewhere while this tab is busy must not take away the branch that is being read
    // here.
    this.#at = this.#conversation.busy ? this.#conversation.lastId : null;
    return this.catchUp();
  }

  /**
   * Shows what was missed, if anything was. Not while a turn runs or a prompt is edited here, and
   * not in a tab that nobody sees: it would hold a stream, and browsers allow a site six over
   * HTTP/1.1, all tabs together.
   */
  async catchUp() {
    if (!this.#stale || !this.#mayShow) return;
    this.#stale = false;
    const look = ++this.#looks;
    try {
      const page = await conversationPage(this.#conversation.id, this.#at, this.#listening.signal);
      if (look !== this.#looks) return; // it was overtaken by a newer one
      // What began here meanwhile is newer than that page.
      if (this.#mayShow && !this.#stale) this.#conversation.update(page);
      else this.#stale = true;
    } catch (error) {
      if (error instanceof Refusal && error.status === 404) this.#conversation.forget();
      else this.#stale = true;
    }
  }

  get #mayShow() {
    return (
      this.#conversation.id !== null &&
      !this.#conversation.busy &&
      document.visibilityState === "visible"
    );
  }
}
