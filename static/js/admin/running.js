// Keeps the page of running answers fresh: every few seconds its table is fetched and what differs
// is put in, row by row, so that neither the focus nor a half-read line is lost.

const EVERY_MS = 3000;

function start() {
  const shown = document.querySelector("[data-running]");
  setInterval(() => refresh(shown).catch(() => {}), EVERY_MS);
}

async function refresh(shown) {
  if (document.hidden) return;
  const response = await fetch(location.href, { credentials: "same-origin", redirect: "error" });
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = page.querySelector("[data-running]");
  if (fresh) update(shown, fresh);
}

function update(shown, fresh) {
  replaceText(shown.querySelector("[data-count]"), fresh.querySelector("[data-count]"));
  const [before, after] = [shown, fresh].map((part) => part.querySelector("tbody"));
  const table = shown.querySelector("[data-table]");
  if (before && after) updateRows(before, after);
  else if (before || after) replaceTable(table, fresh.querySelector("[data-table]"));
  // "Stop all" comes and goes with the table.
  const [oldAll, newAll] = [shown, fresh].map((part) => part.querySelector("[data-stop-all]"));
  if (oldAll && !newAll) leave(oldAll, table);
  else if (!oldAll && newAll) table.after(newAll);
}

function updateRows(before, after) {
  const old = new Map([...before.rows].map((row) => [row.dataset.answer, row]));
  for (const row of [...after.rows]) {
    const known = old.get(row.dataset.answer);
    old.delete(row.dataset.answer);
    if (!known) before.append(row);
    else updateCells(known.cells, row.cells);
  }
  for (const row of old.values()) leave(row, before.closest("[data-table]"));
}

function updateCells(old, fresh) {
  for (const [place, cell] of [...old].entries()) {
    if (!cell.querySelector("form")) replaceText(cell, fresh[place]);
  }
}

function replaceText(cell, fresh) {
  if (cell.textContent !== fresh.textContent) cell.replaceChildren(...fresh.childNodes);
}

function replaceTable(table, fresh) {
  const hadFocus = table.contains(document.activeElement);
  table.replaceChildren(...fresh.childNodes);
  if (hadFocus) table.focus();
}

/** Removes a part; the focus that was in it goes to the table around it, not to nowhere. */
function leave(part, table) {
  const hadFocus = part.contains(document.activeElement);
  part.remove();
  if (hadFocus) table.focus();
}

start();
