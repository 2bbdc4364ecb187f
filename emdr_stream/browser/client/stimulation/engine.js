/**
 * In: a canvas, a clock, what the service and the person wish. Out: light, sound and touch on one clock, and their rest.
 *
 * The frame is the only thing that drives it: each reads the clocks, lets the trajectory go on a little further than
 * what is shown, orders the sound of that, and draws. `stop` waits for no frame: it freezes what the last one has shown.
 */

import { Emitter } from "../emitter.js";
import { Light } from "./light.js";
import { DEFAULTS, LIMITS, withinLimits } from "./limits.js";
import { OneClock } from "./one_clock.js";
import { SetPlan } from "./sets.js";
import { Sound } from "./sound.js";
import { AHEAD_S, SoundPlan, pulseMs } from "./sound_plan.js";
import { Trajectory } from "./trajectory.js";
import { VisualAngle } from "./visual_angle.js";
import { wishOf } from "./wish.js";

const CHUNK_S = 0.05; // less than half a pass of the fastest: a set's end is decided pass by pass
const ROUNDING_S = 1e-6; // of the frontier, which steps reach only nearly
const OVERTIME_S = 1; // a last pass that was slowed down meanwhile is not waited for
const STALL_S = 0.25; // a frame that comes later finds the light where it was, not where it would have been
const STILL_S = 1.5; // after which nothing on a resting picture changes any more
const RAMP_MS = 1000;

/**
 * @typedef {object} Options
 * @property {HTMLCanvasElement} canvas
 * @property {() => AudioContext} [audio] made at the first sound, within the gesture that starts a set
 * @property {(ms: number) => unknown} [vibrate] @property {() => number} [now] monotonic milliseconds
 * @property {() => number} [wall] milliseconds since 1970 @property {(callback: (now: number) => void) => number} [frame]
 * @property {Document} [page] when it is hidden, the light stops
 * @property {{distanceCm?: number, pixelsPerCm?: number}} [eye] @property {number} [seed] of the smooth random path
 */

/**
 * Events: `set` {action: "start" | "end", passes, seconds, why}, `pass` {pass, left}, `stopped` {ts, mode},
 * `limited` notes of limits.js, `configured` the stimulus.
 */
export class Stimulation extends Emitter {
  #light;
  #trajectory;
  #clock;
  /** @type {Sound | null} */
  #sound = null;
  #plan = new SoundPlan();
  /** What was granted of all wishes; `stimulus` is what the screen leaves of it. */
  #granted = DEFAULTS;
  /** What happens between what is shown and the frontier. @type {import("./trajectory.js").Happening[]} */
  #ahead = [];
  /** For the end of the pass. @type {{wish: object, rampMs: number}[]} */
  #later = [];
  /** For the next set. @type {object[]} */
  #nextSet = [];
  /** @type {SetPlan | null} */
  #set = null;
  /** How it comes to rest, once it does. @type {string | null} */
  #mode = null;
  /** @type {((ts: number) => void)[]} */
  #waiting = [];
  /** Stimulus time of what the last frame has shown. */
  #shown;
  /** @type {number | null} */
  #frameAt = null;
  #frameMs = 16;
  #changedAt = 0;
  #size = { width: 0, height: 0 };
  #open = true;
  #unhide = () => {};

