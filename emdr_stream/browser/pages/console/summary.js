/** In: a session as it stands. Out: sentences that say it: for a screen reader, for the list, for the client's picture. */

import { signInWords } from "./evidence.js";
import { passesOf } from "./limits.js";
import { age, clock, duration, named, reading } from "./wording.js";

/** @typedef {import("../shared/words.js").Words} Words */
/** @typedef {import("./model.js").SessionView} SessionView */

/** A light that stood so long before the pause was not stopped by it. */
const EARLIER_MS = 1_500;
/** Decimals of a setting, where they are not two. @type {Record<string, number>} */
const PLACES = { intensity: 0, duration: 0, amplitude_deg: 1, size_deg: 1 };

/**
 * What the client has before their eyes now.
 * @param {Words} words @param {SessionView} view @param {number} now the service's clock
 * @returns {string[]}
 */
export function clientSees(words, view, now) {
  if (view.isOver) return [words.t("sees.over")];
  if (view.status === "detached") return [words.t("sees.detached")];
  const said = [];
  if (view.pause) said.push(...pauseInWords(words, view.pause));
  else if (view.summary.set_started_ts) {
    const seconds = duration(now - view.summary.set_started_ts);
    said.push(words.t("sees.set", { no: view.summary.set_no ?? "–", time: seconds }));
  } else said.push(words.t("sees.between"));
  said.push(stimulusInWords(words, view.summary.config));
  if (view.summary.pending) said.push(words.t("sees.pending", { what: changesInWords(words, view.summary.pending) }));
  return said;
}

/** @param {Words} words @param {any} pause @param {boolean} [isAway] nobody is there to obey it */
export function pauseInWords(words, pause, isAway = false) {
  const cause = named(words, "cause", pause.reason);
  const asked = clock(words, pause.asked_ts);
  if (typeof pause.stopped_ts === "number") {
    const key = pause.stopped_ts < pause.asked_ts - EARLIER_MS ? "pause.rested" : "pause.rests";
    return [words.t(key, { time: clock(words, pause.stopped_ts), cause })];
  }
  if (isAway) return [words.t("pause.away", { time: asked, cause })];
  if (pause.received) return [words.t("pause.received", { time: asked, cause })];
  return [words.t("pause.asked", { time: asked, cause })];
}

/** @param {Words} words @param {any} config */
export function stimulusInWords(words, config) {
  const passes = passesOf(config.speed, config.duration);
  const all = words.t(passes === null ? "stimulus.all" : "stimulus.all_passes", {
    pattern: named(words, "pattern", config.pattern_type ?? "horizontal"),
    speed: reading(words, config.speed), intensity: reading(words, (config.intensity ?? NaN) * 100, 0),
    duration: reading(words, config.duration, 0), passes,
  });
  const { amplitude_deg, size_deg, shape } = config;
  const told = changesInWords(words, { amplitude_deg, size_deg, shape });
  return told ? `${all} ${words.t("stimulus.also", { what: told })}` : all;
}

/**
 * Changed fields of a configuration, as "speed 0.80 Hz, set 20 s".
 * @param {Words} words @param {Record<string, any>} config
 */
export function changesInWords(words, config) {
  const parts = [];
  for (const [name, value] of Object.entries(config)) {
    if (value === null || value === undefined) continue;
    if (name === "pattern_type") parts.push(named(words, "pattern", value));
    else if (name === "shape") parts.push(named(words, "shape", value));
    else if (typeof value === "number") {
      const percent = name === "intensity";
      parts.push(words.t(`change.${name}`, { value: reading(words, percent ? value * 100 : value, PLACES[name] ?? 2) }));
    } else parts.push(named(words, "field", name));
  }
  return parts.join(", ");
}

/**
 * What the service believes, in few words that change seldom: for the live region.
 * @param {Words} words @param {SessionView} view @param {number} at this page's monotonic clock
 */
export function stateInWords(words, view, at) {
  const status = words.t(`status.${view.status}`);
  if (view.isOver || view.status === "detached") return status;
  if (view.isSilent(at)) return words.t("say.silent");
  const parts = [status];
  const signal = view.live?.signal?.status;
  if (signal && signal !== "ok") parts.push(words.t(`sight.${signal}`));
  if (view.summary.baseline?.sureness < 1) parts.push(words.t("say.forming"));
  else if (view.live) {
    parts.push(words.t("say.state", { state: named(words, "state", view.live.state.label) }));
    parts.push(...view.live.safety.warning_signs.map((/** @type {string} */ sign) => signInWords(words, sign)));
  }
  return parts.join("; ");
}

/**
 * How well the client is seen, and how old that is.
 * @param {Words} words @param {SessionView} view @param {number} at
 */
export function sightInWords(words, view, at) {
  if (view.isOver) return words.t("status.ended");
  const signal = view.live?.signal ?? view.summary.signal;
  const ms = view.signalAge(at);
  const reason = signal?.reason ? ` (${named(words, "reason", signal.reason)})` : "";
  if (ms === null) return `${words.t("sight.never")}${reason}`;
  if (view.isSilent(at)) return words.t("sight.old", { age: age(words, ms) });
  const old = ms < 1_000 ? words.t("sight.fresh") : words.t("sight.age", { age: age(words, ms) });
  return `${named(words, "sight", signal.status)}${reason}, ${old}`;
}

/**
 * Who is there besides the client.
 * @param {Words} words @param {SessionView} view @param {string} self
 */
export function attendance(words, view, self) {
  const others = (view.summary.attended_by ?? []).filter((/** @type {string} */ who) => who !== self);
  const mine = (view.summary.attended_by ?? []).includes(self);
  if (mine && others.length) return words.t("attend.both", { others: others.join(", ") });
  if (mine) return words.t("attend.you");
  if (others.length) return words.t("attend.others", { others: others.join(", ") });
  return words.t("attend.nobody");
}
