/** In: what a person has chosen for themselves. Out: what the stimulation and the service are told of it. Pure. */

import { CARD_CM } from "../../client/stimulation/visual_angle.js";

/** Colours of the light for a light and a dark page; a configuration of the therapist overrules them. */
const COLOURS = {
  dark: { target: "#86bdf7", background: "#0f151b" },
  light: { target: "#1b5a9f", background: "#f3f5f7" },
};

/**
 * @typedef {object} Choices
 * @property {"full" | "gentle" | "still"} motion @property {boolean} sound @property {boolean} touch
 * @property {number} distanceCm @property {number | null} cardPixels null: not measured
 */

/** @param {Choices} choices @param {"light" | "dark"} theme */
export function stimulationOf(choices, theme) {
  return { motion: choices.motion, touch: choices.touch, sound: choices.sound ? "tone" : "off", colors: COLOURS[theme] };
}

/** @param {Choices} choices @returns {{distanceCm: number, pixelsPerCm?: number}} */
export function measuresOf({ distanceCm, cardPixels }) {
  return cardPixels === null ? { distanceCm } : { distanceCm, pixelsPerCm: cardPixels / CARD_CM };
}

/** Without movement there must be something else to follow. @param {Choices} choices */
export const isEnough = (choices) => choices.motion !== "still" || choices.sound || choices.touch;

const ITEMS = ["therapist_present", "location_verified", "emergency_contact", "grounding_rehearsed"];

/**
 * `readiness` of the protocol: true for what was ticked or done; what was not is left out, which means "not told".
 * @param {Set<string>} ticked @param {boolean} stopRehearsed
 */
export function readinessOf(ticked, stopRehearsed) {
  const told = ITEMS.filter((item) => ticked.has(item)).map((item) => [item, true]);
  return { consent: true, ...Object.fromEntries(told), ...(stopRehearsed ? { stop_rehearsed: true } : {}) };
}
