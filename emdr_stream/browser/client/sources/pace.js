/** In: how many a second, and the time now. Out: whether one more may go; never faster in the mean than allowed. */

export class Pace {
  #due = -Infinity;

  /** @param {number} now milliseconds @param {number} perSecond */
  admits(now, perSecond) {
    if (perSecond <= 0 || now < this.#due) return false;
    const interval = 1_000 / perSecond;
    // A late one is made up for by half an interval at most, so that two never go at once.
    this.#due = Math.max(this.#due, now - interval / 2) + interval;
    return true;
  }

  forget() {
    this.#due = -Infinity;
  }
}
