// Makes one tree of nodes equal to another and leaves alone what is equal already: a selection, the
// focus and a scrolled block of code stay where nothing differs.

// so that two long trees with nothing in common are not compared each with each
const MAX_SKIPPED = 50;

/** Gives `old` the children of `fresh`, whose nodes it may take. */
export function patchChildren(old, fresh) {
  let next = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const match = matchFor(child, next);
    if (!match) {
      old.insertBefore(child, next);
      continue;
    }
    while (next !== match) next = removed(next);
    next = match.nextSibling;
    patch(match, child);
  }
  while (next) next = removed(next);
}

// A node that stands there already: the very same one further on, if there is one, else the next if
// it is of the same kind.
function matchFor(child, next) {
  let each = isBlank(child) ? null : next;
  for (let skipped = 0; each && skipped < MAX_SKIPPED; skipped += 1, each = each.nextSibling) {
    if (each.isEqualNode(child)) return each;
  }
  return next && isSameKind(next, child) ? next : null;
}

function isSameKind(one, other) {
  return one.nodeName === other.nodeName && isBlank(one) === isBlank(other);
}

// The server's renderer puts a newline between blocks, where the stream has none.
function isBlank(node) {
  return node.nodeType === Node.TEXT_NODE && !node.data.trim();
}

function removed(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

function patch(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== Node.ELEMENT_NODE) return patchText(old, fresh.data);
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  patchChildren(old, fresh);
}

// Only what differs is replaced: what is selected before and behind that stays selected.
function patchText(node, text) {
  const shorter = Math.min(node.length, text.length);
  let start = 0;
  while (start < shorter && node.data[start] === text[start]) start += 1;
  let end = 0;
  while (end < shorter - start && node.data.at(-1 - end) === text.at(-1 - end)) end += 1;
  node.replaceData(start, node.length - start - end, text.slice(start, text.length - end));
}
