// The conversation's name, and its menu: rename, save, delete. Without JavaScript the forms lead to pages; here they leave the page,
// and with it a streaming answer, alone.

import { csrfToken } from "../api.js";
import { urlFor } from "../urls.js";
import { wellFormed } from "../well-formed.js";

export class ConversationMenu {
  #heading;
  #menu;
  #rename;

  /** `onRenamed(title)` and `onDeleted()` are called when the site has done it, `onFailed(message, code)` when it has not. */
  constructor(root, { onRenamed, onDeleted, onFailed }) {
    this.#heading = root.querySelector("[data-title]");
    this.#menu = root.querySelector("[data-menu]");
    this.#rename = this.#menu.querySelector("[data-rename]");
    const failed = (what) => (why, code) => {
      this.#menu.open = false;
      onFailed(`${what} ${why}`, code);
    };
    takeOver(this.#rename, () => this.#renamed(onRenamed), failed("The conversation was not renamed."));
    takeOver(this.#menu.querySelector("[data-delete]"), onDeleted, failed("The conversation was not deleted."));
  }

  /** A new conversation has got its address, and with it its menu. */
  adopt(id, title) {
    this.#address(id);
    this.#menu.hidden = false;
    this.name(title);
  }

  name(title) {
    this.#heading.textContent = title;
    this.#rename.elements.title.value = title;
    document.title = `${title} – Chatsite`;
  }

  /** There is no conversation any more, but one to come. */
  clear() {
    this.#menu.hidden = true;
    this.#heading.textContent = "New conversation";
    document.title = "Chatsite";
  }

  #address(id) {
    for (const part of this.#menu.querySelectorAll("[data-url]")) {
      part.setAttribute(part.localName === "form" ? "action" : "href", urlFor(part.dataset.url, id));
    }
  }

  #renamed(onRenamed) {
    const title = wellFormed(this.#rename.elements.title.value).trim().replace(/\s+/g, " ");
    this.#menu.open = false;
    this.#menu.querySelector("summary").focus();
    if (!title) return; // the site has left it as it was
    this.name(title);
    onRenamed(title);
  }
}

const UNREACHABLE = "The site cannot be reached. Try again in a moment.";
const SIGNED_OUT = "You are signed out.";
const WHY = { 403: "The page is too old, or is not yours any more.", 404: "It is gone, or it is not yours." };
const BROKEN = "Something broke on the site's side. Try again in a moment.";

/** Sends the form without leaving the page. `onFailed(message, code)` says why where the site has not simply done it. */
function takeOver(form, onDone, onFailed) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = new FormData(form);
    body.set("csrfmiddlewaretoken", csrfToken()); // the page's own is old where one has signed in again in another tab
    const response = await fetch(form.action, { method: "POST", body }).catch(() => null);
    if (!response) onFailed(UNREACHABLE, "");
    else if (isSignIn(response)) onFailed(SIGNED_OUT, "not_signed_in");
    else if (response.ok && response.redirected) onDone();
    else onFailed(WHY[response.status] ?? BROKEN, response.status === 403 ? "csrf_failed" : "");
  });
}

/** Whether the site asks who this is, in the place of doing what it was asked. */
function isSignIn({ redirected, url }) {
  return redirected && new URL(url).pathname === urlFor("login");
}
