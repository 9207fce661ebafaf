// The conversation on the page: asking, asking again, editing; one turn at a time.

import { randomUuid, Refusal } from "../api.js";
import { AnswerView } from "./answer.js";
import { markAsVersionOf } from "./branches.js";
import { closeEditor, editPrompt, isEditing } from "./edit.js";
import { identifyPrompt, makePrompt } from "./thread.js";
import { Turn } from "../stream/turn.js";
import { urlFor } from "../urls.js";
import { wellFormed } from "../well-formed.js";

const UNREACHABLE = "The site cannot be reached. Your prompt is kept; send it again in a moment.";
// Signing in again, or a fresh token, is a page away, and the draft is kept.
const MENDED_BY_RELOADING = ["not_signed_in", "csrf_failed"];
const NOT_STOPPED = "Stop has not worked.";
const STOP_UNREACHABLE = "The site cannot be reached.";
const STOPPING_AGAIN = "Stop is tried again until it works; press it to try at once.";
const DELETED = "This conversation was deleted in another tab. What you send now begins a new one.";

export class Conversation {
  #root;
  #thread;
  #scroll;
  #menu;
  #announcer;
  #tabs;
  #onStarted;
  #onEnded;
  #onIdle;
  #composer = null;
  #turn = null;
  #unconfirmed = null;
  #stopTrouble = "";

  /**
   * `onStarted({conversation, title})` when a turn of this tab has begun, `onEnded({conversation, answer, status})` when one has ended
   * that was shown here, `onIdle()` when neither a turn nor an editor is open any more.
   */
  constructor(root, { thread, scroll, menu, announcer, tabs, onStarted, onEnded, onIdle }) {
    this.#root = root;
    this.#thread = thread;
    this.#scroll = scroll;
    this.#menu = menu;
    this.#announcer = announcer;
    this.#tabs = tabs;
    this.#onStarted = onStarted;
    this.#onEnded = onEnded;
    this.#onIdle = onIdle;
    root.addEventListener("click", (event) => this.#clicked(event.target));
    root.addEventListener("editor-closed", () => onIdle());
  }

  useComposer(composer) {
    this.#composer = composer;
  }

  /** Its uuid; null for a new one. */
  get id() {
    return this.#root.dataset.conversation || null;
  }

  get lastId() {
    return this.#thread.lastId;
  }

  /** Whether a turn runs or a prompt is edited here. */
  get busy() {
    return this.#turn !== null || isEditing();
  }

  /** Whether the end of that answer is shown already, or about to be. */
  knowsEnd(answer, status) {
    return this.#turn?.answer === answer || this.#thread.statusOf(answer) === status;
  }

  /** Sends a prompt after the last message. */
  ask(text) {
    return this.#ask(wellFormed(text), this.#thread.lastId, null, (words) => this.#composer.restore(words));
  }

  /** Goes on with an answer that is being written, if there is one on the page. */
  resume() {
    const element = this.#thread.streamingAnswer;
    if (element) this.#run(this.#turnOf(new AnswerView(element)));
  }

  stop() {
    this.#composer.setStopping({ again: this.#stopTrouble !== "" });
    this.#composer.returnFocus();
    this.#turn?.stop();
  }

  #stopFailed({ message, code, isFinal }) {
    const words = isFinal ? [NOT_STOPPED, message] : [message || STOP_UNREACHABLE, STOPPING_AGAIN];
    if (isFinal) this.#composer.setNotStopping();
    else this.#composer.setStopping({ again: true });
    const trouble = words.join(" ").trim();
    // What stands there already is not read out once more each second.
    if (!isFinal && trouble === this.#stopTrouble) return;
    this.#stopTrouble = trouble;
    this.notify(trouble, code);
  }

  /** Says what else has not worked, and offers what mends a refusal of that code. */
  notify(message, code = "") {
    this.#composer.notify(message, { offerReload: MENDED_BY_RELOADING.includes(code) });
  }

  rename(title) {
    this.#menu.name(title);
  }

  /** Takes over what is new in a fresh rendering of the page. */
  update(page) {
    this.#thread.update(page.querySelector("[data-thread]"));
    this.resume();
  }

  /** It was deleted elsewhere: the page is one for a new conversation; what was typed stays. */
  forget() {
    this.#root.dataset.conversation = "";
    history.replaceState(null, "", urlFor("home"));
    this.#menu.clear();
    this.#thread.clear();
    this.#composer.refuse(DELETED);
  }

  #clicked(target) {
    const button = target.closest("[data-regenerate], [data-edit]");
    if (!button || !this.#composer.ready) return;
    const message = button.closest(".message");
    if (button.matches("[data-regenerate]")) this.#regenerate(message);
    else this.#edit(message, message.querySelector("[data-text]").textContent);
  }

  #edit(prompt, text) {
    editPrompt(prompt, text, (words) => {
      if (!this.#composer.ready) return;
      closeEditor();
      this.#ask(wellFormed(words), prompt.dataset.parent || null, prompt, (unsent) => this.#edit(prompt, unsent));
    });
  }

  async #ask(text, parent, replaced, restore) {
    const putBack = replaced ? this.#thread.cutFrom(replaced) : () => {};
    const prompt = makePrompt(text, parent);
    const view = new AnswerView();
    if (replaced) markAsVersionOf(prompt, replaced);
    this.#thread.append(prompt, view.element);
    const started = await this.#begin(view, { content: text, conversation: this.id, parent }, (id) => identifyPrompt(prompt, id));
    if (started) return;
    this.#thread.remove(prompt, view.element);
    putBack();
    restore(text);
  }

