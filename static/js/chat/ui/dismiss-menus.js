// Menus are <details>: they close at a click elsewhere and at Escape.

const open = () => document.querySelectorAll("details.menu[open], details.user-menu[open]");

export function dismissMenus() {
  document.addEventListener("click", (event) => {
    for (const menu of open()) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of open()) {
      event.stopImmediatePropagation();
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
}
