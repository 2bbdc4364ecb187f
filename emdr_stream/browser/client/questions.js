/** In: messages that want an answer, and everything that is heard. Out: promises that always hold, and never reject. */

/**
 * @typedef {{ok: true, message: Record<string, any>} | {ok: false, code: string, message: string}} Answer
 */

/** The service answers at once or not at all. */
const PATIENCE_MS = 10_000;

export class Questions {
  #clock;
  #send;
  #next = 0;
  /** @type {Map<number, {settle: (answer: Answer) => void, timer: unknown}>} */
  #open = new Map();

  /**
   * @param {import("./clock.js").Clock} clock
   * @param {(message: object) => boolean} send
   */
  constructor(clock, send) {
    this.#clock = clock;
    this.#send = send;
  }

  /** An `id` that no other message of this connection has. */
  nextId() {
    return (this.#next += 1);
  }

  /**
   * @param {Record<string, any>} message
   * @param {number} [id] one of `nextId`, for who must know it before the answer comes
   * @returns {Promise<Answer>}
   */
  ask(message, id = this.nextId()) {
    return new Promise((settle) => {
      if (!this.#send({ ...message, id })) {
        settle({ ok: false, code: "not_connected", message: "there is no connection now" });
        return;
      }
      const late = () => this.#settle(id, { ok: false, code: "no_answer", message: "the service did not answer" });
      this.#open.set(id, { settle, timer: this.#clock.setTimeout(late, PATIENCE_MS) });
    });
  }

  /** @param {Record<string, any>} message */
  answered(message) {
    if (typeof message.re !== "number" || !this.#open.has(message.re)) return;
    if (message.type === "error") this.#settle(message.re, { ok: false, code: message.code, message: message.message });
    else this.#settle(message.re, { ok: true, message });
  }

  /**
   * A question that an unnumbered message has answered, or nobody will.
   * @param {string} code
   */
  abandon(code) {
    for (const id of [...this.#open.keys()]) {
      this.#settle(id, { ok: false, code, message: "there was no answer before the connection ended" });
    }
  }

  /** @param {number} id @param {Answer} answer */
  #settle(id, answer) {
    const question = this.#open.get(id);
    if (!question) return;
    this.#open.delete(id);
    this.#clock.clearTimeout(question.timer);
    question.settle(answer);
  }
}
