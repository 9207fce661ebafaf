// The list of conversations, which is a drawer on phones.

import { urlFor } from "../urls.js";
import { clone } from "./templates.js";

export class Sidebar {
  #root;
  #element;
  #list;
  #opener;

  /** `root`: the conversation beside it, which is out of reach while the drawer is open. */
  constructor(root) {
    this.#root = root;
    this.#element = document.querySelector("[data-sidebar]");
    this.#list = this.#element.querySelector("[data-conversations]");
    this.#opener = root.querySelector("[data-drawer-open]");
    this.#opener.addEventListener("click", () => this.#toggle(true));
    for (const closer of document.querySelectorAll("[data-drawer-close]")) {
      closer.addEventListener("click", () => this.#toggle(false));
    }
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.#toggle(false));
  }

  /** Puts the conversation on top and marks it as the one that is shown. */
  show(id, title) {
    const item = this.put(id, title);
    this.#list.querySelector("[aria-current]")?.removeAttribute("aria-current");
    item.firstElementChild.setAttribute("aria-current", "page");
  }

  /** Puts the conversation on top; returns its item. */
  put(id, title) {
    const item = this.#find(id) ?? clone("conversation-template");
    const href = urlFor("conversation", id);
    Object.assign(item.firstElementChild, { href, textContent: title });
    this.#list.prepend(item);
    return item;
  }

  rename(id, title) {
    const link = this.#find(id)?.firstElementChild;
    if (link) link.textContent = title;
  }

  remove(id) {
    this.#find(id)?.remove();
  }

  #find(id) {
    return this.#list.querySelector(`a[href="${urlFor("conversation", id)}"]`)?.parentElement;
  }

  #toggle(open) {
    if (open === (this.#opener.ariaExpanded === "true")) return;
    document.body.classList.toggle("is-drawer-open", open);
    this.#opener.setAttribute("aria-expanded", open);
    this.#root.inert = open;
    (open ? this.#element.querySelector("a") : this.#opener).focus();
  }
}
