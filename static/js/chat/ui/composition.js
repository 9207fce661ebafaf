// Composing text with an input method, as one writes Chinese or Japanese: Enter takes what it proposes, Escape drops it. Neither means
// anything to the page then.

/** From now on no key that belongs to a composition reaches any part of the page. */
export function keepKeysOfCompositions() {
  const keep = (event) => isOfComposition(event) && event.stopImmediatePropagation();
  // On its way down and first of all: whoever listens for keys, anywhere, need not know of it.
  window.addEventListener("keydown", keep, { capture: true });
}

// 229 is how Safari says so of the key that has ended the composition already.
function isOfComposition(event) {
  return event.isComposing || event.keyCode === 229;
}
