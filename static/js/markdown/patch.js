// Changes what is shown into what is to be shown, and touches nothing that stays as it is: a
// selection, a focus and the place of a scroll bar survive. At the end of an answer
// chat/patch-tree.js does the same with the server's tree.

/**
 * Makes the children of `parent` from `first` on (null: none) like `nodes`, and returns what stands
 * there then: a node that was shown where it could stay, and one of `nodes` where it could not.
 */
export function patch(parent, first, nodes) {
  let shown = first;
  const standing = nodes.map((node) => {
    if (!shown) return parent.appendChild(node);
    const before = shown;
    shown = shown.nextSibling;
    return changed(before, node);
  });
  while (shown) {
    const after = shown.nextSibling;
    shown.remove();
    shown = after;
  }
  return standing;
}

function changed(shown, wanted) {
  if (shown.isEqualNode(wanted)) return shown;
  if (shown.nodeName !== wanted.nodeName) {
    shown.replaceWith(wanted);
    return wanted;
  }
  if (shown.nodeType === Node.TEXT_NODE) changeText(shown, wanted.data);
  else {
    copyAttributes(shown, wanted);
    patch(shown, shown.firstChild, [...wanted.childNodes]);
  }
  return shown;
}

function changeText(shown, text) {
  if (text.startsWith(shown.data)) shown.appendData(text.slice(shown.data.length));
  else shown.data = text;
}

function copyAttributes(shown, wanted) {
  for (const { name } of [...shown.attributes]) {
    if (!wanted.hasAttribute(name)) shown.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (shown.getAttribute(name) !== value) shown.setAttribute(name, value);
  }
}

/**
 * Puts `nodes` in the place of `shown`, children of `parent` that stand before `after`; returns
 * what stands there.
 */
export function replaceNodes(parent, shown, nodes, after) {
  if (shown.length === 1 && nodes.length === 1) return [changed(shown[0], nodes[0])];
  for (const node of shown) node.remove();
  for (const node of nodes) parent.insertBefore(node, after);
  return nodes;
}
