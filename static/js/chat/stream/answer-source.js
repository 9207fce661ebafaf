// Where the events of an answer come from: a request of this tab, or the worker that all tabs
// share.

import { answerStream } from "../api.js";
import { EventDecoder } from "./sse.js";

export class AnswerSource {
  #tabs;
  #turnApi;

  /** Takes the TabStreams and the TurnApi of the page. */
  constructor(tabs, turnApi) {
    this.#tabs = tabs;
    this.#turnApi = turnApi;
  }

  /** Asks whether this tab may read by itself, as TabStreams does. */
  mayReadAlone(signal, onShared) {
    return this.#tabs.mayReadAlone(signal, onShared);
  }

  /**
   * Begins the turn; returns the events of its answer. Where this tab may not read `alone` (a
   * promise) these are no more than the start, which names the answer that others can go on with.
   */
  async begin(turn, alone, watchdog) {
    const response = await this.#turnApi.begin(turn, watchdog.signal);
    return untilBegun(
      eventsOf(response, () => watchdog.feed()),
      alone,
    );
  }

  /** Returns the events of the answer after the cursor. Throws as `request`. */
  async resume(answer, cursor, alone, watchdog) {
    const onSign = () => watchdog.feed();
    if (!(await alone)) return this.#tabs.follow(answer, cursor, watchdog.signal, onSign);
    return eventsOf(await answerStream(answer, cursor, watchdog.signal), onSign);
  }
}

/**
 * Returns the events of a response; `onSign` is called for each sign of life. Throws TypeError
 * where it is none of the site's.
 */
function eventsOf(response, onSign) {
  // The sign-in page of a hotel's network, say: not a word of the site's.
  const type = response.headers.get("Content-Type");
  if (!type?.startsWith("text/event-stream")) throw new TypeError("no event stream");
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

async function* untilBegun(events, alone) {
  for await (const event of events) {
    yield event;
    if (event.name === "start" && !(await alone)) return;
  }
}
