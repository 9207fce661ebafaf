// Begins turns at the site. A guest's first one, and one in twenty after it, carries a solved
// challenge; where the site asks for one, the turn is sent again with it.

import { request } from "../api.js";
import { urlFor } from "../urls.js";
import { wellFormedJson } from "../well-formed.js";

export class TurnApi {
  #challenge;
  #isDue;
  // A turn that is sent again because no word came back must bring the very same solution: it is
  // what the site knows a new guest by.
  #sent = { turn: null, altcha: undefined };

  /** Takes the Challenge to solve, and whether the next turn needs it. */
  constructor(challenge, isDue) {
    this.#challenge = challenge;
    this.#isDue = isDue;
  }

  /** Solves what the next turn will need while no one waits for it. */
  prepare() {
    if (this.#isDue) this.#challenge.prepare();
  }

  /**
   * Begins a turn (POST /api/chat); the response streams. Throws Refusal, or TypeError when the
   * site is out of reach.
   */
  async begin(turn, signal) {
    if (this.#sent.turn !== turn.turn) {
      const altcha = this.#isDue ? await this.#challenge.take() : undefined;
      this.#sent = { turn: turn.turn, altcha };
    }
    try {
      return await this.#post(turn, signal);
    } catch (error) {
      if (error.code !== "challenge_required") throw error;
    }
    this.#sent.altcha = await this.#challenge.take();
    return this.#post(turn, signal);
  }

  async #post(turn, signal) {
    const body = wellFormedJson({ ...turn, altcha: this.#sent.altcha });
    const response = await request(urlFor("api_chat"), { method: "POST", body, signal });
    this.#isDue = false;
    return response;
  }
}
