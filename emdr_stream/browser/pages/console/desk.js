/** In: a token, keys and clicks. Out: the console: it joins the library, the model and the views, and owns the page's clock. */

import { pageClock } from "../../client/clock.js";
import { watch } from "../../client/index.js";
import { Announce } from "./announce.js";
import { Chime } from "./chime.js";
import { Dialogs } from "./dialogs.js";
import { byId } from "../shared/dom.js";
import { Link } from "./link.js";
import { Model } from "./model.js";
import { clock, named, nameOf, problemOf } from "./wording.js";

/** @typedef {import("../shared/words.js").Words} Words */
/** @typedef {import("./model.js").SessionView} SessionView */

const TICK_MS = 250;
const ATTEND_EVERY_MS = 5_000;
/** Sessions of other workers are told of within a second or two; what is still missing then is asked after, one at a time. */
const UNLISTED_AFTER_MS = 4_000;
const UNLISTED_EVERY_MS = 1_000;
const CURVE_S = 1_800;
const RATE_HZ = 2;
const FOCUS_RATE_HZ = 5;
/** What the library emits and the model takes, besides `alert` and `sessions`. */
const TOLD = /** @type {const} */ (["session.opened", "session.closed", "session.detached", "resume_requested", "state", "control", "applied",
  "adapt", "intervention", "set", "rating", "phase"]);
/** @type {Record<string, string>} */
const COMMANDS = { pause: "pause", resume: "resume", end: "end", config: "config", thresholds: "config" };

export class Desk {
  model = new Model();
  link = new Link();
  self = "";
  /** @type {string | null} */
  selectedId = null;
  words;
  dialogs;
  announce;
  chime;
  /** @type {any} the library's `Watch` */
  #watch = null;
  /** Position after the newest alert that this person's page was told, over all its connections. @type {string | null} */
  #cursor = null;
  /** Whether the connection is one that the service has welcomed. */
  #welcome = false;
  #attendedAt = -Infinity;
  /** When it may be asked after one that the list lacks. */
  #findAt = Infinity;
  #wasLive = false;
  #hooks;

  /**
   * @param {Words} words
   * @param {{render: () => void, closed: (code: number, wasWelcome: boolean) => void, left: () => void}} hooks
   *   `wasWelcome`: it was closed while it was up, and not when it was to be; `left`: nothing of who was here may stay
   */
  constructor(words, hooks) {
    this.words = words;
    this.#hooks = hooks;
    this.dialogs = new Dialogs(() => this.words);
    this.announce = new Announce(byId("say"), this.dialogs.heard(byId("say-now")), () => this.at());
    this.chime = new Chime(() => new AudioContext());
    this.#tickOn();
  }

