/**
 * In: each sign of life of the service. Out: one call, at once, when it has been silent for longer than allowed.
 *
 * It is looked at in three ways, because each fails alone: by a timer (also in a worker, where a hidden page does not
 * slow it down), at each frame that is painted, and before each message is taken: what comes after too long a silence,
 * because the page was frozen, does not count as having come in time.
 */

export class Deadman {
  #clock;
  #onTrip;
  #timeoutMs = 2_000;
  #heardAt = 0;
  #armed = false;
  /** @type {unknown} */
  #timer = null;
  #painting = 0;

  /**
   * @param {import("./clock.js").Clock} clock
   * @param {(silentForMs: number) => void} onTrip called once; `arm` makes it ready again
   */
  constructor(clock, onTrip) {
    this.#clock = clock;
    this.#onTrip = onTrip;
  }

  get armed() {
    return this.#armed;
  }

  /** How long nothing has been heard, milliseconds. */
  get silentForMs() {
    return this.#clock.now() - this.#heardAt;
  }

  /** @param {number} timeoutMs */
  arm(timeoutMs) {
    this.disarm();
    this.#timeoutMs = timeoutMs;
    this.#heardAt = this.#clock.now();
    this.#armed = true;
    this.#watch();
    this.#paint();
  }

  disarm() {
    this.#armed = false;
    this.#clock.clearTimeout(this.#timer);
    if (this.#painting) globalThis.cancelAnimationFrame?.(this.#painting);
    this.#painting = 0;
  }

  /** A message is there. Returns false when it came too late: the switch has acted. */
  heard() {
    if (!this.check()) return false;
    this.#heardAt = this.#clock.now();
    return true;
  }

  /** Looks now; returns whether all is well. Costs nothing: an engine may call it at each frame. */
  check() {
    if (!this.#armed) return true;
    const silent = this.silentForMs;
    if (silent < this.#timeoutMs) return true;
    this.disarm();
    this.#onTrip(silent);
    return false;
  }

  #watch() {
    this.#timer = this.#clock.setTimeout(() => {
      if (this.check() && this.#armed) this.#watch();
    }, this.#timeoutMs - this.silentForMs);
  }

  #paint() {
    if (typeof globalThis.requestAnimationFrame !== "function") return;
    this.#painting = requestAnimationFrame(() => {
      this.#painting = 0;
      if (this.check() && this.#armed) this.#paint();
    });
  }
}
