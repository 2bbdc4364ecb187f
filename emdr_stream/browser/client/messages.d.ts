// The messages of both sockets, as TypeScript has them. Made from the service's message types by
// `python -m emdr_stream.wire.typescript`, and a test fails when they differ: do not write in here.
// Units, ranges and rules: docs/protocol.md.

export type AlertKind =
  | "crisis"
  | "high_risk"
  | "dissociation"
  | "client_stop"
  | "signal_lost"
  | "client_disconnected"
  | "pause_unconfirmed"
  | "degraded"
  | "many_faces"
  | "reported";
export type AlertState = "raised" | "acknowledged" | "escalated" | "resolved";
export type PauseMode = "hard" | "finish_pass" | "ease_to_center";
export type Phase =
  | "history"
  | "preparation"
  | "assessment"
  | "desensitization"
  | "installation"
  | "body_scan"
  | "closure"
  | "reevaluation";
export type ResumeRequires = "client" | "therapist";
export type Severity = "low" | "medium" | "high" | "critical";
export type SignalStatus = "ok" | "degraded" | "stale" | "lost";
export type Source = "emotion" | "morphcast" | "frame" | "landmarks";
export type StateLabel = "calm" | "processing" | "hyperarousal" | "hypoarousal" | "drowsy" | "unknown";
export type Status = "running" | "paused" | "detached" | "ended";
export type ErrorCode =
  | "bad_message"
  | "unknown_type"
  | "invalid_field"
  | "too_large"
  | "rate_limited"
  | "unauthorized"
  | "forbidden"
  | "token_expired"
  | "unknown_session"
  | "session_over"
  | "resume_denied"
  | "paused"
  | "not_ready"
  | "source_unavailable"
  | "image_rejected"
  | "overloaded"
  | "internal";
/** What a close frame says: docs/protocol.md. */
export type CloseCode =
  | 1000
  | 1001
  | 1003
  | 1006
  | 1007
  | 1008
  | 1009
  | 1011
  | 1012
  | 1013
  | 4401
  | 4408
  | 4409
  | 4429
  | 4500
  | 4501
  | 4503
  | 4504
  | 4508;
