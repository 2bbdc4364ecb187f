/** In: what happened, live and from the records, in any order and perhaps twice. Out: one line for each thing, in its time. */

/**
 * @typedef {object} Entry
 * @property {string} key what it is: the same thing told twice has one
 * @property {number} ts milliseconds since 1970
 * @property {string} kind set, rating, pause, resume, applied, adapt, intervention, phase, alert, presence
 * @property {Record<string, any>} facts
 */

/** What is of one group can be shown or hidden together. */
export const GROUPS = {
  work: ["set", "rating", "phase"],
  control: ["pause", "resume", "applied", "presence"],
  adapt: ["adapt", "intervention"],
  alerts: ["alert"],
};
const KEPT = 2_000;

export class Timeline {
  /** @type {Map<string, Entry>} */
  #entries = new Map();
  /** @type {Entry[] | null} */
  #sorted = null;

  /** @param {Entry | null} entry @returns {boolean} whether it was news */
  add(entry) {
    if (entry === null || !Number.isFinite(entry.ts)) return false;
    const known = this.#entries.get(entry.key);
    if (known && (known.kind !== "alert" || same(known.facts, entry.facts))) return false;
    this.#entries.set(entry.key, entry);
    this.#sorted = null;
    if (this.#entries.size > KEPT) this.#entries.delete(this.entries[0].key);
    return true;
  }

  /** Oldest first. */
  get entries() {
    this.#sorted ??= [...this.#entries.values()].sort((a, b) => a.ts - b.ts || (a.key < b.key ? -1 : 1));
    return this.#sorted;
  }

  /**
   * Sets as spans of time; one that has not ended reaches to `now`.
   * @param {number} now
   * @returns {{no: number | null, from: number, to: number, running: boolean}[]}
   */
  sets(now) {
    /** @type {{no: number | null, from: number, to: number, running: boolean}[]} */
    const found = [];
    for (const { kind, ts, facts } of this.entries) {
      if (kind !== "set") continue;
      const last = found.at(-1);
      if (last?.running) Object.assign(last, { to: ts, running: false });
      if (facts.action === "start") found.push({ no: facts.set_no, from: ts, to: now, running: true });
    }
    return found;
  }

  /**
   * Pauses as spans of time; one that stands reaches to `now`.
   * @param {number} now
   * @returns {{from: number, to: number, reason: string}[]}
   */
  pauses(now) {
    /** @type {{from: number, to: number, reason: string}[]} */
    const found = [];
    let open = false;
    for (const { kind, ts, facts } of this.entries) {
      const last = found.at(-1);
      if (kind === "pause" && !open) {
        found.push({ from: ts, to: now, reason: facts.reason });
        open = true;
      } else if (kind === "resume" && open && last) {
        last.to = ts;
        open = false;
      }
    }
    return found;
  }

  /** Ratings of one scale, oldest first. @param {"sud" | "voc"} scale @returns {{ts: number, value: number}[]} */
  ratings(scale) {
    const mine = this.entries.filter(({ kind, facts }) => kind === "rating" && facts.scale === scale);
    return mine.map(({ ts, facts }) => ({ ts, value: facts.value }));
  }
}

/**
 * A live message as an entry; null for what is no event.
 * @param {any} message
 * @param {number} now the service's clock, for what carries no time
 * @returns {Entry | null}
 */
export function entryOf(message, now) {
  const ts = message.ts ?? now;
  switch (message.type) {
    case "set": return setEntry(ts, message);
    case "rating": return ratingEntry(ts, message);
    case "phase": return { key: `phase:${ts}`, ts, kind: "phase", facts: { phase: message.phase } };
    case "control": return controlEntry(ts, message);
    case "applied": return appliedEntry(ts, message);
    case "adapt": return adaptEntry(ts, message);
    case "intervention":
      return { key: `intervention:${message.seq}`, ts, kind: "intervention", facts: message.intervention };
    case "session.detached": return { key: `detached:${ts}`, ts, kind: "presence", facts: { action: "detached" } };
    case "alert": return alertEntry(message);
    default: return null;
  }
}

/**
 * A recorded event as an entry; null for what the timeline does not show.
 * @param {{kind: string, ts: number, fields: any}} event
 * @returns {Entry | null}
 */
export function recordedEntry({ kind, ts, fields }) {
  if (kind === "set") return setEntry(ts, fields);
  if (kind === "rating") return ratingEntry(ts, fields);
  if (kind === "adaptation") return adaptEntry(ts, fields);
  if (kind !== "control") return null;
  if (fields.action === "applied") return appliedEntry(ts, fields);
  if (fields.action === "detached") return { key: `detached:${ts}`, ts, kind: "presence", facts: { action: "detached" } };
  return controlEntry(ts, fields);
}

/** @param {any} alert @returns {Entry} one line for its whole life, at the time it was raised */
export function alertEntry(alert) {
  const { alert_id, kind, severity, state, by, raised_ts } = alert;
  return { key: `alert:${alert_id}`, ts: raised_ts, kind: "alert", facts: { kind, severity, state, by } };
}

/** @param {number} ts @param {any} set @returns {Entry} */
function setEntry(ts, { action, set_no }) {
  return { key: `set:${action}:${set_no}:${ts}`, ts, kind: "set", facts: { action, set_no } };
}

/** @param {number} ts @param {any} rating @returns {Entry} */
function ratingEntry(ts, { scale, value }) {
  return { key: `rating:${scale}:${ts}`, ts, kind: "rating", facts: { scale, value } };
}

/** @param {number} ts @param {any} control @returns {Entry | null} */
function controlEntry(ts, { action, control_epoch, reason, resume_requires, mode, by }) {
  if (action !== "pause" && action !== "resume") return null;
  return { key: `${action}:${control_epoch}`, ts, kind: action, facts: { reason, resume_requires, mode, by } };
}

/** Only the standstill is worth a line. @param {number} ts @param {any} applied @returns {Entry | null} */
function appliedEntry(ts, { control_epoch, stopped_ts }) {
  if (typeof stopped_ts !== "number") return null;
  return { key: `applied:${control_epoch}`, ts: Math.min(ts, stopped_ts), kind: "applied", facts: { stopped_ts } };
}

/** @param {number} ts @param {any} adapt @returns {Entry} */
function adaptEntry(ts, { adapt_id, config, effective, reasons }) {
  return { key: `adapt:${adapt_id}`, ts, kind: "adapt", facts: { config, effective, reasons } };
}

/** @param {Record<string, any>} a @param {Record<string, any>} b */
function same(a, b) {
  return a.state === b.state && a.by === b.by;
}
