// The page's <template> elements, which the server renders from the same files as the messages
// themselves.

/** Returns a fresh copy of the one element in that template. */
export function clone(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}
