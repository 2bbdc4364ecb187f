/**
 * In: a wish for the stimulus. Out: what is allowed of it, and a note with the reason for each thing that was changed.
 *
 * The one place where limits are enforced: the engine takes no setting that has not been through `withinLimits`.
 * Sources: the speed and set length of the wire protocol; +-20 degrees, 120 degrees a second, three flashes a second and
 * the volume cap of this project's clinical parameters (docs/stimulation.md names the evidence, and where there is none).
 */

import { colourOf, contrast } from "./colours.js";
import { extent, patternNamed, peakRate } from "./paths.js";

const { PI, max, min } = Math;

export const LIMITS = Object.freeze({
  speedHz: Object.freeze([0.2, 2]),
  intensity: Object.freeze([0, 1]),
  amplitudeDeg: Object.freeze([1, 20]),
  sizeDeg: Object.freeze([0.4, 5]),
  volume: Object.freeze([0, 0.7]),
  beatHz: Object.freeze([1, 40]),
  seconds: Object.freeze([8, 90]),
  passes: Object.freeze([4, 90]),
  gentleSpeedHz: 0.5,
  gentleAmplitudeDeg: 5,
  comfortableDegPerS: 120,
  leastContrast: 3,
});

export const SHAPES = Object.freeze(["circle", "ring", "square", "diamond", "star"]);
export const SOUNDS = Object.freeze(["off", "tone", "click"]);
export const AMBIENTS = Object.freeze(["off", "rain", "waves", "wind", "stream", "pink_noise", "brown_noise", "white_noise"]);
export const MOTIONS = Object.freeze(["full", "gentle", "still"]);

/**
 * The stimulus, complete. Angles in degrees of sight, measured from the middle of the screen.
 * @typedef {object} Stimulus
 * @property {string} pattern one of PATTERNS
 * @property {number} speedHz cycles (left-right-left) a second
 * @property {number} intensity 0 to 1: how far the light stands out, how loud the tone is, how long a pulse lasts
 * @property {number} amplitudeDeg @property {number} sizeDeg
 * @property {string} shape @property {string} target colour @property {string} background colour
 * @property {string} sound at the ends of the path @property {boolean} spatial left end left, right end right
 * @property {number} volume @property {string} ambient @property {number} beatHz binaural beat, 0 for none
 * @property {boolean} touch a pulse at each crossing of the midline
 * @property {string} motion full, gentle (slow and small), still (sound and touch only)
 * @property {number | null} passes length of a set in cycles; null: by `seconds`
 * @property {number} seconds
 */

/** @type {Readonly<Stimulus>} */
export const DEFAULTS = Object.freeze({
  pattern: "horizontal", speedHz: 1, intensity: 0.8, amplitudeDeg: 12, sizeDeg: 1.6, shape: "circle",
  target: "#9fd8c8", background: "#10171c", sound: "off", spatial: true, volume: 0.4, ambient: "off", beatHz: 0,
  touch: false, motion: "full", passes: null, seconds: 24,
});

/**
 * @typedef {object} Note
 * @property {string} field @property {string} code for a page that tells it in its own words
 * @property {unknown} asked @property {unknown} used @property {string} reason in words, for a log or a developer
 */

const REASONS = {
  not_a_number: "it is no number; what was in force stays",
  below: "it is below the least that is allowed",
  above: "it is above the most that is allowed",
  unknown: "it is not known here; what was in force stays",
  gentle_motion: "gentle motion was chosen: slow and small",
  screen: "the screen, at this distance, is not wider",
  fast: "the eye follows less well above 120 degrees a second: slower or narrower may be easier",
  faint: "the light hardly stands out from its background (contrast below 3 to 1)",
};

class Notes {
  /** @type {Note[]} */
  list = [];
  add(field, code, asked, used) {
    if (asked !== used || code === "fast" || code === "faint") {
      this.list.push({ field, code, asked, used, reason: `${field}: ${REASONS[code]}` });
    }
    return used;
  }
}

/** @param {string} field @param {unknown} asked @param {number} before @param {readonly number[]} limit @param {Notes} notes */
function bounded(field, asked, before, [least, most], notes) {
  if (typeof asked !== "number" || !Number.isFinite(asked)) return notes.add(field, "not_a_number", asked, before);
  if (asked < least) return notes.add(field, "below", asked, least);
  if (asked > most) return notes.add(field, "above", asked, most);
  return asked;
}

