// Begins turns. A guest's first one, and one in twenty after it, carries a solved challenge; where the site asks for one, it is sent again with it.

import { request } from "../api.js";
import { Challenge } from "../proof-of-work/challenge.js";
import { urlFor } from "../urls.js";
import { wellFormedJson } from "../well-formed.js";

const composer = document.querySelector("[data-composer]");
const challenge = new Challenge();
let due = "challengeDue" in composer.dataset;
// A turn that is sent again because no word came back must bring the very same solution: it is what the site knows a new guest by.
let sent = { turn: null, altcha: undefined };

/** Solves what the next turn will need while nobody waits for it. */
export function prepareTurn() {
  if (due) challenge.prepare();
}

/** Begins a turn (POST /api/chat); the response streams. Throws Refusal, or TypeError when the site is out of reach. */
export async function beginTurn(turn, signal) {
  if (sent.turn !== turn.turn) sent = { turn: turn.turn, altcha: due ? await challenge.take() : undefined };
  try {
    return await post(turn, signal);
  } catch (error) {
    if (error.code !== "challenge_required") throw error;
  }
  sent.altcha = await challenge.take();
  return post(turn, signal);
}

async function post(turn, signal) {
  const body = wellFormedJson({ ...turn, altcha: sent.altcha });
  const response = await request(urlFor("api_chat"), { method: "POST", body, signal });
  due = false;
  return response;
}
