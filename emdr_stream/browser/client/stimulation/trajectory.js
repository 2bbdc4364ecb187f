/**
 * In: the allowed stimulus, and how far to go on. Out: the target's place at each time, and what happens on the way.
 *
 * The phase is a sum of small steps, never elapsed time times speed: a change of speed bends the curve and cannot break
 * it. Steps have a fixed length on one clock, so the picture's frame rate changes nothing, and whoever needs to know what
 * is going to happen (sound, which must be ordered ahead) goes on a little further than what is shown now.
 *
 * Three things move the target: the phase, a blend from one path to another, and a change of width. Whatever they add up
 * to in a step, the target goes no further than its pace allows: then all three are slowed alike, and catch up in time.
 */

import { peakRate, place } from "./paths.js";

const { PI, abs, ceil, floor, hypot, max, min } = Math;

const CYCLE = 2 * PI;
export const STEP_S = 0.004;
const KEPT_STEPS = 512; // two seconds of places: more than anybody looks back
const BLEND_S = 1.2;
const WIDEN_S = 1;
const EASE_S = 1;
const LONGEST_EASE_S = 2; // the service waits three seconds for this kind of rest
const LAST_STRETCH = CYCLE / 8; // of a last pass, in which the target comes to rest
const ROUNDING = 1e-9; // radians: what sums of steps are off by
const SLOWEST_END = 0.4; // of its speed: a last pass takes at most 0.08 passes longer than another

const smooth = (part) => part * part * (3 - 2 * part);
const lerp = (from, to, part) => from + (to - from) * part;

/** A value on its way from one to another; `part` goes from 0 to 1. */
class Glide {
  constructor(value) {
    this.from = this.to = value;
    this.part = 1;
    this.duration = 1;
  }
  begin(to, duration) {
    this.from = this.at(0);
    this.to = to;
    this.part = 0;
    this.duration = duration;
  }
  /** The value when `seconds` more have been made of the way. */
  at(seconds) {
    return lerp(this.from, this.to, smooth(min(1, this.part + seconds / this.duration)));
  }
  go(seconds) {
    this.part = min(1, this.part + seconds / this.duration);
  }
  /** The largest value from the beginning of the way to its end. */
  get largest() {
    return this.part < 1 ? max(this.from, this.to) : this.to;
  }
}

/**
 * @typedef {{time: number, kind: "edge", side: "left" | "right"} | {time: number, kind: "midline"}
 *   | {time: number, kind: "pass", pass: number} | {time: number, kind: "rest"}} Happening
 */

export class Trajectory {
  /** @param {{time?: number, seed?: number}} [begin] time in seconds on the one clock */
  constructor({ time = 0, seed = 1 } = {}) {
    this.seed = seed;
    this.origin = time;
    this.steps = 0;
    this.phase = 0;
    this.rate = 0; // cycles a second now
    this.wantedRate = 1;
    this.rateSlope = 1; // cycles a second, each second
    this.amplitude = new Glide(0);
    this.widthWished = 12;
    this.paths = { from: new Map([["horizontal", 1]]), to: "horizontal", part: 1 };
    this.offset = { x: 0, y: 0, left: new Glide(0) };
    this.moving = false;
    this.ease = null; // {since: time, rate} while easing to the centre
    this.lastPass = Infinity;
    this.track = new Float64Array(KEPT_STEPS * 2);
    /** @type {Happening[]} in order of time, to be taken by the owner */
    this.happenings = [];
    this.#keep(0, 0);
  }

  /** The time up to which the target's way is known. */
  get frontier() {
    return this.origin + this.steps * STEP_S;
  }

