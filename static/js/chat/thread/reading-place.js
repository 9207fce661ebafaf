// Where somebody is in an answer whose nodes are about to be replaced: what they have selected,
// what has the focus, what they look at. Places are counted in characters that are no space: the
// streamed and the finished text differ in the space between blocks.

import { isInCodeBar } from "./code-block.js";

const CONTEXT_CHARS = [24, 12, 6, 3, 1];
const FOCUSABLE = "a[href], button, [tabindex]";

/**
 * Notes the reader's place in `root`; returns a function that finds it again after the change, as
 * far as it was lost.
 */
export function keepReadingPlace(root) {
  const old = new TextIndex(root);
  const [selected, focus, sight] = [selectionIn(old), focusIn(old), sightOf(old)];
  return () => {
    if (!selected && !focus && !sight) return;
    const fresh = new TextIndex(root);
    const find = finder(old.text, fresh.text);
    putFocus(fresh, focus, find);
    select(fresh, selected, find);
    putSight(fresh, sight, find);
  };
}

function compact(text) {
  return text.replace(/\s+/g, "");
}

/** The text of `root` and the places in it, as they are when it is made. */
class TextIndex {
  #nodes = [];
  #starts = []; // how many characters are before each node

  constructor(root) {
    this.root = root;
    const texts = [];
    let count = 0;
    for (const node of textNodes(root)) {
      this.#nodes.push(node);
      this.#starts.push(count);
      texts.push(compact(node.data));
      count += texts.at(-1).length;
    }
    this.text = texts.join("");
  }

