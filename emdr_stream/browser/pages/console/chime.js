/**
 * In: severities of alerts. Out: sounds that tell them apart by rhythm and pitch, once the browser lets a page be heard.
 *
 * Nothing sounds before somebody has touched the page: browsers forbid it, and the page says so instead of pretending.
 */

import { safeStorage } from "../shared/theme.js";

/** Notes of each severity: [start s, length s, frequency Hz]. High ones come in more and quicker notes, as in wards. */
export const PATTERNS = {
  low: [[0, 0.25, 392]],
  medium: [[0, 0.22, 440], [0.3, 0.3, 392]],
  high: [[0, 0.16, 587], [0.2, 0.16, 587], [0.4, 0.32, 494]],
  critical: [[0, 0.12, 784], [0.15, 0.12, 784], [0.3, 0.12, 784], [0.55, 0.12, 988], [0.7, 0.25, 784]],
};
/** How often an alert that nobody acknowledges sounds again. Medium ones sound once: alarms that nag are not heard. */
export const AGAIN_MS = { critical: 5_000, high: 10_000 };
/** Gain of a note at full volume. */
const LOUDEST = 0.6;
/** Of the volume: it can be turned down, and off only by a switch that the page shows in red. */
export const VOLUME = { least: 0.1, usual: 0.5, most: 1 };
const KEY = "emdr.volume";
const ORDER = ["critical", "high", "medium", "low"];
const REMEMBERED = 1_000;

/**
 * What should sound now: the gravest severity of which an alert has never sounded, or which is to sound again.
 *
 * One sound is of all alerts of its severity. Each with a turn of its own, a few critical ones would fill the time, and
 * no other would ever be heard.
 * @param {any[]} waiting alerts that nobody has acknowledged
 * @param {Map<string, number>} soundedAt by alert and stage, monotonic milliseconds
 * @param {number} at
 * @returns {{severity: string, keys: string[]} | null} one at a time, and what it stands for
 */
export function due(waiting, soundedAt, at) {
  for (const severity of ORDER) {
    const keys = waiting.filter((alert) => severityOf(alert) === severity).map(keyOf);
    const times = keys.map((key) => soundedAt.get(key) ?? -Infinity);
    const again = /** @type {Record<string, number>} */ (AGAIN_MS)[severity] ?? Infinity;
    const isNew = times.includes(-Infinity);
    if (isNew || (keys.length > 0 && at - Math.max(...times) >= again)) return { severity, keys };
  }
  return null;
}

/** An escalation sounds as something new, and so does what becomes graver. @param {any} alert */
const keyOf = ({ alert_id, state, severity }) => `${alert_id}:${state}:${severity}`;

/** A severity that is newer than this page sounds all the same. @param {any} alert */
const severityOf = ({ severity }) => (ORDER.includes(severity) ? severity : "low");

export class Chime {
  /** @type {AudioContext | null} */
  #context = null;
  #makeContext;
  /** @type {Map<string, number>} */
  #soundedAt = new Map();
  #quietUntil = 0;
  #storage;
  #volume;
  isOn = true;

  /** @param {() => AudioContext} makeContext @param {Storage | null} [storage] null where nothing may be kept */
  constructor(makeContext, storage = safeStorage()) {
    this.#makeContext = makeContext;
    this.#storage = storage;
    this.#volume = keptVolume(storage);
  }

  get volume() {
    return this.#volume;
  }

  /** Kept in this browser. @param {number} wanted */
  set volume(wanted) {
    this.#volume = within(wanted);
    try {
      this.#storage?.setItem(KEY, String(this.#volume));
    } catch {
      // It then holds until the page closes.
    }
  }

  /** blocked: nobody has touched the page yet, or there is no sound here. @returns {"ready" | "blocked" | "off"} */
  get state() {
    if (!this.isOn) return "off";
    return this.#context?.state === "running" ? "ready" : "blocked";
  }

  /** Called at each gesture: a browser lets sound begin only then. */
  async unlock() {
    try {
      this.#context ??= this.#makeContext();
      if (this.#context.state !== "running") await this.#context.resume();
    } catch {
      // No sound device, or not allowed: `state` says that it is blocked.
    }
  }

  /**
   * Sounds what is due, one severity at a time.
   * @param {any[]} waiting @param {number} at monotonic milliseconds
   */
  tick(waiting, at) {
    if (this.state !== "ready" || at < this.#quietUntil) return;
    const found = due(waiting, this.#soundedAt, at);
    if (!found) return;
    for (const key of found.keys) this.#soundedAt.set(key, at);
    this.play(found.severity);
    this.#quietUntil = at + 1_200;
    this.#forget(waiting);
  }

  /** What waits no longer, once that is much: forgotten, what waits would sound as new. @param {any[]} waiting */
  #forget(waiting) {
    if (this.#soundedAt.size <= REMEMBERED) return;
    const kept = new Set(waiting.map(keyOf));
    for (const key of this.#soundedAt.keys()) if (!kept.has(key)) this.#soundedAt.delete(key);
  }

  /** @param {string} severity */
  play(severity) {
    const context = this.#context;
    if (context?.state !== "running") return;
    const notes = /** @type {Record<string, number[][]>} */ (PATTERNS)[severity] ?? PATTERNS.low;
    const loudness = LOUDEST * this.#volume;
    for (const [start, length, frequency] of notes) note(context, context.currentTime + 0.02 + start, length, frequency, loudness);
  }
}

/** @param {number} volume */
const within = (volume) => (Number.isFinite(volume) ? Math.min(VOLUME.most, Math.max(VOLUME.least, volume)) : VOLUME.usual);

/** @param {Storage | null} storage */
function keptVolume(storage) {
  try {
    return within(Number(storage?.getItem(KEY) ?? NaN));
  } catch {
    return VOLUME.usual;
  }
}

/** @param {AudioContext} context @param {number} at @param {number} length @param {number} frequency @param {number} loudness */
function note(context, at, length, frequency, loudness) {
  const tone = context.createOscillator();
  const gain = context.createGain();
  tone.type = "triangle";
  tone.frequency.value = frequency;
  gain.gain.setValueAtTime(0, at);
  gain.gain.linearRampToValueAtTime(loudness, at + 0.01);
  gain.gain.setValueAtTime(loudness, at + length - 0.03);
  gain.gain.linearRampToValueAtTime(0, at + length);
  tone.connect(gain).connect(context.destination);
  tone.start(at);
  tone.stop(at + length + 0.02);
}