/** An alert as the core knows it; `cursor` is added where it is told to watchers. */
export interface AlertBody {
  alert_id: string;
  session_id: string;
  alert_seq: number;
  kind: AlertKind;
  severity: Severity;
  state: AlertState;
  ts: number;
  raised_ts: number;
  evidence: Array<Evidence>;
  probability?: number;
  threshold?: number;
  model?: ModelRef;
  by?: string;
  note?: string;
  ack_deadline_ts?: number;
  reported_by?: string;
  report?: string;
}
export interface AudioConfig {
  binaural_frequency?: number | null;
  asmr_type?: string | null;
  volume?: number;
  spatial_audio?: boolean;
}
/** `blink_rate` and `heart_rate` per minute; `eye_closure` (PERCLOS) and `head_motion` in [0, 1]. */
export interface BodySignals {
  face_present?: boolean | null;
  blink_rate?: number | null;
  eye_closure?: number | null;
  head_motion?: number | null;
  heart_rate?: number | null;
}
/** What a client needs to show the session as it stands. */
export interface ClientSnapshot {
  status: Status;
  control_epoch: number;
  config: SessionConfig;
  phase: Phase | null;
  set_no: number | null;
  reason?: string;
  mode?: PauseMode;
  resume_requires?: ResumeRequires;
}
/** valence and arousal in [-1, 1], attention in [0, 1]. */
export interface Dimensions {
  valence?: number | null;
  arousal?: number | null;
  attention?: number | null;
}
export interface Emotions {
  joy?: number | null;
  sadness?: number | null;
  anger?: number | null;
  fear?: number | null;
  surprise?: number | null;
  disgust?: number | null;
  neutral?: number | null;
}
/** One signal that drove a decision: its value, and the person's own baseline where there is one. */
export interface Evidence {
  signal: string;
  value: number | null;
  baseline?: number | null;
}
/** Where the face is: `x`, `y` its centre as a part of the picture's width and height, from the upper left corner; `height`: from chin to forehead, as a part of the picture's height. */
export interface FacePlace {
  x: number;
  y: number;
  height: number;
}
/** Degrees, 0 facing the camera. */
export interface HeadPose {
  yaw: number;
  pitch: number;
  roll: number;
}
/** Columns of equal length, one entry a recorded second; a number that was not there is null. */
export interface HistoryCurve {
  ts?: Array<number>;
  valence?: Array<number | null>;
  arousal?: Array<number | null>;
  attention?: Array<number | null>;
  risk?: Array<number | null>;
  crisis?: Array<number | null>;
  signal?: Array<string | null>;
}
/** One thing that happened. */
export interface HistoryEvent {
  kind: string;
  ts: number;
  fields: Record<string, unknown>;
}
/** `duration` in seconds; `type`: grounding, breathing or emergency_contact (for the therapist, never automatic). */
export interface Intervention {
  type: string;
  instructions: string;
  duration: number;
  priority: Severity;
}
/** A person's own level of one signal: mean and standard deviation, in the signal's own unit. */
export interface Level {
  mean: number;
  deviation: number;
}
/** What one client may send: frames a second, bytes a message, pixels (width, height), messages a second. */
export interface Limits {
  fps?: number;
  message_bytes?: number;
  pixels?: [number, number];
  rate_hz?: number;
}
export interface ModelRef {
  name: string;
  version: string;
  sha256: string;
}
/** One event of the MorphCast SDK as the browser received it; `detail` is the SDK's own payload. */
export interface MorphcastEvent {
  type: string;
  detail?: unknown;
  ts?: number | null;
}
/** The personal baseline: how far its calm minute is seen (0..1; at 1 it stands), then the levels it found. */
export interface OwnBaseline {
  sureness: number;
  valence?: Level | null;
  arousal?: Level | null;
  attention?: Level | null;
}
/** The pause that stands. */
export interface PauseReport {
  reason: string;
  mode: PauseMode;
  resume_requires: ResumeRequires;
  asked_ts: number;
  received: boolean;
  stopped_ts?: number;
  alert_id?: string;
}
/** What a clinician has prepared before reprocessing; null means not told. */
export interface Readiness {
  consent?: boolean | null;
  location_verified?: boolean | null;
  emergency_contact?: boolean | null;
  therapist_present?: boolean | null;
  stop_rehearsed?: boolean | null;
  grounding_rehearsed?: boolean | null;
}
export interface ResumeClaim {
  resume_token: string;
  epoch?: number;
  last_seq?: number;
}
/** `risk_level` and `crisis_probability` are null while no model speaks; `next_check_in` in seconds. */
export interface SafetyAnalysis {
  risk_level: number | null;
  crisis_probability: number | null;
  should_pause_session: boolean;
  warning_signs: Array<string>;
  protective_factors: Array<string>;
  next_check_in: number;
}
/** Stimulation settings. */
export interface SessionConfig {
  pattern_type?: string | null;
  speed?: number | null;
  intensity?: number | null;
  duration?: number | null;
  colors?: Record<string, string> | null;
  audio_config?: AudioConfig | null;
  safety_thresholds?: ThresholdChange | null;
  predicted_effectiveness?: number | null;
  amplitude_deg?: number | null;
  size_deg?: number | null;
  shape?: string | null;
}
/** What a console needs to list a session. */
export interface SessionSummary {
  session_id: string;
  user: string;
  source: string;
  started_ts: number;
  status: Status;
  control_epoch: number;
  config: SessionConfig;
  thresholds: Thresholds;
  phase: Phase | null;
  set_no: number | null;
  signal: SignalReport;
  resume_requires?: ResumeRequires;
  reason?: string;
  sud?: number;
  voc?: number;
  baseline: OwnBaseline;
  pause?: PauseReport;
  set_started_ts?: number;
  pending?: SessionConfig;
}
/** Sight of the client: status, quality 0..1 (null before the first sample), age of the newest usable sample. */
export interface SignalReport {
  status: SignalStatus;
  quality: number | null;
  age_ms: number | null;
  reason?: string;
}
/** Label of the estimated state and the model's probability for it (0 while unknown). */
export interface StateEstimate {
  label: StateLabel;
  confidence: number;
}
/** A wish to move thresholds; what is absent stays as it is. */
export interface ThresholdChange {
  risk?: number | null;
  crisis_pause?: number | null;
  crisis_immediate?: number | null;
}
/** Calibrated probabilities, 0..1, at which the safety monitor acts: the brief's 0.6, 0.7 and 0.8. */
export interface Thresholds {
  risk?: number;
  crisis_pause?: number;
  crisis_immediate?: number;
}
/** Where a result's time went, in milliseconds; null where a stage does not apply. */
export interface Timing {
  age_ms?: number | null;
  queue_ms?: number | null;
  decode_ms?: number | null;
  face_ms?: number | null;
  infer_ms?: number | null;
  total_ms?: number | null;
}
/** Counts of a session at its end. */
export interface Totals {
  samples: number;
  dropped_late: number;
  duplicates: number;
  results: number;
  pauses: number;
  adaptations: number;
  interventions: number;
  alerts: number;
  sets: number;
  duration_s: number;
}
/** First message of a client. */
export interface Hello {
  type: "hello";
  id?: number | string | null;
  source: Source;
  token?: string | null;
  session_id?: string | null;
  user?: string | null;
  resume?: ResumeClaim | null;
  config?: SessionConfig | null;
  result_rate_hz?: number;
  readiness?: Readiness | null;
  context?: Record<string, unknown> | null;
}
/** A renewed token; it must keep `sub` and `role`. */
export interface Auth {
  type: "auth";
  id?: number | string | null;
  token: string;
}
/** One EmotionData sample. */
export interface Sample {
  type: "sample";
  id?: number | string | null;
  ts: number;
  emotions?: Emotions | null;
  dimensions?: Dimensions | null;
  signals?: BodySignals | null;
  context?: Record<string, unknown> | null;
}
/** Events of the MorphCast SDK as the browser received them, at most 64. */
export interface Morphcast {
  type: "morphcast";
  id?: number | string | null;
  ts: number;
  events: Array<MorphcastEvent>;
  context?: Record<string, unknown> | null;
}
/** One webcam frame: JPEG, WebP or PNG bytes. */
export interface Frame {
  type: "frame";
  id?: number | string | null;
  ts: number;
  image: Uint8Array;
}
/** Face scores that MediaPipe's FaceLandmarker computed in the browser: no pixel leaves it. */
export interface Landmarks {
  type: "landmarks";
  id?: number | string | null;
  ts: number;
  blendshapes?: Array<number> | null;
  pose?: HeadPose | null;
  place?: FacePlace | null;
  faces?: number | null;
  quality?: number;
}
/** A set of bilateral stimulation starts or ends. */
export interface SetMark {
  type: "set";
  id?: number | string | null;
  action: "end" | "start";
  set_no: number;
}
/** The client's own rating: SUD 0..10 or VoC 1..7. */
export interface Rating {
  type: "rating";
  id?: number | string | null;
  scale: "sud" | "voc";
  value: number;
}
/** The session enters a phase of the EMDR protocol. */
export interface PhaseMark {
  type: "phase";
  id?: number | string | null;
  phase: Phase;
}
/** The client's stop signal: the client has already stopped locally. */
export interface Stop {
  type: "stop";
  id?: number | string | null;
  reason?: string | null;
}
/** Confirms a control message: on receipt, and again with `stopped_ts` when the stimulus is at rest. */
export interface Applied {
  type: "applied";
  id?: number | string | null;
  control_epoch: number;
  stopped_ts?: number | null;
}
/** Asks to leave a pause. */
export interface ResumeRequest {
  type: "resume_request";
  id?: number | string | null;
}
/** Asks for the server's clock; answered by `pong`. */
export interface Ping {
  type: "ping";
  id?: number | string | null;
  t0: number;
}
/** Orderly end. */
export interface Bye {
  type: "bye";
  id?: number | string | null;
}
/** Pauses a session; latches until a newer `control.resume`. */
export interface ControlPause {
  type: "control.pause";
  seq: number;
  epoch: number;
  control_epoch: number;
  mode: PauseMode;
  reason: string;
  resume_requires: ResumeRequires;
  alert_id?: string;
}
/** Ends a pause. */
export interface ControlResume {
  type: "control.resume";
  seq: number;
  epoch: number;
  control_epoch: number;
  by: string;
}
/** Something for the client to do, or for the therapist to offer. */
export interface InterventionMessage {
  type: "intervention";
  seq: number;
  epoch: number;
  intervention: Intervention;
}
/** `config` holds the changed fields only; `effective` is now, end_of_pass or next_set. */
export interface PatternAdapt {
  type: "pattern.adapt";
  seq: number;
  epoch: number;
  adapt_id: string;
  config: SessionConfig;
  effective: string;
  ramp_ms: number;
  reasons: Array<string>;
}
/** The session is over. */
export interface Ended {
  type: "ended";
  reason: string;
  totals: Totals;
  seq: number;
  epoch: number;
}
/** Answers `hello`: what the peer needs to go on. */
export interface Welcome {
  type: "welcome";
  protocol?: string;
  session_id: string;
  resume_token: string;
  epoch: number;
  seq: number;
  resumed: boolean;
  snapshot: ClientSnapshot;
  heartbeat_ms: number;
  timeout_ms: number;
  grace_s: number;
  limits: Limits;
  thresholds: Thresholds;
  models: Array<ModelRef>;
  server_ts: number;
}
/** The estimate for the newest sample; a missing number is null, never 0. */
export interface Result {
  type: "result";
  re: number | string | null;
  ts: number;
  emotions: Emotions;
  dimensions: Dimensions;
  state: StateEstimate;
  predicted_changes: Dimensions | null;
  recommendations: Array<string>;
  safety: SafetyAnalysis;
  signal: SignalReport;
  timing: Timing | null;
}
/** How many frames a second this client may send now, at most those of `welcome.limits`; more are `skipped`. */
export interface FrameLimits {
  type: "limits";
  fps: number;
}
/** Other versions speak from now on: those of `welcome.models` are replaced by these, all of them. */
export interface Models {
  type: "models";
  models: Array<ModelRef>;
}
/** Answers a frame or sample that gets no result, and says why. */
export interface Skipped {
  type: "skipped";
  re: number | string;
  reason: string;
}
/** How well the service sees the client; sent on every change. */
export interface Signal {
  type: "signal";
  status: SignalStatus;
  age_ms: number;
}
/** Sent when nothing else was for `heartbeat_ms`. */
export interface Heartbeat {
  type: "heartbeat";
  server_ts: number;
}
/** A message was refused, or the socket is about to close. */
export interface ErrorMessage {
  type: "error";
  code: string;
  message: string;
  retryable: boolean;
  fatal: boolean;
  re?: number | string;
  param?: string;
  retry_after_ms?: number;
}
/** The server is about to close this socket: reconnect and resume. */
export interface GoAway {
  type: "goaway";
  reason: string;
  time_left_ms: number;
}
/** Answers a message that has no answer of its own and carried an `id`. */
export interface Done {
  type: "done";
  re: number | string;
}
/** Clock: `t0` as sent, `t1` receipt and `t2` answer in the server's wall clock, milliseconds. */
export interface Pong {
  type: "pong";
  t0: number;
  t1: number;
  t2: number;
  re?: number | string;
}
/** First message of a console; `resume_after` is the last cursor it has taken. */
export interface WatchHello {
  type: "hello";
  id?: number | string | null;
  token?: string | null;
  resume_after?: string | null;
}
/** `sessions`: ids, or ["*"] for every session that the token allows, also those yet to open. */
export interface Subscribe {
  type: "subscribe";
  id?: number | string | null;
  sessions: Array<string>;
  rate_hz?: 1 | 2 | 5 | 10;
}
/** Ends the live states and alerts of these sessions. */
export interface Unsubscribe {
  type: "unsubscribe";
  id?: number | string | null;
  sessions: Array<string>;
}
/** Acknowledges an alert; the first one wins, it silences and does not resolve. */
export interface Ack {
  type: "ack";
  id?: number | string | null;
  alert_id: string;
  note?: string | null;
}
/** Pauses a session; latches until a newer `control.resume`. */
export interface PauseCommand {
  type: "control.pause";
  id?: number | string | null;
  session_id: string;
  reason: string;
  mode?: PauseMode;
}
/** Ends a pause. */
export interface ResumeCommand {
  type: "control.resume";
  id?: number | string | null;
  session_id: string;
  reason: string;
  control_epoch?: number | null;
}
/** Ends a session. */
export interface EndCommand {
  type: "session.end";
  id?: number | string | null;
  session_id: string;
  reason: string;
}
/** Changes a session's configuration or thresholds. */
export interface ConfigSet {
  type: "config.set";
  id?: number | string | null;
  session_id: string;
  config?: SessionConfig | null;
  thresholds?: ThresholdChange | null;
}
/** The therapist has this session before them; said again every few seconds, forgotten 12 s after the last time. */
export interface Attend {
  type: "attend";
  id?: number | string | null;
  session_id: string;
}
/** Asks for what the records hold of a session: everything that happened, and the curves of the last minutes. */
export interface HistoryRequest {
  type: "history";
  id?: number | string | null;
  session_id: string;
  curve_s?: number;
}
/** What the console has taken so far, about once a second. */
export interface Received {
  type: "received";
  id?: number | string | null;
  cursor: string;
}
/** Answers `hello`: what the peer needs to go on. */
export interface WatchWelcome {
  type: "welcome";
  protocol?: string;
  heartbeat_ms: number;
  timeout_ms: number;
  server_ts: number;
  user: string;
  role: string;
}
/** Answers `subscribe` with the sessions as they stand. */
export interface Subscribed {
  type: "subscribed";
  re: number | string | null;
  sessions: Array<SessionSummary>;
}
/** A session was opened. */
export interface SessionOpened {
  type: "session.opened";
  session_id: string;
  user: string;
  session: SessionSummary;
}
/** A session has ended. */
export interface SessionClosed {
  type: "session.closed";
  session_id: string;
  user: string;
  reason: string;
}
/** A session's client is not connected. */
export interface SessionDetached {
  type: "session.detached";
  session_id: string;
  user: string;
}
/** A client asks to leave a pause that needs the therapist. */
export interface ResumeRequested {
  type: "resume_requested";
  session_id: string;
}
/** Live state of a session; the latest wins. */
export interface StateMessage {
  type: "state";
  session_id: string;
  ts: number;
  emotions: Emotions;
  dimensions: Dimensions;
  state: StateEstimate;
  safety: SafetyAnalysis;
  signal: SignalReport;
  status: Status;
  config: SessionConfig;
  phase: Phase | null;
  set_no: number | null;
  sud?: number;
  voc?: number;
  control_epoch: number;
  thresholds: Thresholds;
  baseline: OwnBaseline;
  pause?: PauseReport;
  set_started_ts?: number;
  pending?: SessionConfig;
  attended_by?: Array<string>;
}
/** A control message as sent to the client; `action` is pause or resume. */
export interface ControlNotice {
  type: "control";
  session_id: string;
  action: "pause" | "resume";
  seq: number;
  epoch: number;
  control_epoch: number;
  mode?: PauseMode;
  reason?: string;
  resume_requires?: ResumeRequires;
  alert_id?: string;
  by?: string;
  ts?: number;
}
/** A `pattern.adapt` as sent to the client. */
export interface AdaptNotice {
  type: "adapt";
  session_id: string;
  seq: number;
  epoch: number;
  adapt_id: string;
  config: SessionConfig;
  effective: string;
  ramp_ms: number;
  reasons: Array<string>;
  ts?: number;
}
/** Something for the client to do, or for the therapist to offer. */
export interface InterventionNotice {
  type: "intervention";
  session_id: string;
  seq: number;
  epoch: number;
  intervention: Intervention;
  ts?: number;
}
/** The client confirms a control message, on receipt and, with `stopped_ts`, when the stimulus is at rest. */
export interface AppliedNotice {
  type: "applied";
  session_id: string;
  control_epoch: number;
  ts: number;
  stopped_ts?: number;
}
/** A set starts, ends, or is ended by a pause or a lost connection (`interrupted`). */
export interface SetNotice {
  type: "set";
  session_id: string;
  action: "end" | "interrupted" | "start";
  set_no: number | null;
  ts: number;
}
/** The client's own rating: SUD 0..10 or VoC 1..7. */
export interface RatingNotice {
  type: "rating";
  session_id: string;
  scale: "sud" | "voc";
  value: number;
  ts: number;
}
/** The session entered a phase. */
export interface PhaseNotice {
  type: "phase";
  session_id: string;
  phase: Phase;
  ts: number;
}
/** One step in the life of an alert; `ts`: when it was made. */
export interface AlertMessage {
  type: "alert";
  cursor: string;
  alert_id: string;
  session_id: string;
  kind: AlertKind;
  severity: Severity;
  state: AlertState;
  raised_ts: number;
  evidence: Array<Evidence>;
  probability?: number;
  threshold?: number;
  model?: ModelRef;
  by?: string;
  note?: string;
  ack_deadline_ts?: number;
  reported_by?: string;
  report?: string;
  ts: number;
}
/** Answers `history`. */
export interface History {
  type: "history";
  re: number | string | null;
  session_id: string;
  complete: boolean;
  events: Array<HistoryEvent>;
  alerts: Array<AlertBody>;
  curve: HistoryCurve;
}
/** What a client sends on `/v1/stream`. */
export type ClientMessage =
  | Hello
  | Auth
  | Sample
  | Morphcast
  | Frame
  | Landmarks
  | SetMark
  | Rating
  | PhaseMark
  | Stop
  | Applied
  | ResumeRequest
  | Ping
  | Bye;
/** What the service sends on `/v1/stream`. */
export type ServerMessage =
  | ControlPause
  | ControlResume
  | InterventionMessage
  | PatternAdapt
  | Ended
  | Welcome
  | Result
  | FrameLimits
  | Models
  | Skipped
  | Signal
  | Heartbeat
  | ErrorMessage
  | GoAway
  | Done
  | Pong;
/** What a console sends on `/v1/watch`. */
export type WatchMessage =
  | WatchHello
  | Auth
  | Subscribe
  | Unsubscribe
  | Ack
  | PauseCommand
  | ResumeCommand
  | EndCommand
  | ConfigSet
  | Attend
  | HistoryRequest
  | Received
  | Ping;
/** What the service sends on `/v1/watch`. */
export type ConsoleMessage =
  | WatchWelcome
  | Subscribed
  | SessionOpened
  | SessionClosed
  | SessionDetached
  | ResumeRequested
  | StateMessage
  | ControlNotice
  | AdaptNotice
  | InterventionNotice
  | AppliedNotice
  | SetNotice
  | RatingNotice
  | PhaseNotice
  | AlertMessage
  | History
  | Done
  | ErrorMessage
  | Heartbeat
  | GoAway
  | Pong;
