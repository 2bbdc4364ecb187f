/** In: what happens on the target's way, told ahead. Out: which tones to order, each once, each at its own time. */

/** How far ahead sound is ordered: longer than a slow frame, short enough that a change is not felt as late. */
export const AHEAD_S = 0.15;
/** A tone that could only begin this late is left out: late is worse than missing. */
const LATE_S = 0.03;

export class SoundPlan {
  constructor() {
    this.orderedUntil = -Infinity;
  }

  /**
   * @param {readonly import("./trajectory.js").Happening[]} happenings up to the frontier
   * @param {{sound: string, spatial: boolean, intensity: number}} stimulus @param {number} now stimulus time
   * @returns {{time: number, pan: number, loudness: number}[]} pan -1 (left) to 1, loudness 0 to 1
   */
  order(happenings, stimulus, now) {
    const tones = [];
    for (const happening of happenings) {
      if (happening.kind !== "edge" || happening.time <= this.orderedUntil) continue;
      const { time, side } = happening;
      this.orderedUntil = time;
      if (stimulus.sound === "off" || time < now - LATE_S) continue;
      const pan = stimulus.spatial ? (side === "right" ? 0.9 : -0.9) : 0;
      tones.push({ time, pan, loudness: 0.3 + 0.7 * stimulus.intensity });
    }
    return tones;
  }

  /** What was ordered for later than `now` has been called off: it may be ordered anew. */
  callOff(now) {
    this.orderedUntil = Math.min(this.orderedUntil, now);
  }
}

/** The length of a touch in milliseconds. */
export const pulseMs = (intensity) => Math.round(25 + 45 * Math.min(1, Math.max(0, intensity)));