  /** @param {Options} options */
  constructor(options) {
    super();
    const { canvas, seed = 1, eye = {} } = options;
    const frame = (callback) => requestAnimationFrame(callback);
    this.options = { now: () => performance.now(), wall: () => Date.now(), page: globalThis.document, frame, ...options };
    this.muted = false;
    /** Asked before each set; `attach` lets the session answer. */
    this.mayMove = () => true;
    this.angle = new VisualAngle(eye);
    this.#clock = new OneClock(this.options.now);
    this.#shown = this.#clock.time();
    this.#trajectory = new Trajectory({ time: this.#shown, seed });
    this.#light = new Light(canvas, this.#granted);
    this.stimulus = this.#granted;
    this.stoppedTs = this.options.wall();
    this.#watchPage();
    this.configure({});
    this.options.frame((at) => this.#frame(at));
  }

  /** rest, moving, or ending: on its way to rest. */
  get state() {
    if (!this.#trajectory.moving && this.#set === null) return "rest";
    return this.#mode === null ? "moving" : "ending";
  }

  /** Degrees from the middle of the screen, y downwards, as last shown. */
  position() {
    const [x, y] = this.#trajectory.at(this.#shown);
    return { x, y };
  }

  /** Degrees a second that the target may make at most now. */
  get pace() {
    return this.#trajectory.pace;
  }

  /** Measures of the person's place: distance of the eye, size of the screen's pixels. */
  measure(eye) {
    this.angle = new VisualAngle({ distanceCm: this.angle.distanceCm, pixelsPerCm: this.angle.pixelsPerCm, ...eye });
    this.#apply({}, RAMP_MS);
  }

  /**
   * @param {import("./wish.js").StimulationConfig} config what changes
   * @param {{rampMs?: number, when?: "now" | "end_of_pass" | "next_set"}} [how]
   * @returns {import("./limits.js").Note[]} what was not granted, with the reason; empty when it waits
   */
  configure(config, { rampMs = RAMP_MS, when = "now" } = {}) {
    const wish = wishOf(config);
    if (this.state !== "rest" && when === "next_set") this.#nextSet.push(wish);
    else if (this.state !== "rest" && when === "end_of_pass") {
      this.#outdate(wish, this.#nextSet);
      this.#later.push({ wish, rampMs });
    } else {
      this.#outdate(wish, [...this.#nextSet, ...this.#later.map((waiting) => waiting.wish)]);
      return this.#apply(wish, rampMs);
    }
    return [];
  }

  /** The newest word on a field counts: what waits for later must not bring back an older one. */
  #outdate(wish, waiting) {
    for (const older of waiting) for (const field of Object.keys(wish)) delete older[field];
  }

  /** The person's own choice, which no configuration overrules. */
  mute(muted) {
    this.muted = muted;
    if (this.state === "rest") return;
    if (muted) this.#sound?.silence();
    else this.#beginSound();
  }

  /** Call it within a gesture of the person, so that the browser allows sound later. */
  async allowSound() {
    if (!this.options.audio) return;
    this.#sound ??= new Sound(this.options.audio());
    const { context } = this.#sound;
    this.#clock.follow(context);
    if (context.state === "suspended") await context.resume().catch(() => {});
  }

  /**
   * Begins a set, unless one is under way or the session holds it.
   * @param {{passes?: number | null, seconds?: number}} [length] @returns {boolean} whether it has begun
   */
  start(length = {}) {
    if (this.state !== "rest" || !this.mayMove()) return false;
    this.#apply(length, 0);
    const { passes, seconds, sound, ambient, beatHz } = this.stimulus;
    if (!this.muted && (sound !== "off" || ambient !== "off" || beatHz > 0)) this.#beginSound();
    this.#readClocks();
    const now = this.#clock.time();
    this.#trajectory.freeze(now);
    this.#trajectory.start();
    this.#shown = now;
    this.#set = new SetPlan({ passes, seconds }, now);
    if (passes !== null) this.#trajectory.finishAfter(passes);
    this.emit("set", { action: "start", passes, seconds, why: "begun" });
    return true;
  }

  /**
   * @param {{mode?: "hard" | "finish_pass" | "ease_to_center"}} [how]
   * @returns {Promise<number>} when everything is at rest: since when, milliseconds since 1970
   */
  stop({ mode = "hard" } = {}) {
    if (this.state === "rest") return Promise.resolve(this.stoppedTs);
    const rest = new Promise((resolve) => this.#waiting.push(resolve));
    if (mode === "hard") this.#rest("hard");
    else if (mode === "ease_to_center" && this.#mode !== "ease_to_center") {
      this.#mode = mode;
      this.#trajectory.easeToCentre();
    } else if (this.#mode === null) {
      this.#mode = mode;
      this.#trajectory.finishAfter();
    }
    return rest;
  }

  /** At rest for good; the canvas is left as it is. */
  close() {
    this.stop();
    this.#open = false;
    this.#unhide();
    this.#sound?.context.close();
    this.#clock.follow(null);
  }

  #apply(wish, rampMs) {
    const { granted, stimulus, notes } = withinLimits(wish, this.#granted, this.#screen());
    this.#granted = granted;
    this.stimulus = stimulus;
    this.#changedAt = this.options.now();
    const amplitudeDeg = stimulus.motion === "still" ? 0 : stimulus.amplitudeDeg;
    this.#trajectory.steer({ ...stimulus, amplitudeDeg }, rampMs / 1000);
    if (this.state !== "rest" && !this.muted) this.#tuneSound();
    if (notes.length > 0) this.emit("limited", notes);
    this.emit("configured", stimulus);
    return notes;
  }

  #screen() {
    const { clientWidth, clientHeight } = this.options.canvas;
    return clientWidth > 0 && clientHeight > 0 ? this.angle.screen(clientWidth, clientHeight) : undefined;
  }

  #beginSound() {
    this.allowSound();
    this.#tuneSound();
  }

