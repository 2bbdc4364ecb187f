/**
 * In: everything that the service tells a console. Out: its sessions as they stand, how old that is, and what is pending.
 *
 * Pure: times come with the calls. `now` is the service's wall clock, `heardAt` this page's monotonic clock.
 */

import { Alerts } from "./alerts.js";
import { Curves } from "./curves.js";
import { Pending } from "./pending.js";
import { alertEntry, entryOf, recordedEntry, Timeline } from "./timeline.js";

/** A session that lives tells of itself every second at least: after this it is said to be silent. */
export const SILENT_AFTER_MS = 2_500;
const ENDED_KEPT = 8;

/** What is known of one session. */
export class SessionView {
  curves = new Curves();
  timeline = new Timeline();
  pending = new Pending();
  /** @type {"none" | "asked" | "whole" | "part" | "failed"} */
  history = "none";
  /** When this page first heard of it. */
  since;
  /** @type {number | null} */
  heardAt = null;
  /** @type {any} the newest live state */
  live = null;
  resumeWanted = false;
  endedWhy = "";
  /** The newest list lacks it, and nothing was heard of it since: it lives in another worker, or is over. */
  isUnlisted = false;
  /** When it was last asked after, on this page's monotonic clock. */
  askedAt = -Infinity;
  /** It ended, or is no longer theirs, and this page was not told. */
  endedUnseen = false;
  /** @type {any} as in the protocol's SessionSummary, kept up to date */
  summary;

  /** @param {any} summary @param {number} now */
  constructor(summary, now) {
    this.summary = summary;
    this.since = now;
  }

  get id() {
    return this.summary.session_id;
  }

  get status() {
    return this.summary.status;
  }

  get isOver() {
    return this.summary.status === "ended";
  }

  /** The pause that stands, null without one. */
  get pause() {
    return this.summary.pause ?? null;
  }

  /** The person's own levels, by signal; empty until the baseline stands. */
  get levels() {
    const { valence = null, arousal = null, attention = null } = this.summary.baseline ?? {};
    return { valence, arousal, attention };
  }

  /**
   * Whether its live values must not be taken for now.
   * @param {number} at this page's monotonic clock
   */
  isSilent(at) {
    return !this.isOver && (this.heardAt === null || at - this.heardAt > SILENT_AFTER_MS);
  }

  /**
   * Whether its newest readings are of now: the client is there, and their session tells of itself.
   * @param {number} at this page's monotonic clock
   */
  isNow(at) {
    return !this.isOver && this.status !== "detached" && !this.isSilent(at);
  }

  /**
   * Age of the newest usable sight of the client, null where there never was one.
   * @param {number} at this page's monotonic clock
   */
  signalAge(at) {
    const told = this.live?.signal?.age_ms ?? this.summary.signal?.age_ms;
    if (typeof told !== "number") return null;
    return told + Math.max(0, at - (this.heardAt ?? at));
  }
}

/** Fields of a live state that say how things stand. Absent means none, as with a pause that is over. */
const STANDING = ["status", "control_epoch", "config", "thresholds", "phase", "set_no", "signal", "baseline", "pause",
  "set_started_ts", "pending", "sud", "voc", "attended_by"];

export class Model {
  alerts = new Alerts();
  /** @type {Map<string, SessionView>} */
  #sessions = new Map();

  /** In the order of their beginning, the ended ones last. */
  get sessions() {
    return [...this.#sessions.values()].sort(
      (a, b) => Number(a.isOver) - Number(b.isOver) || a.summary.started_ts - b.summary.started_ts || (a.id < b.id ? -1 : 1),
    );
  }

