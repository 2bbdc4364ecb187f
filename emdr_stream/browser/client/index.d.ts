// What a page may use of `emdr-stream-client`. The messages themselves are in messages.d.ts, made from the service's types.

import type {
  AdaptNotice, AlertMessage, AppliedNotice, BodySignals, CloseCode, ControlNotice, Dimensions, Done, Emotions, Ended,
  ErrorMessage, GoAway, History, InterventionMessage, InterventionNotice, Limits, PatternAdapt, PauseMode, Phase,
  PhaseNotice, RatingNotice, Readiness, Result, ResumeRequested, ResumeRequires, SessionClosed, SessionConfig,
  SessionDetached, SessionOpened, SessionSummary, SetNotice, Signal, SignalStatus, Skipped, Source as SourceKind,
  StateMessage, Status, ThresholdChange, Thresholds, WatchWelcome, Welcome,
} from "./messages.js";

export type * from "./messages.js";

/** A promise of one always holds and never rejects. `code`: the service's, or `not_connected`, `connection_lost`, `no_answer`, `closed`, `paused`. */
export type Answer =
  | { ok: true; message: Record<string, unknown> }
  | { ok: false; code: string; message: string };

/** Calls handlers at once, in order; one that throws stops no other. */
export class Emitter<Events extends object = Record<string, any>> {
  on<Name extends keyof Events>(event: Name, handler: (detail: Events[Name]) => void): () => void;
  once<Name extends keyof Events>(event: Name, handler: (detail: Events[Name]) => void): () => void;
  emit<Name extends keyof Events>(event: Name, detail?: Events[Name]): void;
}

/** Times and timers, to be handed in by tests. */
export interface Clock {
  /** Monotonic milliseconds. */
  now(): number;
  /** Milliseconds since 1970. */
  wall(): number;
  setTimeout(callback: () => void, ms: number): unknown;
  clearTimeout(timer: any): void;
}

interface Reaching {
  /** `wss://host/v1/stream`, or an address relative to the page. */
  url: string | URL;
  /** Asked at each connection, and before the token expires. `refresh`: the last one is of no more use. */
  getToken(why: { refresh: boolean }): string | Promise<string>;
  /** `msgpack` unless told. */
  codec?: "msgpack" | "json";
  /**
   * A token that the service refuses (4500, or 4503 after `forbidden`) is final, unless this says `ask`: then, once there was
   * a welcome, `getToken` is asked for another one. Only where that asks a person.
   */
  onBadToken?: "close" | "ask";
  clock?: Clock;
  /** In [0, 1), for the jitter between tries. */
  random?: () => number;
  WebSocket?: unknown;
}

// Sessions -----------------------------------------------------------------------------------------------------------

export interface ConnectOptions extends Reaching {
  /** Where readings come from; without one the session streams nothing. */
  source?: Source;
  /** A wish; a threshold may only be tightened. */
  config?: SessionConfig;
  phase?: Phase;
  readiness?: Readiness;
  context?: Record<string, unknown>;
  /** Only with a token whose `sid` names it. */
  sessionId?: string;
  /** Only for a back end: whose session it is. */
  user?: string;
  /** 0.1 to 60, 10 unless told. */
  resultRateHz?: number;
  /** What a hidden page means: a stop while a set runs (`set`), always, or never. */
  onHidden?: "set" | "always" | "never";
}

export interface PauseEvent {
  /** Made by this page: the service may not know of it yet. */
  local: boolean;
  /** `client_stop`, `connection_lost`, `page_hidden`, `ended`, `closed`, or the service's reason. */
  cause: string;
  mode: PauseMode;
  /** To be handed back to `confirmStopped`; null for a local one. */
  controlEpoch: number | null;
  resumeRequires: ResumeRequires | null;
  alertId?: string;
  silentForMs?: number;
}

export interface StateEvent {
  status: Status;
  connected: boolean;
  /** How well the service sees the client; null while it is not known. */
  signal: SignalStatus | null;
  /** `learning` in the first calm minute. */
  baseline: "learning" | "ready";
  resumeRequires: ResumeRequires | null;
  /** What this page itself holds: a newer `control.resume` lets go of all. */
  holds: string[];
}

/**
 * A message of the service, or a problem of this page: `no_token`, `bad_message`, `source_failed`, `frame_failed`,
 * `set_refused` (its `cause` is the code of the answer).
 */
export type ProblemEvent = Omit<ErrorMessage, "type" | "code"> & { code: string; cause?: string; type?: "error" };

