/** In: steps of alerts, in any order and perhaps twice. Out: each alert as it stands, the most pressing first. */

const WEIGHT = { critical: 3, high: 2, medium: 1, low: 0 };
/** How far an alert has come: a step that is older than what is known changes nothing. */
const STAGE = { raised: 0, escalated: 1, acknowledged: 2, resolved: 3 };
const KEPT = 200;
/** What a rising risk leads to, and how long before it an advice may be raised to be the same occasion. */
const CRISES = new Set(["crisis", "dissociation"]);
const ONE_OCCASION_MS = 60_000;
/** A steep rise pauses after one second and advises after three: so much later an advice is still of the same rise. */
const SAME_RISE_MS = 5_000;

/** @typedef {any} Alert as the message `alert` */

export class Alerts {
  /** @type {Map<string, Alert>} */
  #known = new Map();

  /**
   * @param {Alert} alert
   * @returns {boolean} whether this was news
   */
  take(alert) {
    const known = this.#known.get(alert.alert_id);
    if (known && !isLater(alert, known)) return false;
    this.#known.set(alert.alert_id, { ...known, ...alert });
    this.#forget();
    return true;
  }

  /** @param {string} alertId */
  find(alertId) {
    return this.#known.get(alertId) ?? null;
  }

  /**
   * The most pressing first: what nobody has acknowledged, then what is open, each by severity and age; then the past.
   * @param {string | null} [sessionId] of one session only
   * @returns {Alert[]}
   */
  list(sessionId = null) {
    const all = [...this.#known.values()];
    return all.filter((alert) => sessionId === null || alert.session_id === sessionId).sort(byUrgency);
  }

  /**
   * Those that still want an acknowledgement, each occasion once.
   * @param {string | null} [sessionId]
   * @returns {Alert[]}
   */
  waiting(sessionId = null) {
    return this.list(sessionId).filter((alert) => wantsAcknowledgement(alert) && !this.crisisOf(alert));
  }

  /**
   * The crisis that the models' advice of high risk led to, while both wait: one occasion, which one look answers.
   * What a rule advises (rising ratings) has reasons of its own, which the crisis does not show: it stands by itself.
   * @param {Alert} alert
   * @returns {Alert | null}
   */
  crisisOf(alert) {
    if (alert.kind !== "high_risk" || !alert.model || !wantsAcknowledgement(alert)) return null;
    const near = (/** @type {Alert} */ other) => {
      const later = other.raised_ts - alert.raised_ts;
      return -SAME_RISE_MS <= later && later <= ONE_OCCASION_MS;
    };
    return this.list(alert.session_id).find((other) => CRISES.has(other.kind) && wantsAcknowledgement(other) && near(other)) ?? null;
  }

  /** The advices that led to it, see `crisisOf`. @param {Alert} alert @returns {Alert[]} */
  advicesOf(alert) {
    return this.list(alert.session_id).filter((other) => this.crisisOf(other)?.alert_id === alert.alert_id);
  }

  /** What the list of sessions says of one: its most pressing alert that waits, else the newest. @param {string} sessionId @returns {Alert | null} */
  foremost(sessionId) {
    const mine = this.list(sessionId);
    if (mine.length && wantsAcknowledgement(mine[0])) return mine[0];
    return mine.sort((a, b) => b.raised_ts - a.raised_ts)[0] ?? null;
  }

  #forget() {
    if (this.#known.size <= KEPT) return;
    const past = [...this.#known.values()].filter((alert) => alert.state === "resolved");
    past.sort((a, b) => a.raised_ts - b.raised_ts);
    for (const alert of past.slice(0, this.#known.size - KEPT)) this.#known.delete(alert.alert_id);
  }
}

/** @param {Alert} alert */
export function isOpen(alert) {
  return alert.state !== "resolved";
}

/** Every open alert that nobody has seen: those of medium severity too, though they do not escalate. @param {Alert} alert */
export function wantsAcknowledgement(alert) {
  return alert.state === "raised" || alert.state === "escalated";
}

/** Milliseconds until it escalates; null where it never will, or has. @param {Alert} alert @param {number} now */
export function escalatesIn(alert, now) {
  if (alert.state !== "raised" || typeof alert.ack_deadline_ts !== "number") return null;
  return Math.max(0, alert.ack_deadline_ts - now);
}

/** @param {Alert} alert @param {Alert} known */
function isLater(alert, known) {
  // What rises before anybody has acknowledged it is raised once more, under its own id.
  if (alert.state === "raised" && known.state === "raised") return alert.ts > known.ts;
  const a = /** @type {Record<string, number>} */ (STAGE)[alert.state] ?? 0;
  const b = /** @type {Record<string, number>} */ (STAGE)[known.state] ?? 0;
  // Without the step's own time, its stage decides; an acknowledgement may come before or after the escalation.
  return a === b ? (alert.by ?? "") !== (known.by ?? "") && alert.by !== undefined : a > b;
}

/** @param {Alert} alert */
function rank(alert) {
  if (!isOpen(alert)) return 0;
  return wantsAcknowledgement(alert) ? 2 : 1;
}

/** @param {Alert} a @param {Alert} b */
function byUrgency(a, b) {
  const severity = (/** @type {Alert} */ alert) => /** @type {Record<string, number>} */ (WEIGHT)[alert.severity] ?? 0;
  const escalated = (/** @type {Alert} */ alert) => Number(alert.state === "escalated");
  return (
    rank(b) - rank(a) ||
    (rank(a) > 0 ? severity(b) - severity(a) || escalated(b) - escalated(a) : 0) ||
    b.raised_ts - a.raised_ts ||
    (a.alert_id < b.alert_id ? -1 : 1)
  );
}