  /** @param {string | null} id */
  find(id) {
    return id === null ? null : (this.#sessions.get(id) ?? null);
  }

  /**
   * The whole list, as after each (re)connect; what is not in it lives elsewhere, is over, or no longer theirs: see `unlisted`.
   * @param {any[]} summaries @param {number} now
   */
  list(summaries, now) {
    const named = new Set(summaries.map((summary) => summary.session_id));
    for (const summary of summaries) this.#open(summary, now);
    for (const view of this.#sessions.values()) {
      // One that lives in another worker is told of a moment later: it is silent until then, not over.
      if (!named.has(view.id) && !view.isOver) {
        view.heardAt = null;
        view.isUnlisted = true;
      }
      // What happened meanwhile is in the records.
      view.history = "none";
    }
  }

  /** Those of which nobody knows whether they are over: to be asked after. */
  get unlisted() {
    return [...this.#sessions.values()].filter((view) => view.isUnlisted && !view.isOver);
  }

  /**
   * The answer to a question after one of these.
   * @param {SessionView} view @param {any} summary null: there is no such session any more @param {number} now
   */
  found(view, summary, now) {
    if (!view.isUnlisted) return;
    if (summary) this.#open(summary, now);
    if (summary && summary.status !== "ended") return;
    this.#close(view, {});
    view.endedUnseen = true;
  }

  /**
   * @param {any} message any message of the service
   * @param {number} now the service's wall clock
   * @param {number} at this page's monotonic clock
   * @returns {boolean} whether it was an alert step that is news
   */
  take(message, now, at) {
    if (message.type === "alert") return this.#alert(message);
    if (message.type === "session.opened") this.#open(message.session, now);
    const view = this.find(message.session_id ?? null);
    if (!view) return false;
    if (message.type === "state") this.#state(view, message, at);
    else if (message.type === "session.closed") this.#close(view, message);
    else if (message.type === "session.detached") this.#detach(view);
    else if (message.type === "resume_requested") view.resumeWanted = true;
    else if (message.type === "control") this.#control(view, message, now);
    else if (message.type === "applied") this.#applied(view, message);
    else if (message.type === "adapt") view.summary = { ...view.summary, config: { ...view.summary.config, ...message.config } };
    view.timeline.add(entryOf(message, now));
    view.pending.see(view.summary);
    return false;
  }

  /** The answer to `history`. @param {SessionView} view @param {any} history */
  remember(view, history) {
    for (const event of history.events) view.timeline.add(recordedEntry(event));
    for (const alert of history.alerts) {
      this.alerts.take(alert);
      view.timeline.add(alertEntry(this.alerts.find(alert.alert_id) ?? alert));
    }
    view.curves.remember(history.curve);
    view.history = history.complete ? "whole" : "part";
  }

  /** @param {any} summary @param {number} now */
  #open(summary, now) {
    const known = this.#sessions.get(summary.session_id);
    if (!known) {
      this.#sessions.set(summary.session_id, new SessionView(summary, now));
      return;
    }
    known.summary = { ...summary, attended_by: known.summary.attended_by };
    known.endedWhy = "";
    known.isUnlisted = known.endedUnseen = false;
  }

  /** @param {SessionView} view @param {any} state @param {number} at */
  #state(view, state, at) {
    // What was only found missing lives after all.
    if (view.isOver && !view.endedUnseen) return;
    view.isUnlisted = view.endedUnseen = false;
    view.heardAt = at;
    view.live = state;
    const standing = Object.fromEntries(STANDING.map((name) => [name, state[name]]));
    view.summary = { ...view.summary, ...standing };
    if (state.status !== "paused") view.resumeWanted = false;
    view.curves.take(state);
  }

  /** @param {SessionView} view @param {any} message */
  #close(view, { reason }) {
    view.summary = { ...view.summary, status: "ended", pause: undefined, set_started_ts: undefined, attended_by: [] };
    view.endedWhy = reason ?? "";
    view.isUnlisted = false;
    view.pending.clear();
    const over = this.sessions.filter((one) => one.isOver);
    for (const old of over.slice(0, Math.max(0, over.length - ENDED_KEPT))) this.#sessions.delete(old.id);
  }

  /** @param {SessionView} view */
  #detach(view) {
    view.summary = { ...view.summary, status: "detached", set_started_ts: undefined };
    view.live = null;
  }

  /** @param {SessionView} view @param {any} control @param {number} now */
  #control(view, control, now) {
    const { action, control_epoch, mode, reason, resume_requires, alert_id, ts = now } = control;
    if (control_epoch < view.summary.control_epoch) return;
    const away = view.status === "detached";
    if (action === "pause") {
      const pause = { reason, mode, resume_requires, alert_id, asked_ts: ts, received: false };
      view.summary = { ...view.summary, status: away ? "detached" : "paused", control_epoch, pause, set_started_ts: undefined };
      return;
    }
    view.resumeWanted = false;
    view.summary = { ...view.summary, status: "running", control_epoch, pause: undefined };
  }

  /** @param {SessionView} view @param {any} applied */
  #applied(view, { control_epoch, stopped_ts }) {
    if (control_epoch !== view.summary.control_epoch || !view.pause) return;
    const stopped = typeof stopped_ts === "number" ? { stopped_ts: view.pause.stopped_ts ?? stopped_ts } : {};
    view.summary = { ...view.summary, pause: { ...view.pause, received: true, ...stopped } };
  }

  /** @param {any} alert */
  #alert(alert) {
    const news = this.alerts.take(alert);
    if (news) this.find(alert.session_id)?.timeline.add(alertEntry(this.alerts.find(alert.alert_id)));
    return news;
  }
}
