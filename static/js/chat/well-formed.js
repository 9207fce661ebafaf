// Text that can be written as UTF-8. What is cut in the middle of an emoji (by a program that
// counts in UTF-16, or a limit of a field) leaves half of one, which the API refuses.

/**
 * Returns the text with U+FFFD for each half of a surrogate pair that stands alone;
 * String.prototype.toWellFormed, where there is none yet.
 */
export function wellFormed(text) {
  return text.replace(/\p{Surrogate}/gu, "\uFFFD");
}

/** Writes JSON in which every text is well-formed. */
export function wellFormedJson(value) {
  return JSON.stringify(value, (_, each) => (typeof each === "string" ? wellFormed(each) : each));
}
