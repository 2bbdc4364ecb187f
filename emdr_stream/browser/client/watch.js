/**
 * In: a therapist's token. Out: live sessions and every alert once, across broken connections; commands and their answers.
 *
 * What a console shows must never be old without saying so: `connection` tells of silence within `timeout_ms`.
 */

import { pageClock } from "./clock.js";
import { Connection } from "./connection.js";
import { Emitter } from "./emitter.js";

/** @typedef {import("./questions.js").Answer} Answer */

const CONFIRM_EVERY_MS = 1_000;
/** Cursors that are remembered; the service repeats the alerts of a minute at most. */
const REMEMBERED = 4_096;
/** @type {Record<string, string>} */
const COMMANDS = {
  pause: "control.pause",
  resume: "control.resume",
  end: "session.end",
  config: "config.set",
};
const LISTING = new Set(["session.opened", "session.closed", "session.detached"]);

/**
 * Opens a console's connection at once; what it tells comes as events.
 * @param {any} options see `WatchOptions` in index.d.ts
 */
export function watch(options) {
  const console_ = new Watch(options);
  console_.open();
  return console_;
}

export class Watch extends Emitter {
  #clock;
  #connection;
  /** @type {string | null} */
  #cursor;
  /** @type {string | null} */
  #confirmed = null;
  /** @type {Set<string>} */
  #taken = new Set();
  /** @type {{sessions: string[], rate_hz: number} | null} */
  #wanted;
  /** @type {Map<string, Record<string, any>>} */
  #sessions = new Map();
  /** @type {unknown} */
  #timer = null;
  #told = true;
  /** @type {{sessions: string[], rate_hz: number} | null} */
  #focus = null;
  /** Subscriptions of one session, whose answers are no list of all. @type {Set<number>} */
  #parts = new Set();

  /** @param {any} options */
  constructor(options) {
    super();
    this.#clock = options.clock ?? pageClock();
    this.#cursor = options.resumeAfter ?? null;
    this.#wanted = wish(options.subscribe ?? { sessions: ["*"], rate_hz: 2 });
    this.#connection = new Connection(options, {
      hello: (token) => ({ type: "hello", token, resume_after: this.#cursor ?? undefined }),
      welcome: (message) => this.#welcome(message),
      message: (message) => this.#hear(message),
      lost: ({ silentForMs, cause, code }) => this.#say(false, silentForMs, cause, code),
      closed: (end) => this.#closed(end),
      problem: (problem) => this.emit("error", problem),
    });
  }

  open() {
    this.#connection.open();
  }

  get connected() {
    return this.#connection.isOpen;
  }

  get silentForMs() {
    return this.#connection.silentForMs;
  }

  /** Position after the newest alert that was taken: keep it over a reload, and say it as `resumeAfter`. */
  get cursor() {
    return this.#cursor;
  }

