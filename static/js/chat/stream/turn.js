// One turn on the page, from sending to the end of the answer.

import { Refusal } from "../api.js";
import { AnswerStream } from "./answer-stream.js";
import { StopRequest } from "./stop-request.js";

const QUIET_MS = 2000; // a model that thinks first says nothing for longer: then the page does
const LOST = "The connection was lost. Reload the page to see the answer.";

/**
 * Dispatches "start" once, with the event's payload, and "stop-trouble" with what StopRequest
 * reports.
 */
export class Turn extends EventTarget {
  #view;
  #announcer;
  #stream;
  #model = "";
  #hasStarted;
  #stopWanted = false;
  #stopRequest = null;
  #note = "";
  #status = null;
  #quietTimer = null;

  /** `body` is what begins it; null for an answer that is being written already. */
  constructor(source, view, announcer, body = null) {
    super();
    this.#view = view;
    this.#announcer = announcer;
    this.#hasStarted = body === null;
    this.#stream = new AnswerStream(source, { turn: body, answer: body ? null : view.id });
    this.#stream.addEventListener("reconnecting", ({ detail }) =>
      announcer.say(view.showReconnecting(detail)),
    );
  }

  /** The answer's id; "" before the start. */
  get answer() {
    return this.#view.id;
  }

  /**
   * Returns the status with which the answer has ended, null when that is not known. Throws what
   * AnswerStream throws, if the turn never started.
   */
  async run() {
    try {
      await this.#stream.run((name, payload, cursor) => this.#handle(name, payload, cursor));
    } catch (error) {
      if (!this.#hasStarted) throw error;
      const isRefusal = error instanceof Refusal && error.message;
      this.#note = this.#view.connectionLost(isRefusal ? error.message : LOST);
    }
    this.#stopRequest?.stop();
    clearTimeout(this.#quietTimer);
    this.#announcer.end(this.#note);
    return this.#status;
  }

  /** Ends the answer. Before its id is known the wish is kept until it is. */
  stop() {
    this.#stopWanted = true;
    if (!this.#hasStarted) return;
    this.#stopRequest ??= new StopRequest(this.#view.id, (trouble) =>
      this.#dispatch("stop-trouble", trouble),
    );
    this.#stopRequest.start();
  }

  #handle(name, payload, cursor) {
    clearTimeout(this.#quietTimer);
    if (name === "start") this.#start(payload);
    else if (name === "delta") this.#grow(payload.text);
    else if (name === "status") this.#wait(payload);
    else if (name === "done") this.#finish(payload, Number(cursor));
  }

  #start(payload) {
    this.#model = payload.model ?? "";
    this.#quietTimer = setTimeout(() => this.#wait({ state: "waiting" }), QUIET_MS);
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    this.#view.started(payload.answer);
    this.#dispatch("start", payload);
    if (this.#stopWanted) this.stop();
  }

  #grow(text) {
    this.#view.append(text);
    this.#announcer.add(text);
  }

  #wait(payload) {
    if (payload.state === "fallback") this.#model = payload.model;
    this.#announcer.say(this.#view.showStatus(payload));
  }

  #finish(payload, size) {
    this.#status = payload.status;
    this.#note = this.#view.finish(payload, this.#model, size);
  }

  #dispatch(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
