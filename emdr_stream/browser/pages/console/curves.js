/**
 * In: live states and recorded seconds of one session. Out: the points of its curves by time, and where nothing is known.
 *
 * A point that was not seen is null; a time in which no point came is a gap. Neither is ever drawn through.
 */

/** The curves, in the order in which they are shown. */
export const CURVES = ["arousal", "valence", "attention", "risk", "crisis"];
/** Live states come several a second, recorded ones once: more than this without one is a gap. */
export const GAP_MS = 2_500;
const KEPT_MS = 31 * 60_000;
const RECORDED_EVERY_MS = 1_000;
const BLIND = new Set(["stale", "lost"]);

/** @typedef {{ts: number, arousal: number|null, valence: number|null, attention: number|null, risk: number|null, crisis: number|null, blind: boolean, sure: boolean}} Point */

/** @param {any} value */
const number = (value) => (typeof value === "number" && Number.isFinite(value) ? value : null);

export class Curves {
  /** @type {Point[]} oldest first */
  #points = [];

  get points() {
    return this.#points;
  }

  /** The newest point, null before the first. */
  get newest() {
    return this.#points.at(-1) ?? null;
  }

  /**
   * A live state. One that is not newer than what is there changes nothing.
   * @param {any} state
   */
  take(state) {
    const ts = number(state.ts);
    if (ts === null || ts <= (this.newest?.ts ?? -Infinity)) return;
    const { dimensions = {}, safety = {}, signal = {}, baseline = {} } = state;
    this.#points.push({
      ts,
      arousal: number(dimensions.arousal),
      valence: number(dimensions.valence),
      attention: number(dimensions.attention),
      risk: number(safety.risk_level),
      crisis: number(safety.crisis_probability),
      blind: BLIND.has(signal.status),
      sure: (baseline.sureness ?? 0) >= 1,
    });
    this.#forget(ts);
  }

  /**
   * Columns of the records, put where nothing came live: before this page was opened, and while it was cut off.
   * @param {any} curve
   * @param {number | null} sureFrom when the baseline came to stand, where that is known
   */
  remember(curve, sureFrom = null) {
    const live = this.#points;
    /** @type {Point[]} */
    const past = [];
    let next = 0;
    for (let i = 0; i < (curve?.ts?.length ?? 0); i += 1) {
      const ts = curve.ts[i];
      while (next < live.length && live[next].ts < ts) next += 1;
      const near = Math.min(ts - (live[next - 1]?.ts ?? -Infinity), (live[next]?.ts ?? Infinity) - ts);
      if (near < RECORDED_EVERY_MS) continue;
      const risk = number(curve.risk[i]);
      past.push({
        ts,
        arousal: number(curve.arousal[i]),
        valence: number(curve.valence[i]),
        attention: number(curve.attention[i]),
        risk,
        crisis: number(curve.crisis[i]),
        blind: BLIND.has(curve.signal[i]),
        sure: risk !== null || (sureFrom !== null && ts >= sureFrom),
      });
    }
    this.#points = [...live, ...past].sort((a, b) => a.ts - b.ts);
  }

  /**
   * Unbroken stretches of one curve in a time window, each a list of [ts, value].
   * @param {string} name
   * @param {number} from
   * @param {number} to
   * @returns {[number, number][][]}
   */
  stretches(name, from, to) {
    /** @type {[number, number][][]} */
    const found = [];
    /** @type {[number, number][]} */
    let present = [];
    let last = -Infinity;
    const end = () => { if (present.length) found.push(present); present = []; };
    for (const point of this.#within(from, to)) {
      const value = /** @type {any} */ (point)[name];
      if (value === null || point.blind || point.ts - last > GAP_MS) end();
      if (value !== null && !point.blind) {
        present.push([point.ts, value]);
        last = point.ts;
      }
    }
    end();
    return found;
  }

  /**
   * Spans of a window in which a curve is not known, and why: `missing` (not seen, or nothing came) or `forming` (the
   * person is seen, and the baseline does not stand yet, so that no model speaks).
   * @param {string} name
   * @param {number} from
   * @param {number} to the present: what has not come by now is a gap too
   * @returns {{from: number, to: number, why: "missing" | "forming"}[]}
   */
  unknown(name, from, to) {
    /** @type {{from: number, to: number, why: "missing" | "forming"}[]} */
    const found = [];
    const modelled = name === "risk" || name === "crisis";
    const add = (/** @type {number} */ a, /** @type {number} */ b, /** @type {"missing" | "forming"} */ why) => {
      const last = found.at(-1);
      if (last && last.why === why && a - last.to <= GAP_MS) last.to = Math.max(last.to, b);
      else if (b > a) found.push({ from: a, to: b, why });
    };
    const start = this.#points.length ? Math.max(from, this.#points[0].ts) : to;
    let at = start;
    for (const point of this.#within(from, to)) {
      if (point.ts - at > GAP_MS) add(at, point.ts, "missing");
      if (point.blind || /** @type {any} */ (point)[name] === null) {
        add(Math.max(start, Math.min(at, point.ts)), point.ts, modelled && !point.blind && !point.sure ? "forming" : "missing");
      }
      at = point.ts;
    }
    if (to - at > GAP_MS) add(at, to, "missing");
    return found;
  }

  /**
   * The readings at most `GAP_MS` before a time: what a text table says of it.
   * @param {number} ts
   * @returns {Point | null}
   */
  at(ts) {
    for (let i = this.#points.length - 1; i >= 0; i -= 1) {
      const point = this.#points[i];
      if (point.ts <= ts) return ts - point.ts <= GAP_MS ? point : null;
    }
    return null;
  }

  /** @param {number} from @param {number} to */
  #within(from, to) {
    let low = 0;
    let high = this.#points.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#points[middle].ts < from) low = middle + 1;
      else high = middle;
    }
    let end = low;
    while (end < this.#points.length && this.#points[end].ts <= to) end += 1;
    return this.#points.slice(low, end);
  }

  /** @param {number} now */
  #forget(now) {
    let old = 0;
    while (old < this.#points.length && now - this.#points[old].ts > KEPT_MS) old += 1;
    // Cut off in bulk: a session of an hour has thousands of points.
    if (old > 500) this.#points.splice(0, old);
  }
}
