// The challenge that guests and sign-ups solve, in a worker of its own: the page stays quick
// meanwhile.

import { request } from "../api.js";
import { urlFor } from "../urls.js";

const FRESH_MS = 15 * 60_000; // the site takes a solution for 20 minutes

export class Challenge {
  #solution = null;
  #begunAt = 0;

  /** Begins to solve one, unless that is done or under way. */
  prepare() {
    if (this.#solution && Date.now() - this.#begunAt < FRESH_MS) return;
    this.#begunAt = Date.now();
    const solution = solved();
    this.#solution = solution;
    // Asked for again when it is needed; until then nobody need hear of it.
    solution.catch(() => this.#solution === solution && (this.#solution = null));
  }

  /** Returns a solution for the site, each given out once. Throws what `request` throws. */
  take() {
    this.prepare();
    const solution = this.#solution;
    this.#solution = null;
    return solution;
  }
}

async function solved() {
  const { maxnumber, ...challenge } = await (await request(urlFor("api_challenge"), {})).json();
  const number = await inWorker({ ...challenge, maxnumber });
  return btoa(JSON.stringify({ ...challenge, number }));
}

function inWorker(challenge) {
  const worker = new Worker(import.meta.resolve("./solver.js"), { type: "module" });
  const answer = new Promise((resolve, reject) => {
    worker.addEventListener("message", ({ data }) => resolve(data));
    worker.addEventListener("error", () =>
      reject(new TypeError("The worker that solves challenges has failed.")),
    );
  });
  worker.postMessage(challenge);
  return answer.finally(() => worker.terminate());
}
