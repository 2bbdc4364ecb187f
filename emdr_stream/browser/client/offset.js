/** In: what the service says of its clock. Out: its wall clock now, as well as it can be known from here. */

const KEPT = 8;

export class ClockOffset {
  #clock;
  /** @type {{offset: number, roundTrip: number}[]} */
  #measured = [];
  /** @type {number | null} */
  #rough = null;
  /** Of the connection before. @type {number | null} */
  #before = null;

  /** @param {{now(): number, wall(): number}} clock */
  constructor(clock) {
    this.#clock = clock;
  }

  /**
   * A `pong`, as NTP reads it: off by half the round trip at most. The quickest of the last few counts.
   * @param {{t0: number, t1: number, t2: number}} pong `t0` by the monotonic clock of this page
   */
  pong({ t0, t1, t2 }) {
    const t3 = this.#clock.now();
    if (![t0, t1, t2].every(Number.isFinite) || t3 < t0) return;
    this.#measured.push({ offset: (t1 - t0 + t2 - t3) / 2, roundTrip: Math.max(0, t3 - t0 - (t2 - t1)) });
    if (this.#measured.length > KEPT) this.#measured.shift();
  }

  /**
   * A `server_ts`: late by the way here, good enough until a `pong` has come.
   * @param {number} serverTs
   */
  heard(serverTs) {
    if (!Number.isFinite(serverTs)) return;
    const offset = serverTs - this.#clock.now();
    // Whatever delays a message makes the clock look late: the largest is nearest to the truth.
    if (this.#rough === null || offset > this.#rough) this.#rough = offset;
  }

  /** The service may be another machine after a reconnect. Until that one has told, what was known is nearest to the truth. */
  forget() {
    this.#before = this.#offset;
    this.#measured = [];
    this.#rough = null;
  }

  /** @returns {{offset: number, roundTrip: number} | null} */
  get best() {
    return this.#measured.reduce(
      (/** @type {{offset: number, roundTrip: number} | null} */ best, one) =>
        best === null || one.roundTrip < best.roundTrip ? one : best,
      null,
    );
  }

  /** Round trip of the best measurement, milliseconds; null before one. */
  get roundTripMs() {
    return this.best?.roundTrip ?? null;
  }

  get #offset() {
    return this.best?.offset ?? this.#rough ?? this.#before;
  }

  /** The service's wall clock now, milliseconds since 1970; this page's own while the service has never told anything. */
  now() {
    const offset = this.#offset;
    return offset === null ? this.#clock.wall() : this.#clock.now() + offset;
  }
}
