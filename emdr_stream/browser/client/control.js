/**
 * In: control messages, welcomes, and what this page does by itself. Out: pauses and resumes in their true order, and
 * their confirmations.
 *
 * Three counters decide what is newer: `epoch` (the session's owner), `seq` (durable messages), `control_epoch` (control
 * messages). What is older than something known changes nothing.
 */

/**
 * @typedef {object} Pause
 * @property {boolean} local made here, without the service
 * @property {string} cause `client_stop`, `connection_lost`, `page_hidden`, `closed`, or the service's reason
 * @property {string} mode how to come to rest: `hard`, `finish_pass` or `ease_to_center`
 * @property {number | null} controlEpoch
 * @property {string | null} resumeRequires
 */

export class Control {
  epoch = 0;
  lastSeq = 0;
  #clock;
  #outlets;
  #controlEpoch = 0;
  /** @type {Record<string, any> | null} the service's pause as it stands */
  #pause = null;
  /** Why this page itself holds the stimulus. @type {Set<string>} */
  #holds = new Set();
  /** The client's stop, until the service has said that it knows. @type {{reason: string, id: string | null} | null} */
  #untold = null;
  #stops = 0;
  /** Who waits for a resume. @type {Set<(answer: import("./questions.js").Answer) => void>} */
  #askers = new Set();
  /** @type {number | null} when the stimulus came to rest, as told by the engine */
  #restTs = null;

  /**
   * @param {import("./clock.js").Clock} clock
   * @param {{send: (message: object) => boolean, pause: (pause: Pause) => void, resume: (resume: object) => void}} outlets
   */
  constructor(clock, outlets) {
    this.#clock = clock;
    this.#outlets = outlets;
  }

  get held() {
    return this.#pause !== null || this.#holds.size > 0;
  }

  /** What this page itself holds, in the order in which it began. */
  get holds() {
    return [...this.#holds];
  }

  get resumeRequires() {
    return this.#pause?.resume_requires ?? null;
  }

  // from here -------------------------------------------------------------------------------------------------------

  /**
   * Stops at once; the service is told now, or when it can be.
   * @param {string} cause
   * @param {string} [reason]
   */
  stop(cause, reason) {
    this.hold(cause);
    this.#untold ??= { reason: reason ?? cause, id: null };
    this.#tellStop();
  }

  /**
   * Holds the stimulus until a newer `control.resume`. Called again it says so again: a second press must stop, too.
   * @param {string} cause
   * @param {object} [more]
   */
  hold(cause, more) {
    this.#holds.add(cause);
    this.#outlets.pause({ local: true, cause, mode: "hard", controlEpoch: null, resumeRequires: this.resumeRequires, ...more });
  }

  #tellStop() {
    const untold = this.#untold;
    if (!untold || untold.id !== null) return;
    const id = `stop-${this.#stops + 1}`;
    if (!this.#outlets.send({ type: "stop", id, reason: untold.reason })) return;
    this.#stops += 1;
    untold.id = id;
  }

  /**
   * The engine says that nothing moves any more.
   * @param {number | null | undefined} controlEpoch @param {number} stoppedTs
   */
  atRest(controlEpoch, stoppedTs) {
    if (!this.held) return;
    this.#restTs = stoppedTs;
    const epoch = controlEpoch ?? (this.#pause ? this.#controlEpoch : null);
    if (epoch !== null) this.#outlets.send({ type: "applied", control_epoch: epoch, stopped_ts: stoppedTs });
  }

  /**
   * @param {import("./questions.js").Questions} questions
   * @returns {Promise<import("./questions.js").Answer>}
   */
  async requestResume(questions) {
    // Held here alone: the service must know of it before it can let go.
    if (!this.#pause && this.#holds.size && !this.#untold) {
      this.#untold = { reason: this.holds[0], id: null };
      this.#tellStop();
    }
    return new Promise((settle) => {
      this.#askers.add(settle);
      // A refusal has the question's id; what grants it is the `control.resume` itself.
      questions.ask({ type: "resume_request" }).then((answer) => { this.#askers.delete(settle); settle(answer); });
    });
  }

  // from the service ------------------------------------------------------------------------------------------------

  /**
   * What was made by a former owner of the session, or was taken before, is dropped; repeats of control are not.
   * @param {Record<string, any>} message
   */
  takes(message) {
    if (Number.isFinite(message.epoch)) {
      if (message.epoch < this.epoch) return false;
      this.epoch = message.epoch;
    }
    if (!Number.isFinite(message.seq)) return true;
    const fresh = message.seq > this.lastSeq;
    this.lastSeq = Math.max(this.lastSeq, message.seq);
    return fresh || Number.isFinite(message.control_epoch);
  }

  /**
   * The state as its owner has it now. It can pause; it never lets go of what this page holds.
   * @param {Record<string, any>} welcome
   */
  welcome({ epoch, seq, resumed, snapshot }) {
    this.epoch = epoch;
    if (!resumed) this.lastSeq = seq;
    this.#controlEpoch = snapshot.control_epoch;
    this.#pause = snapshot.status === "paused" ? snapshot : null;
    if (this.#untold) this.#untold.id = null;
    if (this.#pause) this.#announce(this.#pause, snapshot.control_epoch);
    this.#tellStop();
  }

  /** @param {Record<string, any>} message `control.pause` or `control.resume` */
  hear(message) {
    const { control_epoch: epoch } = message;
    if (epoch < this.#controlEpoch) return;
    if (epoch === this.#controlEpoch) {
      this.#confirm(epoch);
      return;
    }
    this.#controlEpoch = epoch;
    if (message.type === "control.pause") this.#pauseNow(message);
    else this.#resumeNow(message);
  }

  /** @param {Record<string, any>} message */
  #pauseNow(message) {
    this.#pause = message;
    this.#announce(message, message.control_epoch);
  }

  /** @param {Record<string, any>} message */
  #resumeNow(message) {
    this.#pause = null;
    this.#confirm(message.control_epoch);
    // It was on its way when the client pressed stop, or before the service knew: the pause to come is the newer one.
    if (this.#untold) return;
    this.#holds.clear();
    this.#restTs = null;
    this.#outlets.resume({ controlEpoch: message.control_epoch, by: message.by });
    for (const settle of this.#askers) settle({ ok: true, message });
    this.#askers.clear();
  }

  /** @param {Record<string, any>} pause @param {number} controlEpoch */
  #announce(pause, controlEpoch) {
    this.#outlets.pause({
      local: false,
      cause: pause.reason ?? "unknown",
      mode: pause.mode ?? "hard",
      controlEpoch,
      resumeRequires: pause.resume_requires ?? "therapist",
      ...(pause.alert_id === undefined ? {} : { alertId: pause.alert_id }),
    });
    this.#confirm(controlEpoch);
  }

  /** @param {number} controlEpoch */
  #confirm(controlEpoch) {
    const rest = this.#pause && this.#restTs !== null ? { stopped_ts: this.#restTs } : {};
    this.#outlets.send({ type: "applied", control_epoch: controlEpoch, ...rest });
  }

  /** @param {unknown} re The service has taken the stop: whatever it resumes from now on, it resumes knowing of it. */
  done(re) {
    if (this.#untold?.id && this.#untold.id === re) this.#untold = null;
  }

  /** @param {Record<string, any>} error A stop that was refused is said again: nothing may swallow it. */
  refused({ re }) {
    if (this.#untold?.id && this.#untold.id === re) {
      this.#untold.id = null;
      this.#clock.setTimeout(() => this.#tellStop(), 1_000);
    }
  }
}