  async #regenerate(answer) {
    const putBack = this.#thread.cutFrom(answer);
    const view = new AnswerView();
    markAsVersionOf(view.element, answer);
    this.#thread.append(view.element);
    const started = await this.#begin(view, { conversation: this.id, regenerate: answer.dataset.answer });
    if (started) return;
    this.#thread.remove(view.element);
    putBack();
  }

  async #begin(view, wanted, onPrompt = () => {}) {
    const fields = { ...wanted, ...(this.#composer.model && { model: this.#composer.model }) };
    const body = { ...fields, turn: this.#turnFor(fields) };
    const onStart = (start) => {
      onPrompt(start.message);
      this.#started(start);
    };
    this.#composer.clearAlert();
    this.#scroll.toBottom();
    const running = this.#run(this.#turnOf(view, { body, onStart }));
    this.#composer.returnFocus();
    const started = await running;
    this.#unconfirmed = started ? null : body;
    return started;
  }

  #turnOf(view, options) {
    const onStopTrouble = (trouble) => this.#stopFailed(trouble);
    return new Turn({ view, tabs: this.#tabs, announcer: this.#announcer, onStopTrouble, ...options });
  }

  // A turn of which no word came back may have begun: sent again, it is the same turn, and is not paid for twice.
  #turnFor(fields) {
    const { turn, ...before } = this.#unconfirmed ?? {};
    return turn && JSON.stringify(before) === JSON.stringify(fields) ? turn : randomUuid();
  }

  // Returns whether the turn was begun; if not, the composer says why.
  async #run(turn) {
    this.#turn = turn;
    this.#composer.setRunning(true);
    try {
      const status = await turn.run();
      if (status && this.#stopTrouble) this.notify("");
      if (status && this.id) this.#onEnded({ conversation: this.id, answer: turn.answer, status });
    } catch (error) {
      this.#explain(error);
      return false;
    } finally {
      this.#composer.setRunning(false);
      this.#stopTrouble = "";
      this.#turn = null;
      this.#onIdle();
    }
    return true;
  }

  #explain(error) {
    const isRefusal = error instanceof Refusal && error.message;
    this.#composer.refuse(isRefusal ? error.message : UNREACHABLE, error.retryAfter);
    if (MENDED_BY_RELOADING.includes(error.code)) this.#composer.offerReload();
  }

  #started({ conversation, title: written }) {
    const title = written || "Untitled";
    if (!this.id) {
      this.#root.dataset.conversation = conversation;
      this.#menu.adopt(conversation, title);
      history.replaceState(null, "", urlFor("conversation", conversation));
    } else if (location.search || location.hash) history.replaceState(null, "", location.pathname);
    this.#onStarted({ conversation, title });
  }
}
