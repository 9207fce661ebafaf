// A block of code in an answer. What an answer is made of has no data attributes, for the sanitiser
// lets none through: here alone scripts know elements by their classes.

/** Returns the button that copies a block of code, if `target` is in one; else null. */
export function codeButtonAt(target) {
  return target.closest(".copy-code");
}

/** Returns the code that the button copies. */
export function codeOf(button) {
  return button.closest(".code-block").querySelector("code").textContent;
}

/** Tells whether `element` is in the bar above the code, which is not of the text. */
export function isInCodeBar(element) {
  return element.closest(".code-bar") !== null;
}
