// The site's API: requests with the CSRF token, refusals as exceptions.

import { urlFor } from "./urls.js";

/**
 * Says what the site turned down: `code` and `message` of its error, `retryAfter` in seconds or
 * null.
 */
export class Refusal extends Error {
  constructor(status, { code = "internal_error", message = "", retry_after = null } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfter = retry_after;
  }
}

/**
 * Requests the events of an answer after the cursor ("" is the beginning); the response streams.
 * Throws as `request`.
 */
export function answerStream(answer, cursor, signal) {
  return request(urlFor("api_answer_stream", answer, cursor && { after: cursor }), { signal });
}

/**
 * Fetches a fresh rendering of the conversation's page, of the branch through the message `at` if
 * it is given. Throws as `request`.
 */
export async function conversationPage(conversation, at, signal) {
  const query = at ? { at } : location.search;
  const response = await request(urlFor("conversation", conversation, query), { signal });
  if (response.redirected) throw new Refusal(401); // to the sign-in page
  return new DOMParser().parseFromString(await response.text(), "text/html");
}

/** Returns what applies to this person and how much of it is used. Throws as `request`. */
export async function limits() {
  return (await request(urlFor("api_limits"), {})).json();
}

/**
 * Ends an answer; returns once its end is saved. Throws as `request`, and where something else than
 * the site has answered.
 */
export async function stopAnswer(answer, signal) {
  const response = await request(urlFor("api_answer_stop", answer), {
    method: "POST",
    body: "{}",
    signal,
  });
  if (!(await response.json()).status) throw new TypeError("no word of the site's");
}

/**
 * Makes a request as the page does; a body is JSON. Throws Refusal, or TypeError when the site is
 * out of reach.
 */
export async function request(url, options) {
  const headers = { Accept: "text/event-stream, application/json, text/html" };
  if (options.body) {
    Object.assign(headers, { "Content-Type": "application/json", "X-CSRFToken": csrfToken() });
  }
  const response = await fetch(url, {
    ...options,
    headers,
    credentials: "same-origin",
    cache: "no-store",
  });
  if (response.ok) return response;
  throw new Refusal(response.status, await errorOf(response));
}

async function errorOf(response) {
  try {
    return (await response.json()).error;
  } catch {
    return undefined; // a proxy's page, not the site's word
  }
}

/**
 * Returns the token that unsafe requests bring with them. The cookie first: another tab may have
 * renewed the token since this page was rendered.
 */
export function csrfToken() {
  const prefix = `${document.querySelector("meta[name=csrf-cookie]")?.content ?? "csrftoken"}=`;
  const cookie = document.cookie.split("; ").find((pair) => pair.startsWith(prefix));
  return (
    cookie?.slice(prefix.length) ??
    document.querySelector("[name=csrfmiddlewaretoken]")?.value ??
    ""
  );
}

/**
 * Makes a random UUID; crypto.randomUUID exists in secure contexts only, and a site on a home
 * network may have plain http.
 */
export function randomUuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
