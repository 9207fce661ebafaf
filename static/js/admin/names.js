// Gives what Django's scripts make (boxes that filter a list, boxes that search for a person) the
// names and roles that they leave out.

function start() {
  const changes = { attributeFilter: ["aria-owns"], childList: true, subtree: true };
  new MutationObserver(nameAll).observe(document.body, changes);
  nameAll();
}

function nameAll() {
  each("span.help-tooltip[aria-label]:not([role])", (hint) => hint.setAttribute("role", "img"));
  each(".calendarbox:not([role])", (box) => giveRole(box, "dialog", "Choose a day"));
  each(".clockbox:not([role])", (box) => giveRole(box, "dialog", "Choose a time"));
  // What is open hangs at the end of the page, outside of every landmark.
  each("body > .select2-container:not([role])", (box) => giveRole(box, "region", "Choices"));
  each("[role=combobox][aria-owns]", (box) => {
    box.setAttribute("aria-controls", box.getAttribute("aria-owns"));
  });
  each(".select2-search__field:not([aria-label])", nameSearch);
  each(".select2-selection[role=combobox]:not([data-named])", nameSelection);
}

function each(selector, act) {
  for (const element of document.querySelectorAll(selector)) act(element);
}

function giveRole(box, role, name) {
  box.setAttribute("role", role);
  box.setAttribute("aria-label", name);
}

function nameSearch(box) {
  const open = document.querySelector(".select2-container--open");
  const label = labelOf(box.closest(".select2") ?? open);
  const name = label ? `Search: ${label.textContent.trim().replace(/:$/, "")}` : "Search";
  box.setAttribute("aria-label", name);
}

function nameSelection(box) {
  const label = labelOf(box.closest(".select2"));
  box.dataset.named = "";
  if (!label) return;
  label.id ||= `label-of-${label.htmlFor}`;
  box.setAttribute("aria-labelledby", `${label.id} ${box.getAttribute("aria-labelledby")}`);
  box.querySelector("[role=textbox]")?.setAttribute("aria-labelledby", label.id);
}

/**
 * Returns the label of the field in whose place Select2 has put `container`: it stands right behind
 * the field.
 */
function labelOf(container) {
  return container?.previousElementSibling?.labels?.[0];
}

start();
