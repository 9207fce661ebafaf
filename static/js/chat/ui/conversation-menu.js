// The conversation's name, and its menu: rename, save, delete. Without JavaScript the forms lead to
// pages; here they leave the page, and with it a streaming answer, alone.

import { csrfToken } from "../api.js";
import { urlFor } from "../urls.js";
import { wellFormed } from "../well-formed.js";

const UNREACHABLE = "The site cannot be reached. Try again in a moment.";
const SIGNED_OUT = "You are signed out.";
const WHY = {
  403: "The page is too old, or is not yours any more.",
  404: "It is gone, or it is not yours.",
};
const BROKEN = "Something broke on the site's side. Try again in a moment.";

/**
 * Dispatches "renamed" with the title and "deleted" when the site has done it, "failed" with
 * {message, code} when it has not.
 */
export class ConversationMenu extends EventTarget {
  #heading;
  #menu;
  #rename;

  constructor(root) {
    super();
    this.#heading = root.querySelector("[data-title]");
    this.#menu = root.querySelector("[data-menu]");
    this.#rename = this.#menu.querySelector("[data-rename]");
    const remove = this.#menu.querySelector("[data-delete]");
    const deleted = () => this.#dispatch("deleted");
    this.#takeOver(this.#rename, () => this.#renamed(), "The conversation was not renamed.");
    this.#takeOver(remove, deleted, "The conversation was not deleted.");
  }

  /** Shows the menu, for a new conversation has got its address. */
  adopt(id, title) {
    for (const part of this.#menu.querySelectorAll("[data-url]")) {
      const attribute = part.localName === "form" ? "action" : "href";
      part.setAttribute(attribute, urlFor(part.dataset.url, id));
    }
    this.#menu.hidden = false;
    this.name(title);
  }

  name(title) {
    this.#heading.textContent = title;
    this.#rename.elements.title.value = title;
    document.title = `${title} – Chatsite`;
  }

  /** Hides the menu: there is no conversation any more, but one to come. */
  clear() {
    this.#menu.hidden = true;
    this.#heading.textContent = "New conversation";
    document.title = "Chatsite";
  }

  /** Sends the form without leaving the page. */
  #takeOver(form, onDone, failure) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const refusal = await refusalOf(form);
      if (!refusal) return onDone();
      this.#menu.open = false;
      this.#dispatch("failed", { message: `${failure} ${refusal.why}`, code: refusal.code });
    });
  }

  #renamed() {
    const title = wellFormed(this.#rename.elements.title.value).trim().replace(/\s+/g, " ");
    this.#menu.open = false;
    this.#menu.querySelector("summary").focus();
    if (!title) return; // the site has left it as it was
    this.name(title);
    this.#dispatch("renamed", title);
  }

  #dispatch(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** Sends the form; returns null, or {why, code} where the site has not simply done it. */
async function refusalOf(form) {
  const body = new FormData(form);
  // the page's own is old after a new sign-in in another tab
  body.set("csrfmiddlewaretoken", csrfToken());
  const response = await fetch(form.action, { method: "POST", body }).catch(() => null);
  if (!response) return { why: UNREACHABLE, code: "" };
  if (isSignIn(response)) return { why: SIGNED_OUT, code: "not_signed_in" };
  if (response.ok && response.redirected) return null;
  const code = response.status === 403 ? "csrf_failed" : "";
  return { why: WHY[response.status] ?? BROKEN, code };
}

/** Tells whether the site asks who this is, in the place of doing what it was asked. */
function isSignIn({ redirected, url }) {
  return redirected && new URL(url).pathname === urlFor("login");
}