export interface SessionEvents {
  welcome: Welcome;
  state: StateEvent;
  /** The stimulus must come to rest now. Comes before the call that caused it returns. */
  pause: PauseEvent;
  /** The only thing after which the stimulus may move again. */
  resume: { controlEpoch: number; by: string };
  adapt: PatternAdapt;
  /** `changed`: what is new; `source`: `welcome` or `adapt`. */
  config: { config: SessionConfig; changed: SessionConfig; source: "welcome" | "adapt" };
  result: Result;
  signal: Signal;
  skipped: Skipped;
  intervention: InterventionMessage;
  limits: Required<Limits>;
  error: ProblemEvent;
  goaway: GoAway;
  ended: Ended;
  /** Nothing is tried any more. */
  closed: { code: CloseCode | number; reason: string };
  visibility: { hidden: boolean };
  /** What a source says of its device. */
  source: { kind: SourceKind; state: string; message: string };
}

/** Connects at once, and again after each break until `close`, `end` or a final close code. */
export function connect(options: ConnectOptions): Session;

export class Session extends Emitter<SessionEvents> {
  constructor(options: ConnectOptions);
  /** `connect` calls it. */
  open(): void;
  /** `detached` before the first welcome and while the connection is lost. */
  readonly status: Status;
  readonly connected: boolean;
  /** Whether the stimulus must be at rest. */
  readonly paused: boolean;
  readonly sessionId: string | null;
  readonly config: SessionConfig;
  readonly thresholds: Thresholds | null;
  readonly phase: Phase | null;
  readonly setNo: number;
  readonly resumeRequires: ResumeRequires | null;
  readonly limits: Required<Limits>;
  /** How long nothing was heard, milliseconds. */
  readonly silentForMs: number;
  readonly roundTripMs: number | null;
  /** The service's wall clock, milliseconds since 1970. */
  serverNow(): number;
  /** Looks whether the service is still heard, and pauses if not: for an engine to call at each frame. */
  check(): boolean;
  /** Stops here and now; the service is told at once, or when it can be. */
  stop(reason?: string): void;
  /** ok once the event `resume` has come. */
  requestResume(): Promise<Answer>;
  /** The stimulus is at rest. `stoppedTs`: since when, milliseconds since 1970; now unless told. */
  confirmStopped(controlEpoch?: number | null, stoppedTs?: number): void;
  /** The `end` of a set that the service did not take is not sent, and answered as its beginning was. `end` on a page that was hidden meanwhile is told as the stop that it is, unless `onHidden` says `never`. */
  sendSet(action: "begin" | "start" | "end", setNo?: number): Promise<Answer>;
  /** SUD 0..10, VoC 1..7. */
  rate(ratings: { sud?: number | null; voc?: number | null }): Promise<Answer>;
  setPhase(phase: Phase): Promise<Answer>;
  /** Ends the session for good. */
  end(): void;
  /** Leaves it; it can be resumed until its grace time is over. */
  close(): void;
}

// Consoles -----------------------------------------------------------------------------------------------------------

export type Subscription = string[] | { sessions: string[]; rate_hz?: 1 | 2 | 5 | 10 };

export interface WatchOptions extends Reaching {
  /** All sessions twice a second unless told. */
  subscribe?: Subscription;
  /** The `cursor` of an earlier Watch. */
  resumeAfter?: string;
}

export interface WatchEvents {
  welcome: WatchWelcome;
  /** The whole list, whenever it changes. */
  sessions: SessionSummary[];
  /** The whole list as the service gives it, after each connection. */
  listed: SessionSummary[];
  state: StateMessage;
  /** Each step in an alert's life, once. */
  alert: AlertMessage;
  control: ControlNotice;
  adapt: AdaptNotice;
  intervention: InterventionNotice;
  applied: AppliedNotice;
  set: SetNotice;
  rating: RatingNotice;
  phase: PhaseNotice;
  history: History;
  resume_requested: ResumeRequested;
  "session.opened": SessionOpened;
  "session.closed": SessionClosed;
  "session.detached": SessionDetached;
  ack: Done;
  error: ProblemEvent;
  goaway: GoAway;
  lag: { silentForMs: number };
  /** What is shown is old from `connected: false` on. None comes before the first connection. */
  connection: { connected: boolean; silentForMs: number; cause?: string; code?: number };
  closed: { code: CloseCode | number; reason: string };
}

/** Connects at once, and again after each break until `close` or a final close code; no alert is lost between. */
export function watch(options: WatchOptions): Watch;