  /** By timers that a hidden page does not slow down: a chime must sound there, too. */
  #tickOn() {
    pageClock().setTimeout(() => { this.#tickOn(); this.#tick(); }, TICK_MS);
  }

  /**
   * Begins, or goes on after the last alert that was told: what was acknowledged or resolved meanwhile must not stay as it was.
   * @param {(wish?: {refresh?: boolean}) => Promise<string>} getToken
   */
  connect(getToken) {
    this.#disconnect();
    this.link = new Link();
    this.link.connecting();
    const options = { url: socketUrl(), getToken, resumeAfter: this.#cursor, subscribe: { sessions: ["*"], rate_hz: RATE_HZ } };
    const watching = watch(options);
    this.#watch = watching;
    // What a connection still says that was given up concerns nobody here.
    const on = (/** @type {string} */ event, /** @type {(message: any) => void} */ take) =>
      watching.on(event, (/** @type {any} */ message) => { if (this.#watch === watching) take(message); });
    on("welcome", (welcome) => {
      if (this.self && welcome.user !== this.self) this.#startOver(getToken);
      else this.#welcomed(welcome);
    });
    on("sessions", () => this.render());
    on("listed", (summaries) => this.#listed(summaries));
    on("alert", (alert) => this.#alert(alert));
    for (const event of TOLD) on(event, (message) => this.#take(message));
    on("connection", (told) => this.#connection(told));
    on("goaway", () => { this.link.restarting = true; this.render(); });
    on("closed", ({ code }) => this.#closed(code));
    this.render();
  }

  /** Somebody else has signed in: they see nothing of whoever was here, and are told every open alert of their own. */
  #startOver(/** @type {(wish?: {refresh?: boolean}) => Promise<string>} */ getToken) {
    this.#disconnect();
    this.dialogs.close();
    this.announce.forget();
    this.model = new Model();
    this.self = "";
    this.selectedId = null;
    this.#cursor = null;
    this.#hooks.left();
    this.connect(getToken);
  }

  #disconnect() {
    const before = this.#watch;
    this.#watch = null;
    this.#welcome = false;
    before?.close();
  }

  // time ------------------------------------------------------------------------------------------------------------

  /** The service's wall clock, as well as it is known here. */
  now() {
    return this.#watch ? this.#watch.serverNow() : Date.now();
  }

  /** This page's monotonic clock. */
  at() {
    return performance.now();
  }

  get isLinked() {
    return this.link.isLive;
  }

  /** @returns {SessionView | null} */
  get selected() {
    return this.model.find(this.selectedId);
  }

  render() {
    this.#hooks.render();
  }

  // what a person does ----------------------------------------------------------------------------------------------

  /** @param {string} id @param {boolean} [moveFocus] */
  select(id, moveFocus = false) {
    const view = this.model.find(id);
    if (!view) return;
    const isNew = id !== this.selectedId;
    this.selectedId = id;
    if (isNew) {
      this.#watch?.focus(view.isOver ? null : id, FOCUS_RATE_HZ);
      this.#attendedAt = -Infinity;
      this.announce.now(this.words.t("say.selected", { name: nameOf(view.summary) }));
    }
    this.#askHistory(view);
    this.render();
    if (moveFocus) byId("detail").focus();
  }

  /** The session after or before the one that is shown. @param {1 | -1} step */
  move(step) {
    const sessions = this.model.sessions;
    if (!sessions.length) return;
    const index = sessions.findIndex((view) => view.id === this.selectedId);
    const next = index < 0 ? 0 : Math.min(sessions.length - 1, Math.max(0, index + step));
    this.select(sessions[next].id);
  }

  /** @param {string} alertId @param {string} [note] */
  async acknowledge(alertId, note) {
    return this.#watch.acknowledge(alertId, note);
  }

  /**
   * @param {SessionView} view
   * @param {"pause" | "resume" | "end" | "config" | "thresholds"} what
   * @param {Record<string, any>} fields
   * @param {Record<string, any>} [wanted] what will show when it is done
   * @returns {Promise<string>} why not, or nothing
   */
  async command(view, what, fields, wanted = {}) {
    const asked = view.pending.ask(what, wanted, this.now());
    this.render();
    const answer = await this.#watch.command(view.id, COMMANDS[what], fields);
    view.pending.answered(asked, answer);
    view.pending.see(view.summary);
    this.render();
    if (answer.ok) return "";
    const why = problemOf(this.words, answer);
    this.announce.now(this.words.t("pending.refused", { what: this.words.t(`command.${what}`), why }));
    return why;
  }

  // what the service says -------------------------------------------------------------------------------------------

  /** @param {any} welcome */
  #welcomed(welcome) {
    this.self = welcome.user;
    this.link.welcomed(this.at());
  }

  /** @param {{connected: boolean, cause?: string, code?: number}} told */
  #connection({ connected, cause, code }) {
    if (connected) this.link.welcomed(this.at());
    else this.link.lost(code);
    // A connection that is closed for good is told as lost first.
    if (cause !== "closed") this.#welcome = connected;
    this.#tick();
  }

  /** @param {number} code */
  #closed(code) {
    const wasWelcome = this.#welcome;
    this.#welcome = false;
    this.link.closed(code);
    this.#tick();
    this.#hooks.closed(code, wasWelcome);
  }

  /** @param {any[]} summaries the whole list */
  #listed(summaries) {
    this.model.list(summaries, this.now());
    this.#findAt = this.at() + UNLISTED_AFTER_MS;
    this.#choose();
    if (this.selected) this.#askHistory(this.selected);
    this.render();
  }

  /** @param {any} message */
  #take(message) {
    this.model.take(message, this.now(), this.at());
    if (message.type === "state") return;
    this.#tell(message);
    this.#choose();
    this.render();
  }

  /** @param {any} alert */
  #alert(alert) {
    const isNews = this.model.take(alert, this.now(), this.at());
    this.#cursor = alert.cursor;
    if (!isNews) return;
    const view = this.model.find(alert.session_id);
    const said = {
      severity: named(this.words, "severity", alert.severity), kind: named(this.words, "kind", alert.kind),
      name: view ? nameOf(view.summary) : alert.session_id,
    };
    const step = alert.state === "raised" && alert.ts > alert.raised_ts ? "rises" : alert.state;
    if (["raised", "rises", "escalated"].includes(step)) {
      this.announce.now(this.words.t(`say.alert_${step}`, said));
      // To a place without a deed: whoever was about to close it by a key must not do something else by that.
      if (alert.severity === "critical") this.dialogs.giveWay(byId("alerts-title"));
    }
    this.render();
    this.chime.tick(this.model.alerts.waiting(), this.at());
  }

  /** @param {any} message */
  #tell(message) {
    const view = this.model.find(message.session_id);
    const name = view ? nameOf(view.summary) : message.session_id;
    const key = message.type === "control" ? `say.control_${message.action}` : `say.${message.type}`;
    if (message.type === "applied" && typeof message.stopped_ts !== "number") return;
    if (!this.words.has(key)) return;
    const time = clock(this.words, message.stopped_ts ?? message.ts ?? this.now());
    this.announce.now(this.words.t(key, { name, time, cause: named(this.words, "cause", message.reason) }));
  }

  // within ----------------------------------------------------------------------------------------------------------

  /** With nothing chosen yet, the first session is shown; never is one that somebody looks at replaced. */
  #choose() {
    const first = this.model.sessions[0];
    if (this.selectedId === null && first) this.select(first.id);
  }

