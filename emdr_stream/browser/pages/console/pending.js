/** In: commands that were given and what the service shows since. Out: what is asked, refused, in force, or still waits. */

/** @typedef {"pause" | "resume" | "end" | "config" | "thresholds"} What */
/**
 * @typedef {object} Asked
 * @property {What} what
 * @property {Record<string, any>} wanted
 * @property {number} at the service's clock
 * @property {"asked" | "taken" | "refused"} state asked: not yet answered; taken: the service has it
 * @property {{code: string, message?: string} | null} problem
 */

/** Commands of one session; of each sort the newest one. */
export class Pending {
  /** @type {Map<What, Asked>} */
  #asked = new Map();

  /** @returns {Asked[]} */
  get all() {
    return [...this.#asked.values()];
  }

  /** @param {What} what */
  find(what) {
    return this.#asked.get(what) ?? null;
  }

  /** @param {What} what @param {Record<string, any>} wanted @param {number} at @returns {Asked} */
  ask(what, wanted, at) {
    /** @type {Asked} */
    const asked = { what, wanted, at, state: "asked", problem: null };
    this.#asked.set(what, asked);
    if (what === "pause") this.#asked.delete("resume");
    if (what === "resume") this.#asked.delete("pause");
    return asked;
  }

  /** @param {Asked} asked @param {{ok: boolean, code?: string, message?: any}} answer */
  answered(asked, answer) {
    if (this.#asked.get(asked.what) !== asked) return;
    if (answer.ok) {
      asked.state = "taken";
      return;
    }
    asked.state = "refused";
    asked.problem = { code: answer.code ?? "internal", message: typeof answer.message === "string" ? answer.message : "" };
  }

  /** @param {What} what */
  dismiss(what) {
    this.#asked.delete(what);
  }

  clear() {
    this.#asked.clear();
  }

  /**
   * What shows in a session is pending no more.
   * @param {any} summary
   */
  see(summary) {
    for (const asked of this.all) {
      if (asked.state === "taken" && isDone(asked, summary)) this.#asked.delete(asked.what);
    }
  }
}

/** @param {Asked} asked @param {any} summary */
function isDone({ what, wanted }, summary) {
  if (what === "pause") return summary.pause?.stopped_ts !== undefined || summary.status === "detached";
  if (what === "resume") return summary.status === "running";
  if (what === "end") return summary.status === "ended";
  if (what === "thresholds") return matches(wanted, summary.thresholds);
  return matches(wanted, summary.config);
}

/** @param {Record<string, any>} wanted @param {Record<string, any> | undefined} present */
function matches(wanted, present) {
  return Object.entries(wanted).every(([name, value]) => {
    const now = present?.[name];
    return typeof value === "number" && typeof now === "number" ? Math.abs(value - now) < 1e-6 : value === now;
  });
}
