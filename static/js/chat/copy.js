// Copying an answer's Markdown, a prompt, or a block of code.

const DONE_MS = 1600;

/** Listens for the copy buttons in `root`; `announcer` says that it is done. */
export function listenForCopy(root, announcer) {
  root.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy], .copy-code");
    if (!button) return;
    await copy(textFor(button));
    showDone(button);
    announcer.say("Copied.");
  });
}

function textFor(button) {
  if (button.matches(".copy-code")) return button.closest(".code-block").querySelector("code").textContent;
  const message = button.closest(".message");
  const source = message.querySelector("template[data-source]");
  return source ? source.content.textContent : message.querySelector("[data-text]").textContent;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return;
  } catch {
    // Plain http has no clipboard API, and a browser may refuse it; the old command still works.
  }
  const box = document.createElement("textarea");
  box.value = text;
  box.className = "visually-hidden";
  document.body.append(box);
  box.select();
  document.execCommand("copy");
  box.remove();
}

function showDone(button) {
  const isCode = button.matches(".copy-code");
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