  /** @param {SessionView} view */
  async #askHistory(view) {
    if (view.history !== "none" || !this.#watch) return;
    view.history = "asked";
    const { model } = this;
    const answer = await this.#watch.history(view.id, CURVE_S);
    if (answer.ok) model.remember(view, answer.message);
    else view.history = answer.code === "not_connected" || answer.code === "connection_lost" ? "none" : "failed";
    this.render();
  }

  /** @param {number} at */
  async #findUnlisted(at) {
    const { model } = this;
    const view = model.unlisted.sort((a, b) => a.askedAt - b.askedAt)[0];
    if (!view || !this.isLinked || at < this.#findAt) return;
    this.#findAt = at + UNLISTED_EVERY_MS;
    view.askedAt = at;
    const answer = await this.#watch.find(view.id);
    // Any other refusal says that it is not known now.
    if (answer.ok) model.found(view, answer.message.sessions[0] ?? null, this.now());
    else if (answer.code === "unknown_session") model.found(view, null, this.now());
    this.render();
  }

  #tick() {
    const at = this.at();
    if (this.#watch) this.link.look(this.#watch.silentForMs, at);
    if (this.#wasLive !== this.isLinked) {
      this.#wasLive = this.isLinked;
      if (this.link.heardAt !== null) this.announce.now(this.words.t(this.isLinked ? "say.live" : "say.lost"));
    }
    const view = this.selected;
    if (view && this.isLinked && !view.isOver && !document.hidden && at - this.#attendedAt >= ATTEND_EVERY_MS) {
      this.#attendedAt = at;
      this.#watch.attend(view.id);
    }
    this.announce.tick();
    this.render();
    this.#findUnlisted(at);
    // Last: a sound that fails keeps nothing from being seen or said.
    this.chime.tick(this.model.alerts.waiting(), at);
  }
}

/** The service's own socket, beside this page, whatever prefix a proxy has put before both. */
function socketUrl() {
  const url = new URL("v1/watch", new URL(".", location.href));
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.hash = url.search = "";
  return url.href;
}
