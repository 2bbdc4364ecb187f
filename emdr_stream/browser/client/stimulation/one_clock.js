/**
 * In: readings of two clocks, that of the picture (performance.now) and that of the sound card. Out: one stimulus time.
 *
 * A sound card's second is not a processor's second: one part in 10^4 is common and makes 60 ms in ten minutes. So the
 * phase lives on the sound card's clock while there is sound, and the picture is drawn for the moment at which it will be
 * seen, told in that clock. Stimulus time never jumps: what cannot be followed smoothly moves the sound, not the light.
 */

const { abs, max, min } = Math;

const PULL = 0.6; // radians a second: how briskly the fit follows, slow enough to average the card's 3 ms blocks
const LOST_S = 0.08; // an error that is no jitter: the card was suspended, or is another one
const MOST_SKEW = 0.01;

/** Follows `there` as a function of `here`, both in seconds, through readings that jitter. */
export class ClockFit {
  constructor() {
    this.here = null;
    this.there = 0;
    this.rate = 1;
  }

  /** @returns {number} 0, or by how much `there` has leapt: then the fit begins anew from this reading */
  observe(here, there) {
    if (this.here === null) {
      this.here = here;
      this.there = there;
      return 0;
    }
    const passed = here - this.here;
    if (passed <= 0) return 0;
    const expected = this.at(here);
    const error = there - expected;
    this.here = here;
    if (abs(error) > LOST_S) {
      this.there = there;
      this.rate = 1;
      return error;
    }
    // Critically damped, of second order: it follows a constant skew without a lasting error.
    this.there = expected + min(0.5, 2 * PULL * passed) * error;
    this.rate = max(1 - MOST_SKEW, min(1 + MOST_SKEW, this.rate + PULL * PULL * passed * error));
    return 0;
  }

  at(here) {
    return this.there + this.rate * (here - this.here);
  }
}

/**
 * What is needed of an AudioContext.
 * @typedef {object} SoundCard
 * @property {string} state @property {number} currentTime seconds @property {number} [outputLatency] seconds
 * @property {number} [baseLatency] @property {() => {contextTime?: number, performanceTime?: number}} [getOutputTimestamp]
 */

/** When (performance, seconds) which moment of the card (seconds) is heard; null while the card does not run. */
export function heard(card, now) {
  if (card.state !== "running") return null;
  const { contextTime, performanceTime } = card.getOutputTimestamp?.() ?? {};
  if (contextTime > 0 && performanceTime > 0 && abs(performanceTime / 1000 - now) < 1) {
    return { here: performanceTime / 1000, there: contextTime };
  }
  return { here: now, there: card.currentTime - (card.outputLatency || card.baseLatency || 0) };
}

export class OneClock {
  /** @param {() => number} now performance.now: milliseconds, monotonic */
  constructor(now) {
    this.now = now;
    this.card = null;
    this.fit = null;
    this.lag = 0; // stimulus time minus the time of whichever clock leads
  }

  /** From now on the sound card leads, as soon as it runs; null: it is gone. @param {SoundCard | null} card */
  follow(card) {
    if (card === this.card) return;
    this.#leadByPicture();
    this.card = card;
  }

  /** Stimulus time, seconds, of the moment `at` (performance, milliseconds) or now. */
  time(at = this.now()) {
    return (this.fit ? this.fit.at(at / 1000) : at / 1000) + this.lag;
  }

  /**
   * Read both clocks; once a frame. @returns {boolean} whether sound that was ordered ahead must be ordered anew
   */
  read() {
    const now = this.now() / 1000;
    const reading = this.card ? heard(this.card, now) : null;
    if (!reading) return this.#leadByPicture();
    if (this.fit) {
      const leap = this.fit.observe(reading.here, reading.there);
      this.lag -= leap;
      return leap !== 0;
    }
    const before = now + this.lag;
    this.fit = new ClockFit();
    this.fit.observe(reading.here, reading.there);
    this.lag = before - this.fit.at(now);
    return true;
  }

  /** When in the card's own time a sound must start to be heard at `time`; null while the picture leads. */
  cardTime(time) {
    return this.fit ? time - this.lag : null;
  }

  #leadByPicture() {
    if (!this.fit) return false;
    const now = this.now() / 1000;
    this.lag += this.fit.at(now) - now;
    this.fit = null;
    return true;
  }
}
