/** In: what somebody pastes. Out: a token, or in words why it is none; it stays in the memory of this page alone. */

import { claimsOf, clean } from "../shared/token.js";
import { byId, setText, show } from "../shared/dom.js";

/** @typedef {import("../shared/words.js").Words} Words */

const ROLES = new Set(["therapist", "service"]);

export class Gate {
  #words;
  #give;
  /** @type {string | null} */
  #problem = null;

  /** @param {() => Words} words @param {(token: string) => void} give */
  constructor(words, give) {
    this.#words = words;
    this.#give = give;
    byId("gate-form").addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#take(byId("gate-token").value);
    });
  }

  /**
   * @param {string | null} problem a key of the words; null for the first time
   * @param {boolean} [isUrgent] nothing else can be done; else whoever is at work keeps the focus, and the keys
   */
  open(problem, isUrgent = true) {
    this.#problem = problem;
    show(byId("gate"), true);
    this.render();
    if (isUrgent) byId("gate-token").focus();
  }

  close() {
    show(byId("gate"), false);
    byId("gate-token").value = "";
  }

  render() {
    setText(byId("gate-problem"), this.#problem ? this.#words().t(this.#problem) : "");
  }

  /** @param {string} pasted */
  #take(pasted) {
    const token = clean(pasted);
    this.#problem = problemOfToken(token);
    this.render();
    if (this.#problem) byId("gate-token").focus();
    else {
      this.close();
      this.#give(token);
    }
  }
}

/**
 * What is wrong with a token, as far as that shows from here. Whether it has expired does not: this computer's clock may be wrong.
 * @param {string} token
 * @returns {string | null} a key of the words
 */
export function problemOfToken(token) {
  if (!token) return "gate.empty";
  const claims = claimsOf(token);
  if (!claims) return "gate.no_token";
  if (claims.role && !ROLES.has(claims.role)) return "gate.wrong_role";
  return null;
}
