/** In: a session and a window of time. Out: what each curve's lane shows: range, bands, thresholds, gaps, events. */

import { CURVES } from "./curves.js";

/** @typedef {import("./model.js").SessionView} SessionView */
/** @typedef {import("./plot.js").Lane} Lane */

/** @type {Record<string, [number, number]>} */
const RANGE = { arousal: [-1, 1], valence: [-1, 1], attention: [0, 1], risk: [0, 1], crisis: [0, 1] };
const BAND = 2;

/**
 * @param {SessionView} view
 * @param {{from: number, to: number}} time `to` is the present
 * @returns {Record<string, Lane>}
 */
export function lanesOf(view, time) {
  const spans = spansOf(view, time);
  const marks = view.timeline.entries
    .filter(({ kind, ts }) => kind === "alert" && ts >= time.from)
    .map(({ ts }) => ({ ts, tone: "alert" }));
  return Object.fromEntries(CURVES.map((name) => [name, laneOf(view, name, time, spans, marks)]));
}

/** @param {SessionView} view @param {string} name @param {{from: number, to: number}} time @param {Lane["spans"]} spans @param {Lane["marks"]} marks @returns {Lane} */
function laneOf(view, name, time, spans, marks) {
  const [least, most] = RANGE[name];
  const end = view.isOver ? (view.curves.newest?.ts ?? time.to) : time.to;
  return {
    least, most, spans, marks, zero: least < 0 ? 0 : null,
    stretches: view.curves.stretches(name, time.from, time.to),
    unknown: view.curves.unknown(name, time.from, end),
    ...bandsOf(view, name, most),
  };
}

/** @param {SessionView} view @param {string} name @param {number} most @returns {Pick<Lane, "bands" | "lines">} */
function bandsOf(view, name, most) {
  const { risk, crisis_pause, crisis_immediate } = view.summary.thresholds;
  if (name === "risk") return { bands: [{ from: risk, to: most, tone: "warn" }], lines: [{ value: risk, tone: "warn" }] };
  if (name === "crisis") {
    return {
      bands: [{ from: crisis_pause, to: crisis_immediate, tone: "warn" }, { from: crisis_immediate, to: most, tone: "danger" }],
      lines: [{ value: crisis_pause, tone: "warn" }, { value: crisis_immediate, tone: "danger" }],
    };
  }
  const level = /** @type {Record<string, {mean: number, deviation: number} | null>} */ (view.levels)[name];
  if (!level) return { bands: [], lines: [] };
  const reach = BAND * level.deviation;
  return {
    bands: [{ from: level.mean - reach, to: level.mean + reach, tone: "own" }],
    lines: [{ value: level.mean, tone: "own" }],
  };
}

/** @param {SessionView} view @param {{from: number, to: number}} time @returns {Lane["spans"]} */
function spansOf(view, { from, to }) {
  const within = (/** @type {{from: number, to: number}} */ span) => span.to >= from && span.from <= to;
  return [
    ...view.timeline.sets(to).filter(within).map((span) => ({ from: span.from, to: span.to, tone: /** @type {const} */ ("set") })),
    ...view.timeline.pauses(to).filter(within).map((span) => ({ from: span.from, to: span.to, tone: /** @type {const} */ ("pause") })),
  ];
}
