/**
 * In: what the service says of a session, and what its page does. Out: events that an engine can obey without a thought:
 * `pause` means at rest, `resume` means that it may move again, and there is no other way to move again.
 *
 * The stimulus may move only while nothing holds it: neither the service's pause nor one of this page's own (the stop
 * that was pressed, the connection that was lost, the page that was hidden). What this page holds is let go by a
 * `control.resume` that is newer than the hold, never by a timer, a reconnect or an older message that was on its way.
 */

import { pageClock } from "./clock.js";
import { endsSession } from "./closing.js";
import { Connection } from "./connection.js";
import { Control } from "./control.js";
import { Emitter } from "./emitter.js";
import { isHidden, watchPage } from "./page.js";
import { SourcePort } from "./source_port.js";

/** @typedef {import("./questions.js").Answer} Answer */

/** Answers after which a set that was told may run for the service all the same. */
const MAY_RUN = new Set(["no_answer", "connection_lost", "closed"]);

/**
 * Opens a session at once; what it tells comes as events, the first one after this function has returned.
 * @param {any} options see `ConnectOptions` in index.d.ts
 */
export function connect(options) {
  const session = new Session(options);
  session.open();
  return session;
}

export class Session extends Emitter {
  #options;
  #clock;
  #connection;
  #control;
  #port;
  /** @type {string | null} */
  #signal = null;
  #baseline = "learning";
  /** @type {Record<string, any>} */
  #config = {};
  #thresholds = null;
  /** @type {string | null} */
  #phase = null;
  #setNo = 0;
  #inSet = false;
  /** Why the service did not take the set that this page is in. @type {Answer | null} */
  #untaken = null;
  #ended = false;
  /** What it takes to come back, once there was a welcome.
   * @type {{session_id: string, resume_token: string} | null} */
  #claim = null;
  #told = "";
  #unwatch = () => {};

