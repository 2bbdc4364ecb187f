/** In: where the session and the light are. Out: which view the client sees, and what can be done in it. Pure. */

/** Reasons of a pause that have words of their own; any other is told without a reason. */
export const TOLD_CAUSES = Object.freeze([
  "client_stop", "crisis", "dissociation", "signal_lost", "many_faces", "degraded", "client_disconnected", "therapist",
  "page_hidden",
]);

/** Close codes that say why a page is not let in; the others only say that it is not. */
const REFUSALS = { 4409: "replaced", 4504: "over", 4508: "hello", 4500: "ticket", 4503: "ticket" };

/**
 * @typedef {object} Situation
 * @property {boolean} ended @property {number | null} closedWith a final close code
 * @property {string | null} refusedFor the code of the newest error that ended a connection
 * @property {boolean} welcomed whether the session has ever been connected @property {boolean} connected
 * @property {boolean} paused @property {string | null} cause @property {"client" | "therapist" | null} resumeRequires
 * @property {"rest" | "moving" | "ending"} light @property {boolean} rating whether a rating is due
 */

/**
 * @param {Situation} now
 * @returns {{view: "ended" | "refused" | "connecting" | "lost" | "paused" | "moving" | "rating" | "ready", why?: string,
 *   mayGoOn?: boolean}}
 */
export function viewOf(now) {
  if (now.ended) return { view: "ended" };
  if (now.closedWith !== null) return { view: "refused", why: whyRefused(now) };
  if (!now.welcomed) return now.refusedFor === "overloaded" ? { view: "connecting", why: "full" } : { view: "connecting" };
  if (!now.connected) return { view: "lost" };
  // A pause that lets the light come to rest shows it until then: the eyes follow it to its end.
  if (now.paused && now.light !== "ending") {
    const why = TOLD_CAUSES.includes(now.cause ?? "") ? now.cause : "unknown";
    return { view: "paused", why, mayGoOn: now.resumeRequires !== "therapist" };
  }
  if (now.light !== "rest") return { view: "moving" };
  return { view: now.rating ? "rating" : "ready" };
}

/** A session that lives elsewhere is closed to this page like one that a code does not fit; the error tells them apart. */
function whyRefused({ closedWith, refusedFor }) {
  return closedWith === 4503 && refusedFor === "resume_denied" ? "open" : (REFUSALS[closedWith] ?? "unknown");
}

/**
 * What a pause is put down to: the service's word outweighs the page's own, which came first and knows less. Only of the
 * person's own stop the page knows more than a service which hears of it after it has missed the connection.
 */
export function causeAfter(before, pause) {
  if (!pause.local) return before === "client_stop" && pause.cause === "client_disconnected" ? before : pause.cause;
  return before === null || before === "connection_lost" ? pause.cause : before;
}

/**
 * Which ratings are due after a set: the disturbance while a memory is worked on, how true the good sentence feels while
 * it is installed, both where nobody has told the phase.
 * @param {string | null} phase @returns {("sud" | "voc")[]}
 */
export function ratingsDue(phase) {
  if (phase === "installation") return ["voc"];
  if (phase === "desensitization" || phase === "assessment") return ["sud"];
  return phase === null ? ["sud", "voc"] : [];
}
