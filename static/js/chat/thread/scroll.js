// Keeps the newest in sight while the reader is at the bottom, and leaves the page alone when not.

const NEAR_PX = 60;

export class StickyBottom {
  #stuck = true;
  #lastY = window.scrollY;
  #button;

  /** `content` is what grows; `button` takes the reader back down. */
  constructor(content, button) {
    this.#button = button;
    window.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    button.addEventListener("click", () => this.toBottom());
    new ResizeObserver(() => this.#grown()).observe(content);
  }

  toBottom() {
    this.#stuck = true;
    window.scrollTo({ top: document.documentElement.scrollHeight });
    // At once: before this scroll's own event, the reader may have gone up already, from here and
    // not from where it was before.
    this.#lastY = window.scrollY;
    this.#showButton();
  }

  /** Stays where the page was opened, as for a link to one message. */
  release() {
    this.#stuck = this.#atBottom();
    this.#showButton();
  }

  #atBottom() {
    const root = document.documentElement;
    return root.scrollHeight - window.innerHeight - window.scrollY < NEAR_PX;
  }

  // Only the reader's own way up lets go: text that grows faster than the page follows must not.
  #scrolled() {
    if (this.#atBottom()) this.#stuck = true;
    else if (window.scrollY < this.#lastY - 1) this.#stuck = false;
    this.#lastY = window.scrollY;
    this.#showButton();
  }

  #grown() {
    if (this.#stuck) this.toBottom();
    else this.#showButton();
  }

  #showButton() {
    this.#button.parentElement.hidden = this.#stuck || this.#atBottom();
  }
}
