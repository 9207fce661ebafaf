// The conversation on the page: asking, asking again, editing; one turn at a time.

import { randomUuid, Refusal } from "./api.js";
import { AnswerView } from "./answer.js";
import { markAsVersionOf } from "./branches.js";
import { closeEditor, editPrompt } from "./edit.js";
import { identifyPrompt, makePrompt } from "./thread.js";
import { Turn } from "./turn.js";

const NIL = "00000000-0000-0000-0000-000000000000";

export class Conversation {
  #root;
  #thread;
  #scroll;
  #sidebar;
  #announcer;
  #composer = null;
  #turn = null;

  constructor(root, { thread, scroll, sidebar, announcer }) {
    this.#root = root;
    this.#thread = thread;
    this.#scroll = scroll;
    this.#sidebar = sidebar;
    this.#announcer = announcer;
    root.addEventListener("click", (event) => this.#clicked(event.target));
  }

  useComposer(composer) {
    this.#composer = composer;
  }

  /** Sends a prompt after the last message. */
  ask(text) {
    return this.#ask(text, this.#thread.lastId, null, (words) => this.#composer.restore(words));
  }

  /** Goes on with an answer that was being written when the page was loaded. */
  resume(element) {
    return this.#run(new Turn({ view: new AnswerView(element), announcer: this.#announcer }));
  }

  stop() {
    this.#composer.setStopping();
    this.#turn?.stop();
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
      this.#ask(words, prompt.dataset.parent || null, prompt, (unsent) => this.#edit(prompt, unsent));
    });
  }

  async #ask(text, parent, replaced, restore) {
    const putBack = replaced ? this.#thread.cutFrom(replaced) : () => {};
    const prompt = makePrompt(text, parent);
    const view = new AnswerView();
    if (replaced) markAsVersionOf(prompt, replaced);
    this.#thread.append(prompt, view.element);
    const body = { content: text, conversation: this.#id, parent, ...this.#common() };
    const started = await this.#run(new Turn({ view, announcer: this.#announcer, body, onStart: (start) => this.#started(start, prompt) }));
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
    const body = { conversation: this.#id, regenerate: answer.dataset.answer, ...this.#common() };
    const started = await this.#run(new Turn({ view, announcer: this.#announcer, body, onStart: (start) => this.#started(start) }));
    if (started) return;
    this.#thread.remove(view.element);
    putBack();
  }

  // Returns whether the turn was begun; if not, the composer says why.
  async #run(turn) {
    this.#turn = turn;
    this.#composer.setRunning(true);
    this.#scroll.toBottom();
    try {
      await turn.run();
    } catch (error) {
      this.#explain(error);
      return false;
    } finally {
      this.#composer.setRunning(false);
      this.#turn = null;
    }
    return true;
  }

  #explain(error) {
    const isRefusal = error instanceof Refusal && error.message;
    this.#composer.refuse(isRefusal ? error.message : "The site cannot be reached. Your prompt is kept; send it again in a moment.", error.retryAfter);
  }

  #started({ conversation, message, title }, prompt = null) {
    if (prompt) identifyPrompt(prompt, message);
    if (!this.#id) this.#adopt(conversation, title);
    else if (location.search || location.hash) history.replaceState(null, "", location.pathname);
    this.#sidebar.show(conversation, title);
  }

  // A new conversation has got its address, and with it its menu.
  #adopt(id, title) {
    this.#root.dataset.conversation = id;
    history.replaceState(null, "", `/c/${id}/`);
    document.title = `${title} – Chatsite`;
    this.#root.querySelector("[data-title]").textContent = title;
    const menu = this.#root.querySelector("[data-menu]");
    for (const link of menu.querySelectorAll("a")) link.href = link.getAttribute("href").replace(NIL, id);
    for (const form of menu.querySelectorAll("form")) form.action = form.getAttribute("action").replace(NIL, id);
    menu.querySelector("[name=title]").value = title;
    menu.hidden = false;
  }

  get #id() {
    return this.#root.dataset.conversation || null;
  }

  #common() {
    return { turn: randomUuid(), ...(this.#composer.model && { model: this.#composer.model }) };
  }
}
