/** In: times, numbers and codes. Out: how a person says them. */

/** @typedef {import("../shared/words.js").Words} Words */

/**
 * How long ago, in one unit.
 * @param {Words} words
 * @param {number} ms
 */
export function age(words, ms) {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  if (seconds < 60) return words.t("age.seconds", { count: seconds });
  if (seconds < 3_600) return words.t("age.minutes", { count: Math.floor(seconds / 60) });
  return words.t("age.hours", { count: Math.floor(seconds / 3_600), minutes: Math.floor((seconds % 3_600) / 60) });
}

/**
 * How long something lasted or lasts, as on a clock: 0:07, 12:40, 1:02:03.
 * @param {number} ms
 */
export function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}:${two(seconds % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}

/** @type {Map<string, Intl.DateTimeFormat>} */
const clocks = new Map();

/**
 * A time of day, in this place's own time.
 * @param {Words} words
 * @param {number} ts milliseconds since 1970
 * @param {string} [zone] for tests
 */
export function clock(words, ts, zone) {
  const key = `${words.language} ${zone}`;
  let format = clocks.get(key);
  if (!format) {
    format = new Intl.DateTimeFormat(words.language === "en" ? "en-GB" : words.language, {
      hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone: zone,
    });
    clocks.set(key, format);
  }
  return format.format(ts);
}

/**
 * A reading: two places, a true minus; a dash where there is none.
 * @param {Words} words
 * @param {number | null | undefined} value
 * @param {number} [places]
 */
export function reading(words, value, places = 2) {
  if (typeof value !== "number" || !Number.isFinite(value)) return "–";
  const text = Math.abs(value).toLocaleString(words.language, {
    minimumFractionDigits: places, maximumFractionDigits: places,
  });
  return Number(value.toFixed(places)) < 0 ? `−${text}` : text;
}

/**
 * The words of a code, or the code itself where it is newer than this page.
 * @param {Words} words
 * @param {string} group
 * @param {string | null | undefined} code
 */
export function named(words, group, code) {
  if (!code) return "–";
  const key = `${group}.${code}`;
  return words.has(key) ? words.t(key) : code;
}

/**
 * Which session this is, in every place where it is spoken of: whose, and which of theirs.
 * @param {{user: string, session_id: string}} session
 */
export function nameOf({ user, session_id }) {
  return user ? `${user} · ${session_id}` : session_id;
}

/**
 * What went wrong with something that was asked.
 * @param {Words} words
 * @param {{code: string, message?: string}} problem
 */
export function problemOf(words, { code, message }) {
  const key = `error.${code}`;
  return words.has(key) ? words.t(key) : words.t("error.other", { code, message: message ?? "" });
}
