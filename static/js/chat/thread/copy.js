// Copying an answer's Markdown, a prompt, or a block of code.

import { codeButtonAt, codeOf } from "./code-block.js";

const DONE_MS = 1600;

const REFUSED = "The browser did not let the page copy. Select the text and copy it from there.";

/**
 * Listens for the copy buttons in `root`; `announcer` says that it is done, `onFailed(message)`
 * that it is not.
 */
export function listenForCopy(root, announcer, onFailed) {
  root.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]") ?? codeButtonAt(event.target);
    if (!button) return;
    if (!(await copy(textFor(button)))) return onFailed(REFUSED);
    showDone(button);
    announcer.say("Copied.");
  });
}

function textFor(button) {
  // the newline that ends the last line is no line of its own
  return sourceFor(button).replace(/\r?\n$/, "");
}

function sourceFor(button) {
  if (codeButtonAt(button)) return codeOf(button);
  const message = button.closest("[data-message]");
  const source = message.querySelector("template[data-source]");
  return source ? source.content.textContent : message.querySelector("[data-text]").textContent;
}

// Returns whether it was done.
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Plain http has no clipboard API, and a browser may refuse it; the old command may still work.
    return copyByCommand(text);
  }
}

function copyByCommand(text) {
  const putBack = keepSelection();
  const box = document.createElement("textarea");
  box.value = text;
  box.className = "visually-hidden";
  document.body.append(box);
  box.select();
  try {
    return document.execCommand("copy");
  } catch {
    return false;
  } finally {
    box.remove();
    putBack();
  }
}

/** Returns a function that selects again what is selected now, and puts the focus back. */
function keepSelection() {
  const selection = getSelection();
  const { anchorNode, anchorOffset, focusNode, focusOffset } = selection;
  const focused = document.activeElement;
  return () => {
    focused?.focus({ preventScroll: true });
    if (anchorNode) selection.setBaseAndExtent(anchorNode, anchorOffset, focusNode, focusOffset);
  };
}

function showDone(button) {
  const isCode = codeButtonAt(button) !== null;
  if (isCode) button.textContent = "Copied";
  else showIcon(button, "check");
  button.classList.add("is-done");
  setTimeout(() => {
    if (isCode) button.textContent = "Copy";
    else showIcon(button, "copy");
    button.classList.remove("is-done");
  }, DONE_MS);
}

function showIcon(button, name) {
  button.querySelector("use").setAttribute("href", `#icon-${name}`);
}
