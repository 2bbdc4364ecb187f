/**
 * In: whether the person's device asks for less movement, and what they have chosen. Out: how the light may move.
 *
 * A device that asks for less movement is asked about, not overruled: the offer is no movement (sound and touch carry
 * the set) or a slow and small one; the full one is there only for who chooses it by name.
 */

/**
 * @param {boolean} prefersReduced the media query `(prefers-reduced-motion: reduce)`
 * @param {string | null} chosen "full", "gentle", "still" or null: not asked yet
 * @returns {{motion: "full" | "gentle" | "still", ask: boolean, offers: string[]}}
 */
export function motionChoice(prefersReduced, chosen = null) {
  const offers = prefersReduced ? ["still", "gentle", "full"] : ["full", "gentle", "still"];
  if (chosen !== null && offers.includes(chosen)) return { motion: /** @type {any} */ (chosen), ask: false, offers };
  return { motion: prefersReduced ? "still" : "full", ask: prefersReduced, offers };
}

/** The same for a browser window. @param {{matchMedia?: typeof matchMedia}} [view] */
export const prefersReducedMotion = (view = globalThis) =>
  view.matchMedia?.("(prefers-reduced-motion: reduce)").matches ?? false;
