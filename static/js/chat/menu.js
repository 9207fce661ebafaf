// The conversation's name, and its menu: rename, save, delete. Without JavaScript the forms lead to pages; here they leave the page,
// and with it a streaming answer, alone.

const NIL = "00000000-0000-0000-0000-000000000000";
const ADDRESS = /\/c\/[0-9a-f-]{36}\//;

export class ConversationMenu {
  #heading;
  #menu;
  #rename;

  /** `onRenamed(title)` and `onDeleted()` are called when the site has done it. */
  constructor(root, { onRenamed, onDeleted }) {
    this.#heading = root.querySelector("[data-title]");
    this.#menu = root.querySelector("[data-menu]");
    this.#rename = this.#menu.querySelector("[data-rename]");
    takeOver(this.#rename, () => this.#renamed(onRenamed));
    takeOver(this.#menu.querySelector("[data-delete]"), onDeleted);
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
    this.#address(NIL);
    this.#menu.hidden = true;
    this.#heading.textContent = "New conversation";
    document.title = "Chatsite";
  }

  #address(id) {
    for (const link of this.#menu.querySelectorAll("a")) link.href = link.getAttribute("href").replace(ADDRESS, `/c/${id}/`);
    for (const form of this.#menu.querySelectorAll("form")) form.action = form.getAttribute("action").replace(ADDRESS, `/c/${id}/`);
  }

  #renamed(onRenamed) {
    const title = this.#rename.elements.title.value.trim().replace(/\s+/g, " ");
    this.#menu.open = false;
    this.#menu.querySelector("summary").focus();
    if (!title) return; // the site has left it as it was
    this.name(title);
    onRenamed(title);
  }
}

/** Sends the form without leaving the page. Where the site does not simply do it, the form is sent the ordinary way, to a page that says why. */
function takeOver(form, onDone) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const response = await fetch(form.action, { method: "POST", body: new FormData(form), redirect: "manual" });
      if (response.type !== "opaqueredirect") throw new Error(`status ${response.status}`);
    } catch {
      form.submit();
      return;
    }
    onDone();
  });
}
