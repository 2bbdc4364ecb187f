/**
 * In: seconds since a card was opened. Out: what the card says and shows then: a breath, or a step of 5-4-3-2-1.
 *
 * Nothing here flashes: a breath is one slow swell. Words are the page's; these are the keys to them.
 */

const { PI, cos, floor } = Math;

/**
 * Seconds of each part of a breath, in turn. `paced`: the longer breath out that calms.
 * @type {Readonly<Record<"box" | "paced", readonly (readonly ["in" | "hold" | "out" | "rest", number])[]>>}
 */
export const BREATHS = Object.freeze({
  box: [["in", 4], ["hold", 4], ["out", 4], ["rest", 4]],
  paced: [["in", 4], ["out", 6]],
});

const FULL = { in: [0, 1], hold: [1, 1], out: [1, 0], rest: [0, 0] };

/**
 * @param {"box" | "paced"} kind @param {number} seconds since the first breath began
 * @returns {{part: string, secondsLeft: number, fullness: number, breath: number}} fullness: 0 empty to 1 full;
 * breath: how many were completed
 */
export function breathAt(kind, seconds) {
  const parts = BREATHS[kind];
  const length = parts.reduce((sum, [, long]) => sum + long, 0);
  const breath = floor(seconds / length);
  let within = seconds - breath * length;
  for (const [part, long] of parts) {
    if (within < long) {
      const [from, to] = FULL[part];
      const way = 0.5 - 0.5 * cos((PI * within) / long);
      return { part, secondsLeft: Math.ceil(long - within), fullness: from + (to - from) * way, breath };
    }
    within -= long;
  }
  return { part: parts[0][0], secondsLeft: parts[0][1], fullness: 0, breath: breath + 1 };
}

/** Five things to see, four to feel, three to hear, two to smell, one to taste: each step waits for the person. */
export const GROUNDING = Object.freeze([
  { count: 5, sense: "see" },
  { count: 4, sense: "feel" },
  { count: 3, sense: "hear" },
  { count: 2, sense: "smell" },
  { count: 1, sense: "taste" },
]);

/**
 * Which card suits an intervention of the service. Only a person calls an emergency contact, so that kind, told to a
 * client, is grounding.
 * @param {{type?: string, priority?: string} | null} intervention
 * @returns {"grounding" | "paced" | "box"}
 */
export function cardFor(intervention) {
  if (intervention?.type !== "breathing") return "grounding";
  return intervention.priority === "high" || intervention.priority === "critical" ? "box" : "paced";
}
