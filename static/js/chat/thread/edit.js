// Editing a prompt in its place; what is sent is a new version, a branch of the conversation.

import { sendOnEnter } from "../ui/keyboard.js";
import { clone } from "../ui/templates.js";

/**
 * Opens the form in the place of the prompt's text; at most one is open. `onSend(text)` when it is
 * submitted.
 */
export function editPrompt(prompt, text, onSend) {
  closeEditor();
  const form = clone("edit-template");
  const box = form.elements.content;
  box.value = text;
  prompt.classList.add("is-edited");
  for (const part of prompt.querySelectorAll("[data-text], [data-actions]")) part.hidden = true;
  prompt.append(form);
  form.querySelector("[data-cancel]").addEventListener("click", closeEditor);
  form.addEventListener("keydown", (event) => event.key === "Escape" && closeEditor());
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (box.value.trim()) onSend(box.value);
  });
  sendOnEnter(box, form);
  box.focus();
}

export function isEditing() {
  return editedPrompt() !== null;
}

/** Closes the form, if one is open; the prompt says so with an event "editor-closed". */
export function closeEditor() {
  const prompt = editedPrompt();
  if (!prompt) return;
  prompt.classList.remove("is-edited");
  prompt.querySelector("[data-edit-form]").remove();
  for (const part of prompt.querySelectorAll("[data-text], [data-actions]")) part.hidden = false;
  prompt.querySelector("[data-edit]").focus();
  prompt.dispatchEvent(new CustomEvent("editor-closed", { bubbles: true }));
}

function editedPrompt() {
  return document.querySelector("[data-edit-form]")?.closest("[data-message]") ?? null;
}
