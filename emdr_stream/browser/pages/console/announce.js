/** In: what is worth saying. Out: the page's two live regions: one that waits its turn and is never chatty, one at once. */

const EVERY_MS = 5_000;
const CLEAR_MS = 8_000;

export class Announce {
  #calm;
  #urgent;
  #clock;
  #said = "";
  #saidAt = -Infinity;
  /** @type {string[]} */
  #waiting = [];
  #urgentAt = -Infinity;

  /**
   * @param {{textContent: string | null}} calm @param {{textContent: string | null}} urgent live regions
   * @param {() => number} clock monotonic milliseconds
   */
  constructor(calm, urgent, clock) {
    this.#calm = calm;
    this.#urgent = urgent;
    this.#clock = clock;
  }

  /** Says something that may not wait. @param {string} text */
  now(text) {
    this.#waiting.push(text);
    this.#speak();
  }

  /** How things stand; said when it changed, every few seconds at most. @param {string} text */
  state(text) {
    const at = this.#clock();
    if (text === this.#said || at - this.#saidAt < EVERY_MS) return;
    this.#said = text;
    this.#saidAt = at;
    this.#calm.textContent = text;
  }

  /** Says it again on demand. @param {string} text */
  repeat(text) {
    this.#said = "";
    this.#saidAt = -Infinity;
    this.#calm.textContent = "";
    this.state(text);
  }

  /** Whoever listens now is somebody else. */
  forget() {
    this.#waiting = [];
    this.#said = "";
    this.#saidAt = -Infinity;
    this.#calm.textContent = this.#urgent.textContent = "";
  }

  /** Called now and then: what waits is said, what was said long ago is cleared, so that it can be said again. */
  tick() {
    if (this.#waiting.length) this.#speak();
    else if (this.#urgent.textContent && this.#clock() - this.#urgentAt > CLEAR_MS) this.#urgent.textContent = "";
  }

  #speak() {
    // Two in one breath would be one change of the region, and the first would never be heard.
    if (this.#clock() - this.#urgentAt < 300) return;
    this.#urgent.textContent = this.#waiting.splice(0).join(". ");
    this.#urgentAt = this.#clock();
  }
}