  /** @param {any} options */
  constructor(options) {
    super();
    this.#options = { onHidden: "set", resultRateHz: 10, ...options };
    this.#clock = options.clock ?? pageClock();
    this.#phase = options.phase ?? null;
    this.#connection = new Connection(options, {
      hello: (token) => this.#hello(token),
      welcome: (message) => this.#welcome(message),
      message: (message) => this.#hear(message),
      lost: (why) => this.#lost(why),
      closed: (end) => this.#closed(end),
      problem: (problem) => this.emit("error", problem),
    });
    this.#control = new Control(this.#clock, {
      send: (message) => this.#connection.send(message),
      pause: (pause) => { this.#inSet = false; this.#untaken = null; this.emit("pause", pause); },
      resume: (resume) => this.emit("resume", resume),
    });
    this.#port = new SourcePort(options.source, this, this.#connection);
  }

  open() {
    const visible = () => { this.check(); this.emit("visibility", { hidden: false }); };
    this.#unwatch = watchPage({ hidden: () => this.#hidden(), visible });
    this.#connection.open();
  }

  // what is the case ------------------------------------------------------------------------------------------------

  /** `detached` before the first welcome and while the connection is lost. */
  get status() {
    if (this.#ended) return "ended";
    if (!this.connected) return "detached";
    return this.paused ? "paused" : "running";
  }

  get connected() {
    return this.#connection.isOpen;
  }

  /** Whether the stimulus must be at rest. */
  get paused() {
    return !this.connected || this.#control.held;
  }

  get sessionId() {
    return this.#claim?.session_id ?? null;
  }

  /** The stimulation's settings as they stand (SessionConfig). */
  get config() {
    return { ...this.#config };
  }

  get thresholds() {
    return this.#thresholds;
  }

  get phase() {
    return this.#phase;
  }

  get setNo() {
    return this.#setNo;
  }

  /** `client` or `therapist` while the service's pause stands, else null. */
  get resumeRequires() {
    return this.#control.resumeRequires;
  }

  /** What this client may send: `welcome.limits`, with the `fps` of the newest `limits` message. */
  get limits() {
    return this.#port.limits;
  }

  get silentForMs() {
    return this.#connection.silentForMs;
  }

  /** The service's wall clock now, milliseconds since 1970. */
  serverNow() {
    return this.#connection.offset.now();
  }

  get roundTripMs() {
    return this.#connection.offset.roundTripMs;
  }

  /** Looks whether the service is still heard, and stops if not. Cheap: made to be called at each frame. */
  check() {
    return this.#connection.check();
  }

  // what the client does --------------------------------------------------------------------------------------------

  /**
   * Stops here and now, then tells the service; needs no network.
   * @param {string} [reason]
   */
  stop(reason) {
    if (this.#ended) return;
    this.#control.stop("client_stop", reason);
    this.#tell();
  }

  /** @returns {Promise<Answer>} ok once `control.resume` is there: the event `resume` came before */
  async requestResume() {
    return this.#control.requestResume(this.#connection.questions);
  }

  /**
   * @param {number | null | undefined} controlEpoch as in the `pause`; null after a local one
   * @param {number} [stoppedTs] when the stimulus came to rest, milliseconds since 1970
   */
  confirmStopped(controlEpoch, stoppedTs = this.#clock.wall()) {
    this.#control.atRest(controlEpoch, stoppedTs);
  }

  /**
   * @param {"begin" | "start" | "end"} action
   * @param {number} [setNo] the next one, or the one that runs
   * @returns {Promise<Answer>}
   */
  async sendSet(action, setNo) {
    const begins = action !== "end";
    // An engine that looks at the page itself may have heard first that it is hidden: its set ends because nobody sees it.
    if (!begins && this.#inSet && this.#options.onHidden !== "never" && isHidden()) {
      this.#stopUnseen();
      return { ok: false, code: "paused", message: "the page is hidden: the stop that was told has ended the set" };
    }
    if (begins && this.paused) {
      return { ok: false, code: "paused", message: "the session is paused: no set can start until it is resumed" };
    }
    const untaken = this.#untaken;
    this.#untaken = null;
    this.#inSet = begins;
    if (untaken && !begins) return untaken; // nothing to end there
    return begins ? this.#begin(setNo ?? this.#setNo + 1) : this.#tellSet("end", setNo ?? this.#setNo);
  }

  /** @param {number} setNo */
  async #begin(setNo) {
    const before = this.#setNo;
    const answer = await this.#tellSet("start", setNo);
    // The page is in it until it says otherwise: whoever hides it meanwhile still stops it.
    if (!answer.ok && !MAY_RUN.has(answer.code) && this.#inSet && this.#setNo === setNo) {
      this.#untaken = answer;
      this.#setNo = before;
    }
    return answer;
  }

  /** @param {"start" | "end"} action @param {number} setNo */
  #tellSet(action, setNo) {
    this.#setNo = setNo;
    return this.#ask({ type: "set", action, set_no: setNo });
  }

  /**
   * @param {{sud?: number | null, voc?: number | null}} ratings SUD 0..10, VoC 1..7
   * @returns {Promise<Answer>} the first refusal, or the last answer
   */
  async rate(ratings) {
    const given = /** @type {const} */ (["sud", "voc"]).filter((scale) => Number.isFinite(ratings[scale]));
    if (!given.length) throw new TypeError("rate: give sud (0..10) or voc (1..7)");
    const answers = await Promise.all(
      given.map((scale) => this.#ask({ type: "rating", scale, value: ratings[scale] })),
    );
    return answers.find((answer) => !answer.ok) ?? answers[answers.length - 1];
  }

  /**
   * @param {string} phase of the EMDR protocol
   * @returns {Promise<Answer>}
   */
  async setPhase(phase) {
    const answer = await this.#ask({ type: "phase", phase });
    if (answer.ok) this.#phase = phase;
    return answer;
  }

  /** Ends the session for good; the event `ended` brings its totals. */
  end() {
    if (!this.#connection.send({ type: "bye" })) this.close();
  }

  /** Leaves without ending the session: it can be resumed elsewhere until its grace time is over. */
  close() {
    this.#connection.close();
  }

  // what the service says -------------------------------------------------------------------------------------------

  /** @param {string} token */
  #hello(token) {
    const options = this.#options;
    const hello = { type: "hello", token, source: options.source?.kind ?? "emotion", result_rate_hz: options.resultRateHz };
    const more = { user: options.user, readiness: options.readiness, context: options.context };
    if (!this.#claim) return { ...hello, ...more, session_id: options.sessionId, config: options.config };
    const { session_id, resume_token } = this.#claim;
    const { epoch, lastSeq } = this.#control;
    return { ...hello, ...more, session_id, resume: { resume_token, epoch, last_seq: lastSeq } };
  }

  /** @param {Record<string, any>} welcome */
  #welcome(welcome) {
    this.#claim = { session_id: welcome.session_id, resume_token: welcome.resume_token };
    this.#config = { ...welcome.snapshot.config };
    this.#thresholds = welcome.thresholds;
    this.#setNo = welcome.snapshot.set_no ?? this.#setNo;
    if (welcome.resumed) this.#phase = welcome.snapshot.phase;
    else if (this.#phase) this.#ask({ type: "phase", phase: this.#phase });
    this.#port.welcome(welcome.limits);
    this.emit("welcome", welcome);
    this.emit("config", { config: this.config, changed: this.config, source: "welcome" });
    this.#control.welcome(welcome);
    this.#tell();
  }

  /** @param {Record<string, any>} message */
  #hear(message) {
    // A higher epoch: the session has a newer owner. A lower one: a former owner that does not know it yet.
    if (!this.#control.takes(message)) return;
    switch (message.type) {
      case "control.pause": case "control.resume": this.#control.hear(message); break;
      case "pattern.adapt": this.#adapt(message); break;
      case "signal": this.#signal = message.status; this.emit("signal", message); break;
      case "result": this.#result(message); break;
      case "limits": this.#port.limited(message); this.emit("limits", this.limits); break;
      case "done": this.#control.done(message.re); break;
      case "ended": this.#over(message); break;
      case "error": this.#control.refused(message); this.emit("error", message); break;
      case "heartbeat": case "pong": break;
      default: this.emit(message.type, message);
    }
    this.#port.heard(message);
    this.#tell();
  }

  /** @param {Record<string, any>} adapt */
  #adapt(adapt) {
    Object.assign(this.#config, adapt.config);
    this.emit("adapt", adapt);
    this.emit("config", { config: this.config, changed: adapt.config, source: "adapt" });
  }

  /** @param {Record<string, any>} result */
  #result(result) {
    if (result.state.label !== "unknown") this.#baseline = "ready";
    this.#signal = result.signal.status;
    this.emit("result", result);
  }

  /** @param {Record<string, any>} ended */
  #over(ended) {
    this.#ended = true;
    this.#control.hold("ended");
    this.emit("ended", ended);
  }

  /** @param {{cause: string, silentForMs: number}} why */
  #lost({ silentForMs }) {
    this.#signal = null;
    this.#control.hold("connection_lost", { silentForMs });
    this.#port.lost();
    this.#tell();
  }

  /** @param {{code: number, reason: string}} end */
  #closed({ code, reason }) {
    this.#unwatch();
    this.#signal = null;
    if (!this.#ended) {
      this.#ended = endsSession(code);
      this.#control.hold(this.#ended ? "ended" : "closed");
    }
    this.#port.stop();
    this.emit("closed", { code, reason });
    this.#tell();
  }

  #hidden() {
    this.check();
    this.emit("visibility", { hidden: isHidden() });
    const policy = this.#options.onHidden;
    // Nobody follows a light that nobody sees. Outside a set nothing moves, and an alert would only wear out.
    if (policy === "always" || (policy === "set" && this.#inSet)) this.#stopUnseen();
  }

  #stopUnseen() {
    this.#control.stop("page_hidden", "page_hidden");
    this.#tell();
  }

  /** @param {Record<string, any>} message */
  #ask(message) {
    return this.#connection.questions.ask(message);
  }

  /** Tells `state` if anything of it has changed. */
  #tell() {
    const state = {
      status: this.status,
      connected: this.connected,
      signal: this.#signal,
      baseline: this.#baseline,
      resumeRequires: this.resumeRequires,
      holds: this.#control.holds,
    };
    const told = JSON.stringify(state);
    if (told === this.#told) return;
    this.#told = told;
    this.emit("state", state);
  }
}
