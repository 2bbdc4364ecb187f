/**
 * In: nothing. Out: the times of this page, and timers that a hidden page does not slow down.
 *
 * Browsers let a hidden page's timers run once a second, later once a minute. Each timer here therefore runs twice, in
 * the page and in a worker, and the first that is due counts. Time is measured by `performance.now()`: setting the
 * computer's clock moves no deadline.
 */

import { startWorker } from "./workers.js";

/**
 * @typedef {object} Clock
 * @property {() => number} now monotonic milliseconds
 * @property {() => number} wall milliseconds since 1970
 * @property {(callback: () => void, ms: number) => unknown} setTimeout
 * @property {(timer: any) => void} clearTimeout
 */

/** Beyond this, browsers' timers are due at once. */
const LONGEST_MS = 2 ** 31 - 1;

/** @type {Clock | null} */
let shared = null;

/** The clock of this page; its worker is started with the first timer. */
export function pageClock() {
  shared ??= new PageClock();
  return shared;
}

/** @implements {Clock} */
class PageClock {
  /** @type {Worker | null | undefined} */
  #worker;
  #next = 0;
  /** @type {Map<number, {callback: () => void, timer: ReturnType<typeof setTimeout>}>} */
  #running = new Map();

  now() {
    return performance.now();
  }

  wall() {
    return Date.now();
  }

  /**
   * @param {() => void} callback
   * @param {number} ms
   */
  setTimeout(callback, ms) {
    const id = (this.#next += 1);
    const wait = Math.min(LONGEST_MS, Math.max(0, ms));
    this.#running.set(id, { callback, timer: setTimeout(() => this.#due(id), wait) });
    this.#inWorker({ id, ms: wait });
    return id;
  }

  /** @param {number | undefined | null} id */
  clearTimeout(id) {
    const running = id === undefined || id === null ? undefined : this.#running.get(id);
    if (!running) return;
    this.#running.delete(/** @type {number} */ (id));
    clearTimeout(running.timer);
    this.#inWorker({ id, ms: null });
  }

  /** @param {number} id */
  #due(id) {
    const running = this.#running.get(id);
    this.clearTimeout(id);
    running?.callback();
  }

  /** @param {object} order */
  #inWorker(order) {
    if (this.#worker === undefined) {
      this.#worker = startWorker("./timer_worker.js", () => { this.#worker = null; });
      this.#worker?.addEventListener("message", ({ data }) => this.#due(data.id));
    }
    this.#worker?.postMessage(order);
  }
}