const chosen = (field, asked, before, choices, notes) =>
  choices.includes(asked) ? asked : notes.add(field, "unknown", asked, before);

const RULES = {
  pattern: (asked, before, notes) => patternNamed(asked) ?? notes.add("pattern", "unknown", asked, before),
  shape: (asked, before, notes) => chosen("shape", asked, before, SHAPES, notes),
  sound: (asked, before, notes) => chosen("sound", asked, before, SOUNDS, notes),
  ambient: (asked, before, notes) => chosen("ambient", asked, before, AMBIENTS, notes),
  motion: (asked, before, notes) => chosen("motion", asked, before, MOTIONS, notes),
  target: (asked, before, notes) => colourOf(asked) ? asked : notes.add("target", "unknown", asked, before),
  background: (asked, before, notes) => colourOf(asked) ? asked : notes.add("background", "unknown", asked, before),
  spatial: (asked) => asked === true,
  touch: (asked) => asked === true,
  passes: (asked, before, notes) => asked === null ? null : Math.round(bounded("passes", asked, before ?? 24, LIMITS.passes, notes)),
  seconds: (asked, before, notes) => bounded("seconds", asked, before, LIMITS.seconds, notes),
  beatHz: (asked, before, notes) => asked === 0 ? 0 : bounded("beatHz", asked, before, LIMITS.beatHz, notes),
};

/** Gentle motion and the screen's edge bound what is otherwise allowed; the screen knows its own half width in degrees. */
function fitted(stimulus, screen, notes) {
  if (stimulus.motion === "gentle") {
    const { gentleSpeedHz, gentleAmplitudeDeg } = LIMITS;
    stimulus.speedHz = notes.add("speedHz", "gentle_motion", stimulus.speedHz, min(stimulus.speedHz, gentleSpeedHz));
    stimulus.amplitudeDeg = notes.add("amplitudeDeg", "gentle_motion", stimulus.amplitudeDeg, min(stimulus.amplitudeDeg, gentleAmplitudeDeg));
  }
  const { x, y } = extent(stimulus.pattern);
  const room = (half, part) => (part > 0.01 ? (half - stimulus.sizeDeg / 2) / part : Infinity);
  const most = max(LIMITS.amplitudeDeg[0], min(room(screen.halfWidthDeg, x), room(screen.halfHeightDeg, y)));
  stimulus.amplitudeDeg = notes.add("amplitudeDeg", "screen", stimulus.amplitudeDeg, min(stimulus.amplitudeDeg, most));
  return stimulus;
}

/** The greatest speed of the target in degrees a second. */
export const peakSpeed = (stimulus) =>
  stimulus.motion === "still" ? 0 : 2 * PI * stimulus.speedHz * stimulus.amplitudeDeg * peakRate(stimulus.pattern);

function warned(stimulus, notes) {
  const speed = peakSpeed(stimulus);
  if (speed > LIMITS.comfortableDegPerS) notes.add("speedHz", "fast", Math.round(speed), Math.round(speed));
  const ratio = contrast(stimulus.target, stimulus.background);
  if (ratio < LIMITS.leastContrast) notes.add("target", "faint", stimulus.target, stimulus.target);
}

/**
 * @param {Partial<Stimulus>} wish what is to change; an absent or undefined field stays as it is
 * @param {Readonly<Stimulus>} before what was granted so far
 * @param {{halfWidthDeg: number, halfHeightDeg: number}} [screen] unbounded if nothing is known
 * @returns {{granted: Stimulus, stimulus: Stimulus, notes: Note[]}} `granted` is the `before` of the next wish; `stimulus`
 * is what the present screen and motion leave of it. `notes` is empty when all is granted without a warning.
 */
export function withinLimits(wish, before = DEFAULTS, screen = { halfWidthDeg: 90, halfHeightDeg: 90 }) {
  const notes = new Notes();
  const granted = { ...before };
  for (const field of Object.keys(DEFAULTS)) {
    if (wish[field] === undefined) continue;
    const rule = RULES[field] ?? ((asked, was) => bounded(field, asked, was, LIMITS[field], notes));
    granted[field] = rule(wish[field], before[field], notes);
  }
  const stimulus = fitted({ ...granted }, screen, notes);
  warned(stimulus, notes);
  return { granted, stimulus, notes: notes.list };
}