  /**
   * What holds from the frontier on; the first call, and each while at rest, takes effect without a ramp.
   * @param {{pattern: string, speedHz: number, amplitudeDeg: number}} stimulus @param {number} rampS of the speed
   */
  steer({ pattern, speedHz, amplitudeDeg }, rampS = 1) {
    this.wantedRate = speedHz;
    this.rateSlope = abs(speedHz - this.rate) / max(rampS, STEP_S);
    if (pattern !== this.paths.to) this.paths = { from: this.#weights(0), to: pattern, part: 0 };
    if (!this.moving) {
      this.rate = speedHz;
      this.paths.part = 1;
    } else if (amplitudeDeg !== this.widthWished && !this.ease) this.amplitude.begin(amplitudeDeg, WIDEN_S);
    this.widthWished = amplitudeDeg;
  }

  /** Begin to move, from wherever the target rests, at the first pass. */
  start() {
    const [x, y] = this.#last();
    this.offset = { x, y, left: new Glide(1) };
    this.offset.left.begin(0, WIDEN_S);
    this.phase = 0;
    this.rate = this.wantedRate;
    this.paths.part = 1;
    this.amplitude = new Glide(0);
    this.amplitude.begin(this.widthWished, WIDEN_S);
    this.ease = null;
    this.lastPass = Infinity;
    this.moving = true;
  }

  /** The pass after which the target rests; the present one if it is named no later. */
  finishAfter(pass = 0) {
    this.lastPass = max(pass, floor((this.phase + ROUNDING) / CYCLE) + 1);
  }

  /** To the centre, without haste. */
  easeToCentre() {
    if (!this.moving || this.ease) return;
    this.ease = { since: this.frontier, rate: this.rate };
    this.amplitude.begin(0, EASE_S);
  }

  /** At rest where the target is at `time`: what was foreseen for later does not happen. */
  freeze(time) {
    this.advanceTo(time);
    const [x, y] = this.at(time);
    this.steps = max(floor((time - this.origin) / STEP_S), 0);
    this.origin = time - this.steps * STEP_S; // the frontier is this very moment
    this.happenings = this.happenings.filter((happening) => happening.time <= time);
    this.#restAt(x, y);
    this.#keep(x, y);
  }

  /** @param {number} time seconds; not further back than two seconds @returns {[number, number]} degrees, y downwards */
  at(time) {
    const steps = min(this.steps, max(0, this.steps - KEPT_STEPS + 1, (time - this.origin) / STEP_S));
    const before = floor(steps);
    const [x0, y0] = this.#kept(before);
    const [x1, y1] = this.#kept(min(this.steps, before + 1));
    return [lerp(x0, x1, steps - before), lerp(y0, y1, steps - before)];
  }

  /** Go on until the frontier has reached `time`. */
  advanceTo(time) {
    const goal = ceil((time - this.origin) / STEP_S - 1e-9);
    while (this.steps < goal) this.#step();
  }

  /** The pace now: how fast the target may go at most, degrees a second. */
  get pace() {
    if (!this.moving) return 0;
    const steepest = max(...[...this.#weights(0).keys()].map(peakRate));
    const width = max(this.amplitude.largest, this.#offsetLength());
    return CYCLE * (this.ease ? this.ease.rate : this.rate) * width * steepest;
  }

  #step() {
    if (!this.moving) {
      const [x, y] = this.#last();
      this.steps += 1;
      this.#keep(x, y);
      return;
    }
    this.#changeRate();
    const turn = CYCLE * this.#rateNow() * STEP_S;
    const part = this.#allowedPart(turn);
    const before = this.phase;
    this.phase += this.#toLastPass(turn * part);
    this.amplitude.go(STEP_S * part);
    this.offset.left.go(STEP_S * part);
    this.paths.part = min(1, this.paths.part + (STEP_S * part) / BLEND_S);
    const [x, y] = this.#placed(this.phase, 0);
    this.#tell(before, this.phase);
    this.steps += 1;
    this.#keep(x, y);
    this.#maybeRest(x, y);
  }

  #changeRate() {
    const most = this.rateSlope * STEP_S;
    this.rate += max(-most, min(most, this.wantedRate - this.rate));
  }

  #rateNow() {
    if (this.ease) return this.ease.rate * (1 - smooth(this.amplitude.part));
    const left = CYCLE * this.lastPass - this.phase;
    return left < LAST_STRETCH ? this.rate * max(SLOWEST_END, (left / LAST_STRETCH) ** 0.5) : this.rate;
  }

  #toLastPass(turn) {
    return min(turn, CYCLE * this.lastPass - this.phase);
  }

  /** The part of a step, 0 to 1, that keeps the target within its pace. */
  #allowedPart(turn) {
    const [x, y] = this.#last();
    const most = this.pace * STEP_S;
    let least = 0;
    let part = 1;
    for (let tries = 0; tries < 12; tries += 1) {
      const [x1, y1] = this.#placed(this.phase + this.#toLastPass(turn * part), STEP_S * part);
      const far = hypot(x1 - x, y1 - y);
      if (far <= most) {
        if (part === 1 || far > 0.9 * most) return part;
        least = part;
        part = min(1, (part * most) / far, 2 * part);
      } else part = max(least, 0.99 * part * (most / far));
    }
    return least;
  }

  #placed(phase, seconds) {
    let x = 0, y = 0;
    for (const [pattern, weight] of this.#weights(seconds)) {
      const [px, py] = place(pattern, phase, this.seed);
      x += weight * px;
      y += weight * py;
    }
    const width = this.amplitude.at(seconds);
    const left = this.offset.left.at(seconds);
    return [width * x + left * this.offset.x, width * y + left * this.offset.y];
  }

  #weights(seconds) {
    const { from, to, part } = this.paths;
    const blended = smooth(min(1, part + seconds / BLEND_S));
    if (blended >= 1) return new Map([[to, 1]]);
    const weights = new Map();
    for (const [pattern, weight] of from) weights.set(pattern, weight * (1 - blended));
    return weights.set(to, (weights.get(to) ?? 0) + blended);
  }

  #offsetLength() {
    return hypot(this.offset.x, this.offset.y) * (this.offset.left.part < 1 ? 1 : 0);
  }

  #tell(before, after) {
    const quarter = PI / 2;
    for (let n = floor((before + ROUNDING) / quarter) + 1; n * quarter <= after + ROUNDING; n += 1) {
      const time = this.frontier + (STEP_S * (n * quarter - before)) / max(after - before, 1e-12);
      if (n % 2 === 1) this.happenings.push({ time, kind: "edge", side: n % 4 === 1 ? "right" : "left" });
      else this.happenings.push({ time, kind: "midline" });
      if (n % 4 === 0) this.happenings.push({ time, kind: "pass", pass: n / 4 });
    }
  }

  #maybeRest(x, y) {
    const eased = this.ease && (this.amplitude.part >= 1 || this.frontier - this.ease.since >= LONGEST_EASE_S);
    if (!eased && this.phase < CYCLE * this.lastPass - ROUNDING) return;
    this.happenings.push({ time: this.frontier, kind: "rest" });
    this.#restAt(x, y);
  }

  #restAt(x, y) {
    this.moving = false;
    this.ease = null;
    this.lastPass = Infinity;
    this.amplitude = new Glide(0);
    this.offset = { x, y, left: new Glide(1) };
  }

  #keep(x, y) {
    const slot = (this.steps % KEPT_STEPS) * 2;
    this.track[slot] = x;
    this.track[slot + 1] = y;
  }

  #kept(step) {
    const slot = (step % KEPT_STEPS) * 2;
    return [this.track[slot], this.track[slot + 1]];
  }

  #last() {
    return this.#kept(this.steps);
  }
}
