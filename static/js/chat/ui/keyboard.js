// What keys do in a box for a prompt.

/** Tells whether writing brings up a keyboard on the screen. */
export function hasTouchKeyboard() {
  return matchMedia("(pointer: coarse) and (not (any-pointer: fine))").matches;
}

/**
 * Makes Enter submit the form and Shift+Enter break the line; on a touch keyboard, which has no
 * Shift+Enter, Enter breaks it.
 */
export function sendOnEnter(box, form) {
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || hasTouchKeyboard()) return;
    event.preventDefault();
    form.requestSubmit();
  });
}

/** Keeps every key that belongs to a composition from all parts of the page, from now on. */
export function keepKeysOfCompositions() {
  const keep = (event) => isOfComposition(event) && event.stopImmediatePropagation();
  // On its way down and first of all: what listens for keys, anywhere, need not know of it.
  window.addEventListener("keydown", keep, { capture: true });
}

// Text is composed with an input method, as one writes Chinese or Japanese: Enter takes what it
// proposes, Escape drops it. Neither means anything to the page then. 229 is how Safari says so of
// the key that has ended the composition already.
function isOfComposition(event) {
  return event.isComposing || event.keyCode === 229;
}
