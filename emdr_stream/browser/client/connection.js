/**
 * In: an address, tokens, and what to say first. Out: a socket that comes back by itself, with its messages in order.
 *
 * It knows nothing of sessions: tokens and their renewal, close codes, backoff, the dead-man switch, the service's
 * clock, questions and their answers. A socket that was given up is never listened to again.
 */

import { Backoff, GOOD_AFTER_MS } from "./backoff.js";
import { pageClock } from "./clock.js";
import { ABNORMAL, comesBack, needsToken, refusesToken } from "./closing.js";
import { codecNamed } from "./codec.js";
import { Deadman } from "./deadman.js";
import { ClockOffset } from "./offset.js";
import { socketAddress, watchPage } from "./page.js";
import { Questions } from "./questions.js";
import { expiryOf, renewIn } from "./token.js";

/** A handshake, a token or a `welcome` that takes longer than this is not waited for. */
const PATIENCE_MS = 8_000;
const PING_EVERY_MS = 10_000;
/** A person who types tokens sets the pace; a program that gives the same bad one each time must not set it. */
const ASK_ANEW_AFTER_MS = 500;
/** After a renewal that has failed. */
const RENEW_AGAIN_MS = 5_000;
/** The service's answers to a token after which another one is needed. */
const OF_NO_USE = new Set(["unauthorized", "forbidden", "token_expired"]);
/** The first few come quickly, so that the clock is known soon. */
const FIRST_PINGS_MS = [0, 300, 1_000, 3_000];

/**
 * @typedef {object} Hooks
 * @property {(token: string) => object} hello what to say first
 * @property {(welcome: Record<string, any>) => void} welcome
 * @property {(message: Record<string, any>) => void} message everything else, in order
 * @property {(why: {cause: string, silentForMs: number, code: number}) => void} lost called at once, before any retry
 * @property {(end: {code: number, reason: string}) => void} closed final: nothing is tried any more
 * @property {(problem: object) => void} problem something to tell: no token, a message that is none
 */

export class Connection {
  /** @type {"idle" | "asking" | "connecting" | "greeting" | "open" | "waiting" | "closed"} */
  state = "idle";
  offset;
  questions;
  #url;
  #getToken;
  #codec;
  #clock;
  #Socket;
  /** @type {Hooks} */
  #hooks;
  #backoff;
  #deadman;
  /** @type {WebSocket | null} */
  #socket = null;
  #try = 0;
  #openedAt = 0;
  #hintMs = 0;
  #refresh = false;
  /** The one that this connection was opened with. */
  #token = "";
  #onBadToken;
  /** Why the service is about to close this connection, as its error has told. @type {string | null} */
  #refusal = null;
  #pings = 0;
  /** @type {{retry: unknown, patience: unknown, renewal: unknown, ping: unknown}} */
  #timers = { retry: null, patience: null, renewal: null, ping: null };
  #unwatch = () => {};

