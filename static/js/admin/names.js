// Gives what Django's scripts make (boxes that filter a list, boxes that search for a person) the
// names and roles that they leave out.

function nameAll() {
  for (const hint of document.querySelectorAll("span.help-tooltip[aria-label]:not([role])")) {
    hint.setAttribute("role", "img");
  }
  for (const box of document.querySelectorAll(".calendarbox:not([role]), .clockbox:not([role])")) {
    box.setAttribute("role", "dialog");
    box.setAttribute("aria-label", box.matches(".clockbox") ? "Choose a time" : "Choose a day");
  }
  // What is open hangs at the end of the page, outside of every landmark.
  for (const box of document.querySelectorAll("body > .select2-container:not([role])")) {
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", "Choices");
  }
  for (const box of document.querySelectorAll("[role=combobox][aria-owns]")) {
    box.setAttribute("aria-controls", box.getAttribute("aria-owns"));
  }
  for (const box of document.querySelectorAll(".select2-search__field:not([aria-label])")) {
    const label = labelOf(
      box.closest(".select2") ?? document.querySelector(".select2-container--open"),
    );
    box.setAttribute(
      "aria-label",
      label ? `Search: ${label.textContent.trim().replace(/:$/, "")}` : "Search",
    );
  }
  for (const box of document.querySelectorAll(
    ".select2-selection[role=combobox]:not([data-named])",
  )) {
    const label = labelOf(box.closest(".select2"));
    box.dataset.named = "";
    if (!label) continue;
    label.id ||= `label-of-${label.htmlFor}`;
    box.setAttribute("aria-labelledby", `${label.id} ${box.getAttribute("aria-labelledby")}`);
    box.querySelector("[role=textbox]")?.setAttribute("aria-labelledby", label.id);
  }
}

/**
 * The label of the field in whose place Select2 has put `container`: it stands right behind the
 * field.
 */
function labelOf(container) {
  return container?.previousElementSibling?.labels?.[0];
}

function start() {
  const changes = { attributeFilter: ["aria-owns"], childList: true, subtree: true };
  new MutationObserver(nameAll).observe(document.body, changes);
  nameAll();
}

start();
