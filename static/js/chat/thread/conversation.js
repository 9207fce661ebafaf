// The conversation on the page: asking, asking again, editing; one turn at a time.

import { urlFor } from "../urls.js";
import { wellFormed } from "../well-formed.js";
import { AnswerView } from "./answer.js";
import { markAsVersionOf } from "./branches.js";
import { closeEditor, editPrompt, isEditing } from "./edit.js";
import { identifyPrompt, makePrompt } from "./thread.js";

const DELETED = "This conversation was deleted in another tab. What you send now begins a new one.";

/** Dispatches "started" with {conversation, title} when a turn of this tab has begun. */
export class Conversation extends EventTarget {
  #root;
  #thread;
  #composer;
  #turns;
  #menu;

  /** `turns`: the TurnRunner of the page; `menu`: its ConversationMenu, which shows the name. */
  constructor(root, { thread, composer, turns, menu }) {
    super();
    this.#root = root;
    this.#thread = thread;
    this.#composer = composer;
    this.#turns = turns;
    this.#menu = menu;
    root.addEventListener("click", (event) => this.#clicked(event.target));
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
    return this.#turns.isRunning || isEditing();
  }

  /** Tells whether the end of that answer is shown already, or about to be. */
  knowsEnd(answer, status) {
    return this.#turns.answer === answer || this.#thread.statusOf(answer) === status;
  }

  /** Sends a prompt after the last message. */
  ask(text) {
    const restore = (words) => this.#composer.restore(words);
    return this.#ask(wellFormed(text), this.#thread.lastId, null, restore);
  }

  /** Goes on with an answer that is being written, if there is one on the page. */
  resume() {
    const element = this.#thread.streamingAnswer;
    if (element) this.#turns.resume(new AnswerView(element));
  }

  rename(title) {
    this.#menu.name(title);
  }

  /** Takes over what is new in a fresh rendering of the page. */
  update(page) {
    this.#thread.update(page.querySelector("[data-thread]"));
    this.resume();
  }

  /** Becomes a new conversation, for this one was deleted elsewhere; what was typed stays. */
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
    const message = button.closest("[data-message]");
    if (button.matches("[data-regenerate]")) this.#regenerate(message);
    else this.#edit(message, message.querySelector("[data-text]").textContent);
  }

  #edit(prompt, text) {
    const restore = (unsent) => this.#edit(prompt, unsent);
    editPrompt(prompt, text, (words) => {
      if (!this.#composer.ready) return;
      closeEditor();
      this.#ask(wellFormed(words), prompt.dataset.parent || null, prompt, restore);
    });
  }

  async #ask(text, parent, replaced, restore) {
    const putBack = replaced ? this.#thread.cutFrom(replaced) : () => {};
    const prompt = makePrompt(text, parent);
    const view = new AnswerView();
    if (replaced) markAsVersionOf(prompt, replaced);
    this.#thread.append(prompt, view.element);
    const fields = { content: text, conversation: this.id, parent };
    const started = await this.#turns.begin(view, fields, (start) => {
      identifyPrompt(prompt, start.message);
      this.#started(start);
    });
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
    const fields = { conversation: this.id, regenerate: answer.dataset.answer };
    if (await this.#turns.begin(view, fields, (start) => this.#started(start))) return;
    this.#thread.remove(view.element);
    putBack();
  }

  #started({ conversation, title: written }) {
    const title = written || "Untitled";
    if (!this.id) {
      this.#root.dataset.conversation = conversation;
      this.#menu.adopt(conversation, title);
      history.replaceState(null, "", urlFor("conversation", conversation));
    } else if (location.search || location.hash) history.replaceState(null, "", location.pathname);
    this.dispatchEvent(new CustomEvent("started", { detail: { conversation, title } }));
  }
}
