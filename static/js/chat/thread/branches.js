// Versions of a message: "‹ 2/3 ›".

import { versionUrl } from "../urls.js";

/**
 * Makes `fresh` the newest version beside `old`, the way the server will show it after a reload.
 */
export function markAsVersionOf(fresh, old) {
  const count = Number(old.dataset.count) + 1;
  Object.assign(fresh.dataset, { place: count, count });
  const nav = fresh.querySelector("[data-branches]");
  nav.querySelector("[data-place]").textContent = `${count}/${count}`;
  const previous = nav.querySelector("[data-previous]");
  previous.href = versionUrl(old.dataset.newest);
  previous.removeAttribute("aria-disabled");
  nav.hidden = false;
}

/** Gives the message the id that the site has given it. */
export function identify(element, id) {
  element.id = `m-${id}`;
  element.dataset.newest = id;
}
