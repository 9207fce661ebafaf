// Runs one turn at a time, and shows in the composer how it stands.

import { randomUuid, Refusal } from "../api.js";
import { Turn } from "./turn.js";

const UNREACHABLE = "The site cannot be reached. Your prompt is kept; send it again in a moment.";
const NOT_STOPPED = "Stop has not worked.";
const STOP_UNREACHABLE = "The site cannot be reached.";
const STOPPING_AGAIN = "Stop is tried again until it works; press it to try at once.";

/**
 * Dispatches "begin" when a turn is about to be sent, "ended" with {answer, status} when an answer
 * has ended that was shown here, and "idle" when no turn runs any more.
 */
export class TurnRunner extends EventTarget {
  #source;
  #composer;
  #announcer;
  #turn = null;
  #unconfirmed = null;
  #stopTrouble = "";

  /** Takes the AnswerSource of the page. */
  constructor(source, composer, announcer) {
    super();
    this.#source = source;
    this.#composer = composer;
    this.#announcer = announcer;
  }

  /** Whether a turn runs. */
  get isRunning() {
    return this.#turn !== null;
  }

  /**
   * The id of the answer that is shown as it is written; "" before its start, undefined without
   * one.
   */
  get answer() {
    return this.#turn?.answer;
  }

  /**
   * Begins the turn of these fields and shows its answer in `view`; `onStart` takes the payload of
   * its start. Returns whether it was begun; if not, the composer says why.
   */
  async begin(view, wanted, onStart) {
    const fields = { ...wanted, ...(this.#composer.model && { model: this.#composer.model }) };
    const body = { ...fields, turn: this.#turnFor(fields) };
    const turn = new Turn(this.#source, view, this.#announcer, body);
    turn.addEventListener("start", ({ detail }) => onStart(detail));
    this.#composer.clearAlert();
    this.dispatchEvent(new CustomEvent("begin"));
    const running = this.#run(turn);
    this.#composer.returnFocus();
    const started = await running;
    this.#unconfirmed = started ? null : body;
    return started;
  }

  /** Goes on with an answer that is being written. */
  resume(view) {
    return this.#run(new Turn(this.#source, view, this.#announcer));
  }

  stop() {
    this.#composer.setStopping({ again: this.#stopTrouble !== "" });
    this.#composer.returnFocus();
    this.#turn?.stop();
  }

  // A turn of which no word came back may have begun: sent again, it is the same turn, and is not
  // paid for twice.
  #turnFor(fields) {
    const { turn, ...before } = this.#unconfirmed ?? {};
    return turn && JSON.stringify(before) === JSON.stringify(fields) ? turn : randomUuid();
  }

  // Returns whether the turn was begun.
  async #run(turn) {
    this.#turn = turn;
    turn.addEventListener("stop-trouble", ({ detail }) => this.#stopFailed(detail));
    this.#composer.setRunning(true);
    try {
      const status = await turn.run();
      if (status && this.#stopTrouble) this.#composer.notify("");
      if (status) {
        this.dispatchEvent(new CustomEvent("ended", { detail: { answer: turn.answer, status } }));
      }
    } catch (error) {
      this.#explain(error);
      return false;
    } finally {
      this.#composer.setRunning(false);
      this.#stopTrouble = "";
      this.#turn = null;
      this.dispatchEvent(new CustomEvent("idle"));
    }
    return true;
  }

  #explain(error) {
    const isRefusal = error instanceof Refusal && error.message;
    this.#composer.refuse(isRefusal ? error.message : UNREACHABLE, error);
  }

  #stopFailed({ message, code, isFinal }) {
    const words = isFinal ? [NOT_STOPPED, message] : [message || STOP_UNREACHABLE, STOPPING_AGAIN];
    if (isFinal) this.#composer.setNotStopping();
    else this.#composer.setStopping({ again: true });
    const trouble = words.join(" ").trim();
    // What stands there already is not read out once more each second.
    if (!isFinal && trouble === this.#stopTrouble) return;
    this.#stopTrouble = trouble;
    this.#composer.notify(trouble, code);
  }
}
