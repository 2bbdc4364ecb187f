/** In: a source and a connection. Out: the source started once, its messages sent when there is room, its end. */

/** More than this waiting to leave means that readings would arrive too late to be of use: they are dropped instead. */
const MOST_BACKLOG_BYTES = 131_072;
const NO_LIMITS = Object.freeze({ fps: 30, message_bytes: 262_144, pixels: [1280, 720], rate_hz: 60 });

export class SourcePort {
  #source;
  #session;
  #connection;
  #started = false;
  #stopped = false;
  /** @type {{fps: number, message_bytes: number, pixels: [number, number], rate_hz: number}} */
  #limits = { ...NO_LIMITS, pixels: [1280, 720] };
  /** Readings that could not leave in time. */
  dropped = 0;

  /**
   * @param {any} source
   * @param {import("./session.js").Session} session
   * @param {import("./connection.js").Connection} connection
   */
  constructor(source, session, connection) {
    if (source && (typeof source.start !== "function" || typeof source.kind !== "string")) {
      throw new TypeError("source: it needs `kind`, `start(send, session)` and `stop()`");
    }
    this.#source = source;
    this.#session = session;
    this.#connection = connection;
  }

  get limits() {
    return { ...this.#limits };
  }

  /** @param {any} limits */
  welcome(limits) {
    this.#limits = { ...this.#limits, ...limits };
    if (this.#started || !this.#source) {
      this.#source?.connected?.();
      return;
    }
    this.#started = true;
    this.#start();
  }

  async #start() {
    try {
      await this.#source.start((/** @type {any} */ message) => this.#send(message), this.#session);
    } catch (problem) {
      this.#session.emit("error", { code: "source_failed", message: String(problem), retryable: false, fatal: false });
    }
  }

  /** @param {Record<string, any>} limits */
  limited({ fps }) {
    if (Number.isFinite(fps)) this.#limits.fps = fps;
  }

  /** @param {Record<string, any>} message */
  heard(message) {
    if (message.re !== undefined) this.#source?.answered?.(message);
  }

  lost() {
    if (this.#started) this.#source?.disconnected?.();
  }

  stop() {
    if (!this.#started || this.#stopped) return;
    this.#stopped = true;
    this.#source?.stop();
  }

  /**
   * @param {Record<string, any>} message without `id`
   * @returns {number} its id, 0 when it was dropped
   */
  #send(message) {
    if (this.#stopped || this.#connection.backlogBytes > MOST_BACKLOG_BYTES) {
      this.dropped += 1;
      return 0;
    }
    const id = this.#connection.questions.nextId();
    return this.#connection.send({ ...message, id }) ? id : 0;
  }
}