export class Watch extends Emitter<WatchEvents> {
  constructor(options: WatchOptions);
  /** `watch` calls it. */
  open(): void;
  readonly connected: boolean;
  readonly silentForMs: number;
  /** To be kept over a reload. */
  readonly cursor: string | null;
  readonly sessions: SessionSummary[];
  serverNow(): number;
  check(): boolean;
  subscribe(subscription: Subscription): Promise<Answer>;
  unsubscribe(sessions: string[]): Promise<Answer>;
  /** Follows one session more closely than the others, until another is named; also after a reconnect. */
  focus(sessionId: string | null, rateHz?: 1 | 2 | 5 | 10): void;
  /** Asks after a session that the list lacks, as it lives in another worker or is over; the answer's `message` is a `Subscribed`. */
  find(sessionId: string): Promise<Answer>;
  /** What the records hold of a session; the answer's `message` is a `History`. */
  history(sessionId: string, curveS?: number): Promise<Answer>;
  /** Says that the therapist has this session before them; to be said again every 5 s. */
  attend(sessionId: string): Promise<Answer>;
  acknowledge(alertId: string, note?: string): Promise<Answer>;
  /** Sent now or not at all. */
  command(sessionId: string, command: "pause", fields: { reason: string; mode?: PauseMode }): Promise<Answer>;
  /** `control_epoch`: of the pause that the therapist has before them; the service refuses when a newer one stands. */
  command(sessionId: string, command: "resume", fields: { reason: string; control_epoch?: number }): Promise<Answer>;
  command(sessionId: string, command: "end", fields: { reason: string }): Promise<Answer>;
  command(
    sessionId: string, command: "config", fields: { config?: SessionConfig; thresholds?: ThresholdChange },
  ): Promise<Answer>;
  close(): void;
}

// Sources ------------------------------------------------------------------------------------------------------------

/** What feeds a session. Write your own: `send` gives a message an `id` and returns it, 0 when it was dropped. */
export interface Source {
  readonly kind: SourceKind;
  /** Called once, at the first `welcome`. */
  start(send: (message: { type: string; ts: number; [field: string]: unknown }) => number, session: Session): void | Promise<void>;
  stop(): void;
  /** A message that carries `re`. */
  answered?(message: Record<string, unknown>): void;
  /** Another socket after a break. */
  connected?(): void;
  disconnected?(): void;
}

export interface Sample {
  emotions?: Emotions;
  dimensions?: Dimensions;
  signals?: BodySignals;
  context?: Record<string, unknown>;
  /** Milliseconds since 1970, now unless told. */
  ts?: number;
}

/** The page pushes what it knows. */
export function samples(): Source & { push(sample: Sample): boolean };

export interface MorphcastOptions {
  /** Where the SDK fires its events; the window unless told. */
  target?: EventTarget;
  /** How long events are gathered into one message; 100 ms unless told. */
  gatherMs?: number;
  sdkVersion?: string;
  /** By module. */
  smoothness?: Record<string, number>;
}

/** Listens to the MorphCast SDK of the page. */
export function morphcast(options?: MorphcastOptions): Source & { readonly counts: Record<string, number> };

export interface CameraOptions {
  /** 640 unless told. */
  width?: number;
  /** 480 unless told. */
  height?: number;
  /** 15 unless told; the service's limit and the line make it fewer. */
  fps?: number;
  /** Of the JPEG, 0..1; 0.8 unless told. */
  quality?: number;
  deviceId?: string;
}

export type CameraState =
  | "closed" | "asking" | "open" | "muted" | "hidden" | "denied" | "missing" | "busy" | "unsupported" | "lost";

/** Looks with the client's camera; pictures go to the service, which keeps none. */
export function camera(options?: CameraOptions): Camera;

export class Camera extends Emitter<{ state: { state: CameraState; message: string }; problem: { message: string } }> implements Source {
  constructor(options?: CameraOptions);
  readonly kind: "frame";
  readonly state: CameraState;
  readonly message: string;
  /** For a preview. */
  readonly stream: MediaStream | null;
  /** Asks for the camera, or tries again; never throws. During a session it is tried again when devices change, too. */
  open(): Promise<boolean>;
  start(send: (message: { type: string; ts: number; [field: string]: unknown }) => number, session: Session): Promise<void>;
  stop(): void;
}

export interface LandmarksOptions {
  /** A FaceLandmarker of `@mediapipe/tasks-vision` that the page has made. */
  landmarker?: { detectForVideo(video: HTMLVideoElement, timestamp: number): unknown };
  video?: HTMLVideoElement;
  /** 15 unless told. */
  fps?: number;
}

/** Scores of a face that were computed in the page: no pixel leaves it. */
export function landmarks(options?: LandmarksOptions): Source & {
  push(result: unknown, picture: { width: number; height: number; ts?: number; quality?: number }): boolean;
};

// MessagePack --------------------------------------------------------------------------------------------------------

export class MsgpackError extends Error {}
/** Integers beyond 2^53 are BigInt; extension types are refused. */
export function encode(value: unknown): Uint8Array<ArrayBuffer>;
export function decode(data: ArrayBuffer | Uint8Array): any;
