// The list of conversations, which is a drawer on phones; and menus that close.

import { clone } from "./templates.js";

export class Sidebar {
  #element = document.querySelector("[data-sidebar]");
  #list = this.#element.querySelector("[data-conversations]");
  #opener = document.querySelector("[data-drawer-open]");

  constructor() {
    this.#opener.addEventListener("click", () => this.#toggle(true));
    for (const closer of document.querySelectorAll("[data-drawer-close]")) closer.addEventListener("click", () => this.#toggle(false));
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.#toggle(false));
  }

  /** Puts the conversation on top and marks it as the one that is shown. */
  show(id, title) {
    const href = `/c/${id}/`;
    const known = [...this.#list.children].find((item) => item.firstElementChild.getAttribute("href") === href);
    const item = known ?? clone("conversation-template");
    const link = item.firstElementChild;
    if (!known) Object.assign(link, { href, textContent: title });
    this.#list.querySelector("[aria-current]")?.removeAttribute("aria-current");
    link.setAttribute("aria-current", "page");
    this.#list.prepend(item);
  }

  #toggle(open) {
    if (open === document.body.classList.contains("drawer-is-open")) return;
    document.body.classList.toggle("drawer-is-open", open);
    this.#opener.setAttribute("aria-expanded", open);
    document.querySelector(".conversation").inert = open;
    (open ? this.#element.querySelector("a") : this.#opener).focus();
  }
}

/** Menus are <details>: they close at a click elsewhere and at Escape. */
export function closeMenus() {
  const menus = () => document.querySelectorAll("details.menu[open], details.user-menu[open]");
  document.addEventListener("click", (event) => {
    for (const menu of menus()) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of menus()) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
}
