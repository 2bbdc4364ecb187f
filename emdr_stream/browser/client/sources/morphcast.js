/**
 * In: the MorphCast SDK's events, as it fires them at the window. Out: `morphcast` messages, a few a second.
 *
 * Only what the service reads leaves the page. Age, gender, face features and pictures are not even listened to, and
 * what else an event carries is left behind. A reading that is missing stays missing: NaN and null are sent as they are,
 * and a module that falls silent is silent in the messages, too.
 */

import { EVENTS, pick } from "./morphcast_events.js";

/** An event seldom waits longer than this for others to travel with. */
const GATHER_MS = 100;
/** The service takes no more in one message. */
const MOST_EVENTS = 64;

/**
 * @param {{target?: EventTarget, gatherMs?: number, sdkVersion?: string, smoothness?: Record<string, number>}} [options]
 *   `target`: where the SDK fires, the window unless told; `sdkVersion`, `smoothness`: told to the service once
 * @returns {any} a source
 */
export function morphcast({ target = globalThis.window, gatherMs = GATHER_MS, sdkVersion, smoothness } = {}) {
  if (typeof target?.addEventListener !== "function") throw new TypeError("morphcast: `target` must take listeners");
  return new Morphcast(target, gatherMs, sdkVersion || smoothness ? { sdk_version: sdkVersion, smoothness } : null);
}

class Morphcast {
  kind = "morphcast";
  /** Events by name that came and were sent. @type {Record<string, number>} */
  counts = {};
  #target;
  #gatherMs;
  #about;
  #aboutTold = false;
  /** @type {((message: object) => number) | null} */
  #send = null;
  /** @type {{type: string, detail: unknown, ts: number}[]} */
  #waiting = [];
  #flushedAt = -Infinity;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #take = (/** @type {Event} */ event) => this.#taken(/** @type {CustomEvent} */ (event));

  /** @param {EventTarget} target @param {number} gatherMs @param {object | null} about */
  constructor(target, gatherMs, about) {
    this.#target = target;
    this.#gatherMs = gatherMs;
    this.#about = about;
  }

  /** @param {(message: object) => number} send */
  start(send) {
    this.#send = send;
    for (const name of EVENTS) this.#target.addEventListener(name, this.#take);
  }

  stop() {
    clearTimeout(this.#timer);
    for (const name of EVENTS) this.#target.removeEventListener(name, this.#take);
    this.#send = null;
    this.#waiting = [];
  }

  /** A new socket: what was gathered for the old one is of no use, and what the SDK is must be told again. */
  connected() {
    this.#waiting = [];
    this.#aboutTold = false;
  }

  /** @param {CustomEvent} event */
  #taken({ type, detail }) {
    const picked = pick(type, detail);
    if (picked === undefined) return;
    this.counts[type] = (this.counts[type] ?? 0) + 1;
    if (this.#waiting.length === MOST_EVENTS) this.#waiting.shift();
    this.#waiting.push({ type, detail: picked, ts: Date.now() });
    // Events drive it, and the timer only finds what was left: a hidden page's timers are slow.
    const wait = this.#flushedAt + this.#gatherMs - performance.now();
    if (wait <= 0) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), wait);
  }

  #flush() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#flushedAt = performance.now();
    const events = this.#waiting;
    this.#waiting = [];
    if (!events.length || !this.#send) return;
    const context = this.#about && !this.#aboutTold ? { morphcast: this.#about } : undefined;
    const sent = this.#send({ type: "morphcast", ts: Date.now(), events, context });
    if (sent && context) this.#aboutTold = true;
  }
}