  /**
   * Returns the place of a boundary: the characters before it, and the space between the last of
   * these and it.
   */
  placeOf(node, offset) {
    if (node.nodeType !== Node.TEXT_NODE) {
      return { count: this.#countBefore(node.childNodes[offset] ?? null, node), space: 0 };
    }
    const before = node.data.slice(0, offset);
    return {
      count: this.#countBefore(node) + compact(before).length,
      space: before.length - before.trimEnd().length,
    };
  }

  countBefore(element) {
    return this.#countBefore(element);
  }

  /**
   * Returns the boundary at a place; `isStart` puts it before the next character, else it is behind
   * the last, where a node ends between them.
   */
  boundaryAt({ count, space }, isStart) {
    const at =
      this.#search((place) =>
        isStart ? this.#starts[place] <= count : this.#starts[place] < count,
      ) - 1;
    const node = this.#nodes[at];
    if (!node) return { node: this.root, offset: 0 };
    return { node, offset: offsetIn(node.data, count - this.#starts[at], space, isStart) };
  }

  /** Returns the child of the root in which that character is, or undefined. */
  blockAt(count) {
    let { node } = this.boundaryAt({ count, space: 0 }, true);
    while (node !== this.root && node.parentNode !== this.root) node = node.parentNode;
    return node.getBoundingClientRect ? node : undefined;
  }

  // Of the text before `node`, or, where that is null, up to the end of `parent`.
  #countBefore(node, parent) {
    const isBefore = (each) =>
      node
        ? Boolean(node.compareDocumentPosition(each) & Node.DOCUMENT_POSITION_PRECEDING)
        : endsBefore(each, parent);
    return this.#starts[this.#search((place) => isBefore(this.#nodes[place]))] ?? this.text.length;
  }

  // The first of the nodes for which that does not hold; it holds for all before it.
  #search(holds) {
    let [low, high] = [0, this.#nodes.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (holds(middle)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

// The bar of a block of code is not of the text: its label may change.
function* textNodes(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    if (!isInCodeBar(walker.currentNode.parentElement)) yield walker.currentNode;
  }
}

function endsBefore(node, parent) {
  return (
    parent.contains(node) ||
    Boolean(parent.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_PRECEDING)
  );
}

function offsetIn(data, count, space, isStart) {
  let offset = 0;
  for (let seen = 0; seen < count && offset < data.length; offset += 1) {
    if (data[offset].trim()) seen += 1;
  }
  const end = isStart ? data.length : Math.min(data.length, offset + space);
  while (offset < end && !data[offset].trim()) offset += 1;
  return offset;
}

/**
 * Returns a function from places in the old text to those of the same characters in the new one;
 * `isStart`: of a place before them.
 */
function finder(old, fresh) {
  if (fresh.startsWith(old)) return (count) => count;
  const start = commonStart(old, fresh);
  const end = commonStart([...old].reverse().join(""), [...fresh].reverse().join(""));
  return (count, isStart = true) => {
    if (count + (isStart ? 1 : 0) <= start) return count;
    if (old.length - count + (isStart ? 0 : 1) <= end) return fresh.length - (old.length - count);
    for (const length of CONTEXT_CHARS) {
      const place = isStart
        ? nearest(fresh, old.slice(count, count + length), count, 0)
        : nearest(fresh, old.slice(Math.max(0, count - length), count), count, length);
      if (place !== undefined) return place;
    }
    return Math.min(count, fresh.length);
  };
}

function commonStart(one, other) {
  let length = 0;
  while (length < Math.min(one.length, other.length) && one[length] === other[length]) length += 1;
  return length;
}

// Where those characters are in the text (`behind` of them before the place), as near to `count` as
// can be; undefined where nowhere.
function nearest(text, part, count, behind) {
  const before = text.lastIndexOf(part, count - behind);
  const after = text.indexOf(part, count - behind);
  const places = [before, after]
    .filter((at) => at >= 0)
    .map((at) => at + Math.min(behind, part.length));
  return places.sort((one, other) => Math.abs(one - count) - Math.abs(other - count))[0];
}

// --- The selection ----------------------------------------------------------------

/**
 * Returns the ends of the selection, as places where they lie in the text; null where neither does.
 */
function selectionIn(index) {
  const { anchorNode, anchorOffset, focusNode, focusOffset, isCollapsed } = getSelection();
  if (isCollapsed) return null;
  const [anchor, focus] = [
    endIn(index, anchorNode, anchorOffset),
    endIn(index, focusNode, focusOffset),
  ];
  return anchor.place || focus.place
    ? { anchor, focus, isBackward: isBackward(anchorNode, anchorOffset, focusNode, focusOffset) }
    : null;
}

function endIn(index, node, offset) {
  return index.root.contains(node) ? { place: index.placeOf(node, offset) } : { node, offset };
}

function isBackward(anchorNode, anchorOffset, focusNode, focusOffset) {
  const range = document.createRange();
  range.setStart(anchorNode, anchorOffset);
  return range.comparePoint(focusNode, focusOffset) < 0;
}

function select(index, selected, find) {
  if (!selected) return;
  const now = selectionIn(index);
  const { isBackward } = selected;
  const isThere = ({ place }, end, isStart) =>
    !place || end.place?.count === find(place.count, isStart);
  if (
    now &&
    isThere(selected.anchor, now.anchor, !isBackward) &&
    isThere(selected.focus, now.focus, isBackward)
  ) {
    return;
  }
  const [anchor, focus] = [
    found(index, selected.anchor, find, !isBackward),
    found(index, selected.focus, find, isBackward),
  ];
  getSelection().setBaseAndExtent(anchor.node, anchor.offset, focus.node, focus.offset);
}

function found(index, { place, ...end }, find, isStart) {
  return place ? index.boundaryAt({ ...place, count: find(place.count, isStart) }, isStart) : end;
}

// --- The focus --------------------------------------------------------------------

function focusIn(index) {
  const element = document.activeElement;
  if (element === index.root || !index.root.contains(element)) return null;
  return { element, count: index.countBefore(element), name: element.localName };
}

function putFocus(index, focus, find) {
  if (!focus || document.activeElement === focus.element) return;
  const count = find(focus.count);
  const block = index.blockAt(count) ?? index.root;
  const alike = [block, ...block.querySelectorAll(FOCUSABLE)].filter(
    (element) => element.localName === focus.name,
  );
  const distance = (element) => Math.abs(index.countBefore(element) - count);
  alike.sort((one, other) => distance(one) - distance(other))[0]?.focus({ preventScroll: true });
}

// --- What is looked at ------------------------------------------------------------

/**
 * Returns the first block of the answer that is in sight, and how far down; null where the answer
 * begins in sight or below.
 */
function sightOf(index) {
  if (index.root.getBoundingClientRect().top >= 0) return null;
  const block = [...index.root.children].find((child) => child.getBoundingClientRect().bottom > 0);
  return block ? { count: index.countBefore(block), top: block.getBoundingClientRect().top } : null;
}

// Browsers that keep what is in sight by themselves have done it by the time that the block is
// measured.
function putSight(index, sight, find) {
  if (!sight) return;
  const block = index.blockAt(find(sight.count));
  if (block) {
    window.scrollBy({ top: block.getBoundingClientRect().top - sight.top, behavior: "instant" });
  }
}
