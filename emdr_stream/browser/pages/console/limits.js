/** In: what somebody typed into a form. Out: what may be sent, or which field is wrong and why. The service checks again. */

/** Ranges of the wire (protocol, SessionConfig and ThresholdChange). */
export const RANGES = {
  speed: { least: 0.2, most: 2, step: 0.05, places: 2 },
  intensity: { least: 0, most: 1, step: 0.05, places: 2 },
  duration: { least: 8, most: 90, step: 1, places: 0 },
  amplitude_deg: { least: 1, most: 20, step: 0.5, places: 1 },
  size_deg: { least: 0.4, most: 5, step: 0.1, places: 1 },
  risk: { least: 0.2, most: 0.95, step: 0.01, places: 2 },
  crisis_pause: { least: 0.2, most: 0.95, step: 0.01, places: 2 },
  crisis_immediate: { least: 0.2, most: 0.95, step: 0.01, places: 2 },
};
export const THRESHOLDS = /** @type {const} */ (["risk", "crisis_pause", "crisis_immediate"]);
export const STIMULUS = /** @type {const} */ (["speed", "intensity", "duration", "amplitude_deg", "size_deg"]);
/** Above these a warning is shown: usual practice (domain notes), not a bound. */
export const USUAL_SPEED = { from: 0.8, to: 1.5 };
/** Within a set these only go down at once; more waits for its end (`session/stimulation.py`). */
const ONLY_DOWN = ["speed", "intensity", "amplitude_deg"];

/**
 * A number as a person writes it, with a point or a comma.
 * @param {string} text
 */
export function parse(text) {
  const value = text.trim().replace(",", ".");
  return /^[+-]?\d+(\.\d+)?$/.test(value) ? Number(value) : NaN;
}

/**
 * The fields of a form that differ from what is in force. What nobody has set may stay empty: it is as the client has it.
 * @param {Record<string, string>} typed
 * @param {Record<string, any>} present
 * @param {readonly string[]} names
 * @returns {{change: Record<string, any>, wrong: {name: string, why: "number" | "range" | "order"}[]}}
 */
export function changeOf(typed, present, names) {
  /** @type {Record<string, any>} */
  const change = {};
  /** @type {{name: string, why: "number" | "range" | "order"}[]} */
  const wrong = [];
  for (const name of names) {
    if (present[name] === undefined && !typed[name]?.trim()) continue;
    const value = parse(typed[name] ?? "");
    const range = /** @type {Record<string, {least: number, most: number}>} */ (RANGES)[name];
    if (Number.isNaN(value)) wrong.push({ name, why: "number" });
    else if (value < range.least || value > range.most) wrong.push({ name, why: "range" });
    else if (Math.abs(value - (present[name] ?? NaN)) > 1e-9 || present[name] === undefined) change[name] = value;
  }
  return { change, wrong };
}

/**
 * As `changeOf`, for thresholds, which must be in order.
 * @param {Record<string, string>} typed
 * @param {Record<string, number>} present
 */
export function thresholdChange(typed, present) {
  const found = changeOf(typed, present, THRESHOLDS);
  const then = { ...present, ...found.change };
  if (!found.wrong.length && then.crisis_immediate < then.crisis_pause) {
    found.wrong.push({ name: "crisis_immediate", why: "order" });
  }
  const relaxed = THRESHOLDS.filter((name) => found.change[name] > present[name]);
  return { ...found, relaxed };
}

/**
 * How many times the light goes there and back in a set, which is how therapists count; null where it cannot be told.
 * @param {number} speed Hz @param {number} seconds
 */
export function passesOf(speed, seconds) {
  const passes = Math.round(speed * seconds);
  return passes > 0 ? passes : null;
}

/**
 * Which wishes wait for the end of the set that runs.
 * @param {Record<string, any>} change
 * @param {Record<string, any>} present
 * @param {boolean} inSet
 */
export function waitsForSetEnd(change, present, inSet) {
  if (!inSet) return [];
  return ONLY_DOWN.filter((name) => change[name] !== undefined && change[name] > (present[name] ?? 0));
}
