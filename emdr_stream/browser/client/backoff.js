/** In: how often it failed, and the service's hint. Out: how long to wait before the next try, milliseconds. */

export const BASE_MS = 500;
/** A session that nobody comes back to is over after `grace_s`, 60 s: several tries must fit. */
export const CAP_MS = 15_000;
/** A connection that held as long as this was a good one: the next break starts from the shortest wait. */
export const GOOD_AFTER_MS = 10_000;

export class Backoff {
  #failures = 0;
  #random;

  /** @param {() => number} random in [0, 1) */
  constructor(random = Math.random) {
    this.#random = random;
  }

  /**
   * Full jitter: anything up to a bound that doubles, so that a thousand clients do not come back at once.
   * @param {number} [hintMs] what the service asks for at least; the jitter is added to it
   */
  next(hintMs = 0) {
    const most = Math.min(CAP_MS, BASE_MS * 2 ** Math.min(this.#failures, 10));
    this.#failures += 1;
    return Math.max(0, hintMs) + this.#random() * most;
  }

  reset() {
    this.#failures = 0;
  }
}
