/**
 * In: how long a set is to be, the passes as they happen. Out: after which pass it ends, and what is left of it to show.
 *
 * A set ends with a whole pass, since a target that vanishes half way pulls the eye. Whatever was wished, none lasts
 * longer than the protocol's limit: at slow speeds a set of many passes ends earlier.
 */

import { LIMITS } from "./limits.js";

const { ceil, max, min } = Math;

export class SetPlan {
  /** @param {{passes: number | null, seconds: number}} length @param {number} startedAt seconds on the one clock */
  constructor({ passes, seconds }, startedAt) {
    this.passes = passes;
    this.seconds = seconds;
    this.startedAt = startedAt;
    this.done = 0;
    this.end = passes;
  }

  /**
   * A pass was completed at `time`; `period` is how long the next would take.
   * @returns {number | null} the pass after which the set ends, once that is known
   */
  passed(pass, time, period) {
    this.done = pass;
    const elapsed = time - this.startedAt;
    const tooLong = elapsed + 2 * period > LIMITS.seconds[1];
    // The end that is nearer to the wish: after the next pass, or one later?
    const longEnough = this.passes === null && elapsed + 1.5 * period >= this.seconds;
    if (tooLong || longEnough) this.end = min(this.end ?? Infinity, pass + 1);
    return this.end;
  }

  /** Whole passes or seconds that are left at `time`, never less than 0. */
  left(time) {
    if (this.passes !== null) return { passes: max(0, this.passes - this.done), seconds: null };
    return { passes: null, seconds: max(0, ceil(min(this.seconds, this.seconds - (time - this.startedAt)))) };
  }
}