  #tuneSound() {
    this.#sound?.volume(this.stimulus.volume);
    this.#sound?.surround(this.stimulus.ambient, this.stimulus.beatHz);
  }

  #readClocks() {
    if (!this.#clock.read()) return;
    this.#sound?.callOff();
    this.#plan.callOff(this.#shown);
  }

  #frame(at) {
    if (!this.#open) return;
    if (this.#frameAt !== null) this.#frameMs += 0.1 * (Math.min(50, at - this.#frameAt) - this.#frameMs);
    this.#frameAt = at;
    this.#readClocks();
    // What is drawn now is seen with the next refresh.
    let time = Math.max(this.#shown, this.#clock.time(at + this.#frameMs));
    if (time - this.#shown > STALL_S && this.state !== "rest") time = this.#bridge(time);
    this.#goOn(time);
    this.#shown = time;
    this.#tell(time);
    this.#maybeDraw(time);
    this.options.frame((next) => this.#frame(next));
  }

  #bridge(time) {
    const held = this.#shown + this.#frameMs / 1000;
    this.#clock.lag -= time - held;
    this.#sound?.callOff();
    this.#plan.callOff(held);
    return held;
  }

  #goOn(time) {
    const goal = time + AHEAD_S;
    if (this.state === "rest") {
      this.#trajectory.advanceTo(time);
      return;
    }
    const lasted = time - (this.#set?.startedAt ?? time);
    if (this.#mode === null && lasted > LIMITS.seconds[1] + OVERTIME_S) this.stop({ mode: "ease_to_center" });
    while (this.#trajectory.frontier < goal - ROUNDING_S) {
      this.#trajectory.advanceTo(Math.min(goal, this.#trajectory.frontier + CHUNK_S));
      for (const happening of this.#trajectory.happenings.splice(0)) {
        if (happening.kind === "pass") this.#foreseePass(happening);
        this.#ahead.push(happening);
      }
    }
    this.#orderSound(time);
  }

  #foreseePass({ pass, time }) {
    const last = this.#set?.passed(pass, time, 1 / this.stimulus.speedHz) ?? null;
    if (last !== null && this.#mode === null) this.#trajectory.finishAfter(last);
    for (const { wish, rampMs } of this.#later.splice(0)) this.#apply(wish, rampMs);
  }

  #orderSound(time) {
    if (!this.#sound || this.muted) return;
    for (const { time: when, pan, loudness } of this.#plan.order(this.#ahead, this.stimulus, time)) {
      const at = this.#clock.cardTime(when);
      if (at !== null) this.#sound.tone(/** @type {"tone" | "click"} */ (this.stimulus.sound), at, pan, loudness);
    }
  }

  #tell(time) {
    while (this.#ahead.length > 0 && this.#ahead[0].time <= time) {
      const happening = this.#ahead[0];
      this.#ahead.shift();
      if (happening.kind === "midline" && this.stimulus.touch) this.options.vibrate?.(pulseMs(this.stimulus.intensity));
      if (happening.kind === "pass") this.emit("pass", { pass: happening.pass, left: this.#set?.left(time) });
      if (happening.kind === "rest") this.#rest(this.#mode ?? "done");
    }
  }

  #rest(mode) {
    this.#trajectory.freeze(this.#shown);
    this.#sound?.silence();
    this.#plan.callOff(this.#shown);
    this.options.vibrate?.(0);
    this.#ahead = [];
    const { passes = null, seconds = 0, done = 0 } = this.#set ?? {};
    this.#set = null;
    this.#mode = null;
    this.#changedAt = this.options.now();
    this.stoppedTs = this.options.wall();
    this.#waiting.splice(0).forEach((resolve) => resolve(this.stoppedTs));
    // At rest all that waited holds; what waited for the end of the pass comes first, since a newer one has outdated the rest.
    for (const wish of [...this.#later.splice(0).map((waiting) => waiting.wish), ...this.#nextSet.splice(0)]) this.#apply(wish, 0);
    this.emit("stopped", { ts: this.stoppedTs, mode });
    this.emit("set", { action: "end", passes, seconds, done, why: mode });
  }

  #maybeDraw(time) {
    const { canvas } = this.options;
    const resized = canvas.clientWidth !== this.#size.width || canvas.clientHeight !== this.#size.height;
    if (resized) {
      this.#size = { width: canvas.clientWidth, height: canvas.clientHeight };
      this.#apply({}, RAMP_MS);
    }
    if (this.state === "rest" && this.options.now() - this.#changedAt > STILL_S * 1000) return;
    this.#light.draw(this.#trajectory.at(time), this.stimulus, this.angle, time);
  }

  #watchPage() {
    const { page } = this.options;
    if (!page?.addEventListener) return;
    const look = () => { if (page.visibilityState === "hidden") this.stop(); };
    page.addEventListener("visibilitychange", look);
    this.#unhide = () => page.removeEventListener("visibilitychange", look);
  }
}

/** @param {Options} options */
export const createStimulation = (options) => new Stimulation(options);
