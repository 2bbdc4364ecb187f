// What a page may use of the stimulation: light, sound and touch on one clock. docs/stimulation.md tells the rest.

import type { Session } from "../index.js";
import type { PauseMode, SessionConfig } from "../messages.js";

export type Pattern =
  | "horizontal" | "vertical" | "diagonal_up" | "diagonal_down" | "infinity" | "butterfly" | "circle" | "spiral" | "wave"
  | "lissajous" | "pendulum" | "random";
export type Shape = "circle" | "ring" | "square" | "diamond" | "star";
export type Sound = "off" | "tone" | "click";
export type Ambient = "off" | "rain" | "waves" | "wind" | "stream" | "pink_noise" | "brown_noise" | "white_noise";
export type Motion = "full" | "gentle" | "still";

export const PATTERNS: readonly Pattern[];
export const SHAPES: readonly Shape[];
export const SOUNDS: readonly Sound[];
export const AMBIENTS: readonly Ambient[];
export const MOTIONS: readonly Motion[];

/** The stimulus in force. Angles in degrees of sight from the middle of the screen. */
export interface Stimulus {
  pattern: Pattern; speedHz: number; intensity: number; amplitudeDeg: number; sizeDeg: number; shape: Shape;
  target: string; background: string; sound: Sound; spatial: boolean; volume: number; ambient: Ambient;
  /** 0: none. No evidence for EMDR. */
  beatHz: number;
  touch: boolean; motion: Motion;
  /** null: the set's length is `seconds`. */
  passes: number | null;
  seconds: number;
}

/** The protocol's configuration, and what this engine can do beyond it. Null and absent: as it is. */
export interface StimulationConfig extends SessionConfig {
  sound?: Sound; ambient?: Ambient; touch?: boolean; motion?: Motion;
  passes?: number | null;
}

/** Something that was not granted as asked, or that is allowed with a warning (`fast`, `faint`). */
export interface Note {
  field: keyof Stimulus;
  code: "not_a_number" | "below" | "above" | "unknown" | "gentle_motion" | "screen" | "fast" | "faint";
  asked: unknown; used: unknown; reason: string;
}

export const DEFAULTS: Readonly<Stimulus>;
export const LIMITS: Readonly<Record<string, number | readonly [number, number]>>;

/** `granted`: the `before` of the next wish; `stimulus`: what the present screen and motion leave of it. */
export function withinLimits(
  wish: Partial<Stimulus>, before?: Readonly<Stimulus>, screen?: { halfWidthDeg: number; halfHeightDeg: number },
): { granted: Stimulus; stimulus: Stimulus; notes: Note[] };
/** The target's greatest speed, degrees a second. */
export function peakSpeed(stimulus: Stimulus): number;

export interface Eye { distanceCm?: number; pixelsPerCm?: number }
export const ASSUMED: Readonly<Required<Eye>>;
/** The long side of a bank card. */
export const CARD_CM: number;
export class VisualAngle {
  constructor(measured?: Eye);
  readonly distanceCm: number;
  readonly pixelsPerCm: number;
  pixels(degrees: number): number;
  degrees(pixels: number): number;
  screen(width: number, height: number): { halfWidthDeg: number; halfHeightDeg: number };
}

export interface StimulationOptions {
  canvas: HTMLCanvasElement;
  /** Made at the first sound, within the gesture that starts a set. Without it there is no sound. */
  audio?: () => AudioContext;
  vibrate?: (ms: number) => unknown;
  eye?: Eye;
  /** Of the smooth random path. */
  seed?: number;
  now?: () => number;
  wall?: () => number;
  frame?: (callback: (now: number) => void) => number;
  page?: Document;
}

export interface StimulationEvents {
  set: { action: "start" | "end"; passes: number | null; seconds: number; done?: number; why: "begun" | "done" | PauseMode };
  pass: { pass: number; left: { passes: number | null; seconds: number | null } };
  /** `ts`: since when everything is at rest, milliseconds since 1970. */
  stopped: { ts: number; mode: "done" | PauseMode };
  limited: Note[];
  configured: Stimulus;
}

export class Stimulation {
  constructor(options: StimulationOptions);
  on<Name extends keyof StimulationEvents>(event: Name, handler: (detail: StimulationEvents[Name]) => void): () => void;
  readonly state: "rest" | "moving" | "ending";
  readonly stimulus: Stimulus;
  readonly muted: boolean;
  readonly stoppedTs: number;
  /** Degrees a second that the target may make at most now. */
  readonly pace: number;
  position(): { x: number; y: number };
  configure(config: StimulationConfig, how?: { rampMs?: number; when?: "now" | "end_of_pass" | "next_set" }): Note[];
  measure(eye: Eye): void;
  /** The person's own choice: no configuration overrules it. */
  mute(muted: boolean): void;
  /** To be called within a gesture of the person. */
  allowSound(): Promise<void>;
  /** false: one is under way, or the session holds it. */
  start(length?: { passes?: number | null; seconds?: number }): boolean;
  /** `hard`, unless told: at rest when it returns. */
  stop(how?: { mode?: PauseMode }): Promise<number>;
  close(): void;
}

export function createStimulation(options: StimulationOptions): Stimulation;
/**
 * Pauses, adaptations and sets between the two; a resume begins nothing. A set that the service does not take ends at once,
 * with the session's `error` `set_refused`.
 */
export function attach(session: Session, engine: Stimulation): () => void;
/** While `active()`, Space, Escape and leaving full screen call `stop`, before any other handler. */
export function bindStopKeys(wiring: {
  target?: EventTarget; active: () => boolean; stop: (by: "key" | "full_screen") => void;
}): () => void;
export function motionChoice(prefersReduced: boolean, chosen?: Motion | null): { motion: Motion; ask: boolean; offers: Motion[] };
export function prefersReducedMotion(view?: Window): boolean;

export const BREATHS: Readonly<Record<"box" | "paced", readonly (readonly [string, number])[]>>;
export const GROUNDING: readonly { count: number; sense: "see" | "feel" | "hear" | "smell" | "taste" }[];
export function breathAt(
  kind: "box" | "paced", seconds: number,
): { part: "in" | "hold" | "out" | "rest"; secondsLeft: number; fullness: number; breath: number };
export function cardFor(intervention: { type?: string; priority?: string } | null): "grounding" | "paced" | "box";