  /**
   * @param {{url: string | URL, getToken: Function, codec?: string, clock?: import("./clock.js").Clock,
   *   random?: () => number, WebSocket?: any, onBadToken?: "close" | "ask"}} options
   * @param {Hooks} hooks
   */
  constructor(options, hooks) {
    if (typeof options.getToken !== "function") throw new TypeError("getToken: a function that gives a token is needed");
    this.#url = socketAddress(options.url);
    this.#getToken = options.getToken;
    this.#codec = codecNamed(options.codec ?? "msgpack");
    this.#clock = options.clock ?? pageClock();
    this.#Socket = options.WebSocket ?? globalThis.WebSocket;
    if (typeof this.#Socket !== "function") throw new TypeError("WebSocket: there is none here; hand one in");
    this.#onBadToken = options.onBadToken ?? "close";
    this.#hooks = hooks;
    this.#backoff = new Backoff(options.random);
    this.offset = new ClockOffset(this.#clock);
    this.questions = new Questions(this.#clock, (message) => this.send(message));
    this.#deadman = new Deadman(this.#clock, (silentForMs) => this.#giveUp("connection_lost", ABNORMAL, silentForMs));
  }

  get isOpen() {
    return this.state === "open";
  }

  get silentForMs() {
    return this.#openedAt ? this.#deadman.silentForMs : Infinity;
  }

  /** Bytes that have not left yet. */
  get backlogBytes() {
    return this.#socket?.bufferedAmount ?? 0;
  }

  /** Looks whether the service is still heard; false when the dead-man switch has acted. */
  check() {
    return this.#deadman.check();
  }

  open() {
    if (this.state !== "idle") return;
    const now = () => { this.check(); if (this.state === "waiting") this.#connect(); };
    this.#unwatch = watchPage({ visible: now, online: now });
    this.#connect();
  }

  /**
   * @param {object} message
   * @returns {boolean} false when it cannot go now; nothing is kept for later
   */
  send(message) {
    return this.isOpen && this.#write(message);
  }

  /**
   * Says goodbye and tries no more.
   * @param {string} [reason]
   */
  close(reason = "") {
    if (this.state === "closed") return;
    this.#end(1000, reason);
  }

  // connecting ------------------------------------------------------------------------------------------------------

  async #connect() {
    this.#clock.clearTimeout(this.#timers.retry);
    const attempt = (this.#try += 1);
    this.state = "asking";
    this.#timers.patience = this.#clock.setTimeout(() => this.#giveUp("no_answer", ABNORMAL), PATIENCE_MS);
    let token;
    try {
      token = await this.#getToken({ refresh: this.#refresh });
      if (typeof token !== "string" || !token) throw new TypeError("getToken gave no text");
    } catch (problem) {
      if (attempt !== this.#try) return;
      this.#hooks.problem({ code: "no_token", message: String(problem), retryable: true, fatal: false });
      this.#giveUp("no_token", ABNORMAL);
      return;
    }
    this.#refresh = false; // also when it came too late for this try, as a person is slow: the next one has it
    if (attempt !== this.#try) {
      this.#cameLate(attempt);
      return;
    }
    try {
      this.#dial(token);
    } catch (problem) {
      // The page may not connect there at all: its content security policy, or a plain socket on a secure page.
      this.#end(1008, String(problem));
    }
  }

  /**
   * A token for a try that was given up. Where nothing was tried since, whoever was slow has waited long enough.
   * @param {number} attempt
   */
  #cameLate(attempt) {
    if (this.state === "waiting" && this.#try === attempt + 1) this.#connect();
  }

  /** @param {string} token */
  #dial(token) {
    this.state = "connecting";
    this.#refusal = null;
    const socket = new this.#Socket(this.#url, [this.#codec.subprotocol]);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    const current = () => this.#socket === socket;
    socket.onopen = () => { if (current()) this.#greet(token); };
    socket.onmessage = (/** @type {MessageEvent} */ { data }) => { if (current()) this.#hear(data); };
    socket.onclose = (/** @type {CloseEvent} */ { code, reason }) => { if (current()) this.#closed(code, reason); };
    socket.onerror = () => {}; // a `close` follows, and says more
  }

  /** @param {string} token */
  #greet(token) {
    this.state = "greeting";
    this.#token = token;
    this.#write(this.#hooks.hello(token));
  }

  /** @param {any} data */
  #hear(data) {
    let message;
    try {
      message = this.#codec.decode(data);
    } catch (problem) {
      this.#hooks.problem({ code: "bad_message", message: String(problem), retryable: true, fatal: false });
      this.#giveUp("bad_message", ABNORMAL);
      return;
    }
    if (!this.#deadman.heard()) return;
    if (Number.isFinite(message.server_ts)) this.offset.heard(message.server_ts);
    if (message.type === "welcome" && this.state === "greeting") this.#welcomed(message);
    else this.#handOn(message);
  }

  /** @param {Record<string, any>} message */
  #welcomed(message) {
    this.state = "open";
    this.#clock.clearTimeout(this.#timers.patience);
    this.#openedAt = this.#clock.now();
    this.#hintMs = 0;
    this.#deadman.arm(message.timeout_ms);
    this.#pings = 0;
    this.#pingLater();
    this.#renewLater(this.#token); // not before: the welcome tells the clock by which it ends
    this.#hooks.welcome(message);
  }

  /** @param {Record<string, any>} message */
  #handOn(message) {
    if (message.type === "pong") this.offset.pong(/** @type {any} */ (message));
    if (message.type === "error" && message.fatal) this.#refusal = message.code;
    if (message.type === "error" && message.retry_after_ms) this.#hintMs = message.retry_after_ms;
    this.#hooks.message(message);
    this.questions.answered(message);
  }

  // ending ----------------------------------------------------------------------------------------------------------

  /** @param {number} code @param {string} reason */
  #closed(code, reason) {
    const asksAnew = this.#onBadToken === "ask" && this.#openedAt > 0 && refusesToken(code, this.#refusal);
    if (!asksAnew && !comesBack(code)) {
      this.#end(code, reason);
      return;
    }
    if (asksAnew) {
      this.#backoff.reset();
      this.#hintMs = Math.max(this.#hintMs, ASK_ANEW_AFTER_MS);
    }
    this.#refresh = asksAnew || needsToken(code);
    this.#giveUp("connection_lost", code);
  }

  /**
   * This socket is nothing any more; the next one is tried after a while.
   * @param {string} cause @param {number} code @param {number} [silentForMs]
   */
  #giveUp(cause, code, silentForMs = this.silentForMs) {
    const wasOpen = this.isOpen;
    if (wasOpen && this.#clock.now() - this.#openedAt >= GOOD_AFTER_MS) this.#backoff.reset();
    this.#drop();
    this.state = "waiting";
    this.#timers.retry = this.#clock.setTimeout(() => this.#connect(), this.#backoff.next(this.#hintMs));
    this.#hintMs = 0;
    if (wasOpen) this.#hooks.lost({ cause, silentForMs, code });
    this.questions.abandon("connection_lost");
  }

  /** @param {number} code @param {string} reason */
  #end(code, reason) {
    this.#drop();
    this.#clock.clearTimeout(this.#timers.retry);
    this.#unwatch();
    this.state = "closed";
    this.#hooks.closed({ code, reason });
    this.questions.abandon("closed");
  }

  #drop() {
    this.#try += 1;
    for (const name of /** @type {const} */ (["patience", "renewal", "ping"])) {
      this.#clock.clearTimeout(this.#timers[name]);
    }
    this.#deadman.disarm();
    this.offset.forget();
    const socket = this.#socket;
    this.#socket = null;
    try {
      socket?.close(1000);
    } catch {
      // It never opened, or is closed already.
    }
  }

  // on the way ------------------------------------------------------------------------------------------------------

  /** @param {object} message */
  #write(message) {
    if (this.#socket?.readyState !== 1) return false;
    this.#socket.send(this.#codec.encode(message));
    return true;
  }

  #pingLater() {
    const wait = FIRST_PINGS_MS[this.#pings] ?? PING_EVERY_MS;
    this.#pings += 1;
    this.#timers.ping = this.#clock.setTimeout(() => {
      this.send({ type: "ping", t0: this.#clock.now() });
      this.#pingLater();
    }, wait);
  }

  /** @param {string} token */
  #renewLater(token) {
    const expiry = expiryOf(token);
    if (expiry === null) return;
    this.#clock.clearTimeout(this.#timers.renewal);
    const wait = renewIn(expiry - this.offset.now());
    this.#timers.renewal = this.#clock.setTimeout(() => this.#renew(), wait);
  }

  /** @param {string | null} [given] one that the service has not answered yet */
  async #renew(given = null) {
    const attempt = this.#try;
    try {
      const token = given ?? (await this.#getToken({ refresh: true }));
      this.#refresh = false;
      if (attempt !== this.#try && !this.isOpen) return; // the next connection begins with it
      const answer = await this.questions.ask({ type: "auth", token });
      if (answer.ok) this.#renewLater(token);
      else this.#renewAgain(attempt, OF_NO_USE.has(answer.code) ? null : token);
    } catch (problem) {
      if (attempt !== this.#try) return;
      this.#hooks.problem({ code: "no_token", message: String(problem), retryable: true, fatal: false });
      this.#renewAgain(attempt, null);
    }
  }

  /** @param {number} attempt @param {string | null} token */
  #renewAgain(attempt, token) {
    if (attempt !== this.#try || !this.isOpen) return;
    this.#timers.renewal = this.#clock.setTimeout(() => this.#renew(token), RENEW_AGAIN_MS);
  }
}