  /** Summaries of the sessions that are watched, as they stand. */
  get sessions() {
    return [...this.#sessions.values()].map((session) => ({ ...session }));
  }

  serverNow() {
    return this.#connection.offset.now();
  }

  check() {
    return this.#connection.check();
  }

  /**
   * @param {string[] | {sessions: string[], rate_hz?: number}} subscription ids, or ["*"] for all
   * @returns {Promise<Answer>}
   */
  async subscribe(subscription) {
    this.#wanted = wish(subscription);
    return this.#connection.questions.ask({ type: "subscribe", ...this.#wanted });
  }

  /**
   * @param {string[]} sessions
   * @returns {Promise<Answer>}
   */
  async unsubscribe(sessions) {
    for (const id of sessions) this.#sessions.delete(id);
    return this.#connection.questions.ask({ type: "unsubscribe", sessions });
  }

  /**
   * Follows one session more closely than the others, until another is named; also after a reconnect.
   * @param {string | null} sessionId
   * @param {number} [rateHz] live states a second: 1, 2, 5 or 10
   */
  focus(sessionId, rateHz = 5) {
    const before = this.#focus;
    this.#focus = sessionId === null ? null : { sessions: [sessionId], rate_hz: rateHz };
    if (before && before.sessions[0] !== sessionId) this.#follow({ ...before, rate_hz: this.#wanted?.rate_hz ?? 2 });
    if (this.#focus) this.#follow(this.#focus);
  }

  /**
   * Asks after a session that the list lacks: it may live in another worker. The answer's `message` has its summary in `sessions`.
   * @param {string} sessionId
   * @returns {Promise<Answer>} `unknown_session`: there is no such session of theirs any more
   */
  async find(sessionId) {
    const answer = await this.#follow({ sessions: [sessionId], rate_hz: this.#wanted?.rate_hz ?? 2 });
    if (!answer.ok) return answer;
    for (const session of answer.message.sessions) this.#sessions.set(session.session_id, session);
    this.emit("sessions", this.sessions);
    return answer;
  }

  /**
   * What the records hold of a session: events, alerts, and curves of so many seconds.
   * @param {string} sessionId
   * @param {number} [curveS]
   * @returns {Promise<Answer>}
   */
  async history(sessionId, curveS = 600) {
    return this.#connection.questions.ask({ type: "history", session_id: sessionId, curve_s: curveS });
  }

  /**
   * Says that the therapist has this session before them; to be said again every 5 s.
   * @param {string} sessionId
   * @returns {Promise<Answer>}
   */
  async attend(sessionId) {
    return this.#connection.questions.ask({ type: "attend", session_id: sessionId });
  }

  /**
   * @param {string} alertId
   * @param {string} [note]
   * @returns {Promise<Answer>}
   */
  async acknowledge(alertId, note) {
    return this.#connection.questions.ask({ type: "ack", alert_id: alertId, note: note || undefined });
  }

  /**
   * Sent now or not at all: a command that could not go is told as `not_connected`, and never sent later.
   * @param {string} sessionId
   * @param {string} command `pause`, `resume`, `end`, `config`, or the message's own type
   * @param {Record<string, any>} [fields] `reason` for the first three, `mode` for a pause, `config` or
   *   `thresholds`; `control_epoch` for a resume: of the pause that the therapist has before them, a newer one is not ended
   * @returns {Promise<Answer>}
   */
  async command(sessionId, command, fields = {}) {
    const type = COMMANDS[command] ?? command;
    if (!Object.values(COMMANDS).includes(type)) throw new TypeError(`command: "${command}" is none of ours`);
    return this.#connection.questions.ask({ ...fields, type, session_id: sessionId });
  }

  close() {
    this.#connection.close();
  }

  // what the service says -------------------------------------------------------------------------------------------

  /** @param {Record<string, any>} welcome */
  #welcome(welcome) {
    this.emit("welcome", welcome);
    this.#say(true, 0);
    this.#parts.clear();
    if (this.#wanted) this.#connection.questions.ask({ type: "subscribe", ...this.#wanted });
    if (this.#focus) this.#follow(this.#focus);
    this.#confirmed = null;
    this.#confirmLater();
  }

  /** @param {Record<string, any>} message */
  #hear(message) {
    switch (message.type) {
      case "alert": this.#alert(message); break;
      case "subscribed":
        if (!this.#parts.delete(message.re)) this.#list(message.sessions);
        break;
      case "state": this.#merge(message); this.emit("state", message); break;
      case "control": this.#control(message); this.emit("control", message); break;
      case "done": this.emit("ack", message); break;
      case "heartbeat": case "pong": break;
      default:
        if (LISTING.has(message.type)) this.#listed(message);
        this.emit(message.type, message);
    }
  }

  /** @param {Record<string, any>} alert */
  #alert(alert) {
    if (this.#taken.has(alert.cursor)) return;
    this.#taken.add(alert.cursor);
    if (this.#taken.size > REMEMBERED) this.#taken.delete(/** @type {string} */ (this.#taken.values().next().value));
    this.#cursor = alert.cursor;
    this.emit("alert", alert);
  }

  /** @param {{sessions: string[], rate_hz: number}} subscription of one session, besides that of all */
  #follow(subscription) {
    const id = this.#connection.questions.nextId();
    this.#parts.add(id);
    return this.#connection.questions.ask({ type: "subscribe", ...subscription }, id);
  }

  /** @param {Record<string, any>[]} sessions the whole list, as asked for */
  #list(sessions) {
    this.#sessions = new Map(sessions.map((session) => [session.session_id, session]));
    this.emit("listed", sessions);
    this.emit("sessions", this.sessions);
  }

  /** @param {Record<string, any>} message */
  #listed({ type, session_id, session }) {
    const known = this.#sessions.get(session_id);
    if (type === "session.opened") this.#sessions.set(session_id, session);
    else if (type === "session.detached" && known) this.#sessions.set(session_id, { ...known, status: "detached" });
    else if (type === "session.closed") this.#sessions.delete(session_id);
    this.emit("sessions", this.sessions);
  }

  /** @param {Record<string, any>} state */
  #merge({ session_id, status, config, phase, set_no, signal, sud, voc }) {
    const known = this.#sessions.get(session_id);
    if (!known) return;
    const rated = { ...(sud === undefined ? {} : { sud }), ...(voc === undefined ? {} : { voc }) };
    this.#sessions.set(session_id, { ...known, status, config, phase, set_no, signal, ...rated });
  }

  /** @param {Record<string, any>} control */
  #control({ session_id, action, control_epoch, reason, resume_requires }) {
    const known = this.#sessions.get(session_id);
    if (!known || control_epoch < known.control_epoch) return;
    const status = action === "pause" ? "paused" : "running";
    this.#sessions.set(session_id, { ...known, status, control_epoch, reason, resume_requires });
    this.emit("sessions", this.sessions);
  }

  #confirmLater() {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = this.#clock.setTimeout(() => {
      const cursor = this.#cursor;
      if (cursor !== null && cursor !== this.#confirmed && this.#connection.send({ type: "received", cursor })) {
        this.#confirmed = cursor;
      }
      if (this.connected) this.#confirmLater();
    }, CONFIRM_EVERY_MS);
  }

  /** @param {{code: number, reason: string}} end */
  #closed({ code, reason }) {
    this.#clock.clearTimeout(this.#timer);
    this.#say(false, this.silentForMs, "closed");
    this.emit("closed", { code, reason });
  }

  /** @param {boolean} connected @param {number} silentForMs @param {string} [cause] @param {number} [code] */
  #say(connected, silentForMs, cause, code) {
    if (this.#told === connected && !connected) return;
    this.#told = connected;
    if (!connected) this.emit("lag", { silentForMs });
    this.emit("connection", { connected, silentForMs, ...(cause ? { cause, code } : {}) });
  }
}

/** @param {any} subscription */
function wish(subscription) {
  const { sessions, rate_hz = 2 } = Array.isArray(subscription) ? { sessions: subscription } : subscription;
  if (!Array.isArray(sessions) || !sessions.length) throw new TypeError('subscribe: name sessions, or ["*"] for all');
  return { sessions, rate_hz };
}
