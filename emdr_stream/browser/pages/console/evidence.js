/** In: an alert. Out: its reasons in words: which signal, how far from the person's own baseline, which model, which threshold. */

import { named, reading } from "./wording.js";

/** @typedef {import("../shared/words.js").Words} Words */
/** @typedef {{mean: number, deviation: number}} Level */

/** Population spreads of a signal within a person, for those whose own spread is not told (`pipeline/baseline.py`). */
const SPREAD = {
  valence: 0.12, arousal: 0.13, attention: 0.12,
  joy: 0.1, sadness: 0.08, anger: 0.06, fear: 0.06, surprise: 0.09, disgust: 0.05, neutral: 0.15,
  blink_rate: 6, eye_closure: 0.06, head_motion: 0.06, heart_rate: 8,
};
const NEAR = 1;
const FAR = 2;
const VERY_FAR = 4;

/**
 * How far a value lies from a person's own level, as a key of the words.
 * @param {number | null | undefined} value
 * @param {number | null | undefined} mean
 * @param {number} deviation
 * @returns {string | null} null where either is missing
 */
export function distance(value, mean, deviation) {
  if (typeof value !== "number" || typeof mean !== "number" || !(deviation > 0)) return null;
  const steps = (value - mean) / deviation;
  const size = Math.abs(steps);
  if (size < NEAR) return "near";
  const side = steps > 0 ? "above" : "below";
  if (size < FAR) return side;
  return `${size < VERY_FAR ? "far" : "very_far"}_${side}`;
}

/**
 * One piece of evidence as a sentence.
 * @param {Words} words
 * @param {{signal: string, value: number | null, baseline?: number | null}} piece
 * @param {Record<string, Level | null>} [levels] the person's own, where they are known
 */
export function pieceInWords(words, { signal, value, baseline }, levels = {}) {
  if (signal === "signal_age_ms") {
    return words.t("evidence.signal_age", { seconds: reading(words, (value ?? 0) / 1_000, 0) });
  }
  if (signal === "faces") return words.t("evidence.faces", { count: value ?? 0 });
  if (signal.endsWith("_available")) return words.t("evidence.store", { store: signal.replace("_available", "") });
  if (words.has(`evidence.${signal}`)) return words.t(`evidence.${signal}`, { value: reading(words, value, 0) });
  if (!words.has(`signal.${signal}`)) return signal;
  return signalInWords(words, signal, value, baseline, levels);
}

/**
 * @param {Words} words
 * @param {string} signal
 * @param {number | null} value
 * @param {number | null | undefined} baseline
 * @param {Record<string, Level | null>} levels
 */
function signalInWords(words, signal, value, baseline, levels) {
  const name = words.t(`signal.${signal}`);
  const places = signal === "blink_rate" || signal === "heart_rate" ? 0 : 2;
  const now = reading(words, value, places);
  if (typeof value !== "number") return words.t("evidence.unseen", { name });
  if (typeof baseline !== "number") return words.t("evidence.no_baseline", { name, value: now });
  const spread = levels[signal]?.deviation ?? /** @type {Record<string, number>} */ (SPREAD)[signal] ?? 0;
  const how = distance(value, baseline, spread);
  return words.t("evidence.against_baseline", {
    name, value: now, baseline: reading(words, baseline, places), how: how ? words.t(`distance.${how}`) : "",
  });
}

/**
 * Why an alert was raised: a sentence for each reason.
 * @param {Words} words
 * @param {any} alert
 * @param {Record<string, Level | null>} [levels]
 * @returns {string[]}
 */
export function reasons(words, alert, levels = {}) {
  const found = [];
  if (typeof alert.probability === "number" && typeof alert.threshold === "number") {
    const what = named(words, "probability", alert.kind);
    found.push(words.t("evidence.threshold", {
      what, value: reading(words, alert.probability), threshold: reading(words, alert.threshold),
    }));
  }
  const evidence = alert.evidence ?? [];
  const ratings = evidence.filter((/** @type {any} */ piece) => piece.signal === "sud");
  if (ratings.length) {
    const values = ratings.map((/** @type {any} */ piece) => reading(words, piece.value, 0)).join(" → ");
    found.push(words.t("evidence.sud_rise", { values }));
  }
  if (alert.report) found.push(words.t("evidence.report", { by: alert.reported_by ?? "", report: alert.report }));
  for (const piece of evidence) {
    if (piece.signal !== "sud") found.push(pieceInWords(words, piece, levels));
  }
  if (!found.length) found.push(words.t(`evidence.none.${alert.kind}`));
  return found;
}

/**
 * Which model decided, for who wants to look it up.
 * @param {Words} words
 * @param {any} alert
 */
export function decider(words, alert) {
  if (!alert.model) return words.t("evidence.rule");
  const { name, version, sha256 } = alert.model;
  return words.t("evidence.model", { name, version, sha256: String(sha256).slice(0, 12) });
}

/**
 * A sign that the service words in English, in the language of the page.
 * @param {Words} words
 * @param {string} sign
 */
export function signInWords(words, sign) {
  const found = sign.match(/^(\w+) (above|below) own baseline$/);
  if (found && words.has(`signal.${found[1]}`)) {
    return words.t(`sign.${found[2]}`, { name: words.t(`signal.${found[1]}`) });
  }
  const key = `sign.${sign.replaceAll(" ", "_")}`;
  return words.has(key) ? words.t(key) : sign;
}
