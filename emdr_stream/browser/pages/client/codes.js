/** In: codes as they are pasted, what the library asks and what the service refuses. Out: a code, and whether another is needed. */

import { TokenKeeper, claimsOf, clean, isForOther } from "../shared/token.js";
import { problemOfTicket } from "./start.js";

/**
 * `soon`: the one in use runs out; `refused`: the newer one was not taken, and the one before it still holds; `over`: nothing
 * goes on without another one; `over_refused`: as `over`, and the last one was not taken.
 * @typedef {"soon" | "refused" | "over" | "over_refused"} Need
 */

export class Codes {
  /** @type {Need | null} */
  need = null;
  #keeper;
  #changed;
  /** The one that a newer one has replaced, as long as it may still hold. @type {string | null} */
  #before = null;
  #isOver = false;

  /** @param {string | null} given @param {(need: Need | null) => void} changed */
  constructor(given, changed) {
    this.#keeper = new TokenKeeper(given, () => {});
    this.#changed = changed;
  }

  /** When the one in use runs out, milliseconds since 1970 by the service's clock. @returns {number | null} */
  get untilMs() {
    return claimsOf(this.#keeper.token ?? "")?.expiresMs ?? null;
  }

  /** For the library, which asks in good time. @param {{refresh: boolean}} wish @param {boolean} isConnected */
  get(wish, isConnected) {
    const code = this.#keeper.get(wish);
    if (wish.refresh && this.#keeper.isAsking) {
      if (!isConnected) this.#runOut();
      else this.#become(this.need ?? "soon");
    }
    return code;
  }

  /** The first one, which the steps before the session have looked at. @param {string} code */
  begin(code) {
    this.#keeper.give(code);
  }

  forget() {
    this.#keeper.forget();
  }

  /**
   * A newer one. A mistake that shows from here must not reach the service, which ends the connection for it.
   * @param {string} pasted @returns {string | null} key of what is wrong with it
   */
  renew(pasted) {
    const code = clean(pasted), before = this.#keeper.token;
    const problem = problemOfTicket(pasted) ?? (before !== null && isForOther(code, before) ? "ticket.other" : null);
    if (problem) return problem;
    this.#before = this.#isOver ? null : before;
    this.#isOver = false;
    this.#become(null);
    this.#keeper.give(code);
    return null;
  }

  /** The error with which the service ends a connection. @param {string} error its code */
  refused(error) {
    const before = this.#before;
    if (error === "token_expired" && !this.#outlives(before)) this.#runOut();
    else if (["token_expired", "unauthorized", "forbidden"].includes(error)) {
      this.#before = null;
      if (before !== null) this.#keeper.give(before);
      this.#become(before === null ? "over_refused" : "refused");
    }
  }

  /** Whether an older code holds longer than the newer: one from before was pasted. @param {string | null} before */
  #outlives(before) {
    return before !== null && (claimsOf(before)?.expiresMs ?? 0) > (this.untilMs ?? 0);
  }

  #runOut() {
    this.#isOver = true;
    this.#become(this.need === "refused" || this.need === "over_refused" ? "over_refused" : "over");
  }

  /** @param {Need | null} need */
  #become(need) {
    this.need = need;
    this.#changed(need);
  }
}
