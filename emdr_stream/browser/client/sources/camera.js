/**
 * In: the client's camera. Out: `frame` messages, one on its way at a time, and plain words for whatever is in the way.
 *
 * The next picture is taken when the one before has its answer, and never faster than the service allows: there is no
 * queue anywhere, so a slow line makes frames fewer and not older. Nothing is kept: no picture outlives its message.
 */

import { Emitter } from "../emitter.js";
import { Encoder } from "./encoder.js";
import { eachPicture } from "./frames.js";
import { fit } from "./jpeg.js";
import { Pace } from "./pace.js";

/** An answer that has not come by now will not come; the protocol promises one to each frame. */
const ANSWER_WITHIN_MS = 3_000;
/** After a device came or went: the driver is often ready only some time after the browser has told. */
const TRY_AGAIN_AFTER_MS = [500, 1_500, 4_000];
/** What another device, or the same one after a while, may put right; a refusal is the person's to take back. */
const MAY_COME_BACK = new Set(["lost", "missing", "busy"]);
/** Room for the rest of the message. */
const ENVELOPE_BYTES = 256;

/** @type {Record<string, [string, string]>} */
const PROBLEMS = {
  NotAllowedError: ["denied", "the camera was not allowed: allow it in the address bar, then try again"],
  SecurityError: ["denied", "this page may not use the camera (Permissions-Policy)"],
  NotFoundError: ["missing", "no camera was found: connect one, then try again"],
  NotReadableError: ["busy", "the camera is in use by another program: close it, then try again"],
  AbortError: ["busy", "the camera could not be started: try again"],
  OverconstrainedError: ["missing", "this camera is not there any more: choose another one"],
};

/**
 * @param {{width?: number, height?: number, fps?: number, quality?: number, deviceId?: string}} [options]
 *   unless told: 640 by 480, 15 a second, quality 0.8
 * @returns {Camera} a source; call `open()` from a click, before `connect`, so that the question comes at a good time
 */
export function camera(options) {
  return new Camera(options);
}

export class Camera extends Emitter {
  kind = "frame";
  /** @type {MediaStream | null} for a preview */
  stream = null;
  /** `closed`, `asking`, `open`, `muted`, `hidden`, or what is in the way: `denied`, `missing`, `busy`, `unsupported`, `lost` */
  state = "closed";
  /** @type {{width: number, height: number, fps: number, quality: number, deviceId?: string}} */
  #options;
  /** @type {any} */
  #video = null;
  /** @type {Encoder | null} */
  #encoder = null;
  #pace = new Pace();
  /** @type {((message: object) => number) | null} */
  #send = null;
  /** @type {any} */
  #session = null;
  /** The frame on its way: being encoded (`id` 0), or waiting for its answer. @type {{id: number, at: number} | null} */
  #inWork = null;
  /** @type {(() => void)[]} */
  #undo = [];
  /** Grows with each `stop`: a camera that was allowed only after it is let go at once. */
  #stops = 0;
  /** The question that is being asked: who asks meanwhile has the same answer. @type {Promise<boolean> | null} */
  #opening = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;

  /** @param {{width?: number, height?: number, fps?: number, quality?: number, deviceId?: string}} [options] */
  constructor(options = {}) {
    super();
    this.#options = { width: 640, height: 480, fps: 15, quality: 0.8, ...options };
  }

  /**
   * Asks for the camera; asked again it tries again. Never throws: `state` and the event of this name tell.
   * @returns {Promise<boolean>} whether it is open
   */
  open() {
    if (this.stream?.active) return Promise.resolve(true);
    if (this.#opening) return this.#opening;
    const opening = this.#ask().finally(() => { if (this.#opening === opening) this.#opening = null; });
    return (this.#opening = opening);
  }

  async #ask() {
    const devices = globalThis.navigator?.mediaDevices;
    if (!devices?.getUserMedia) {
      this.#say("unsupported", "this browser gives no camera here: the page must come by https");
      return false;
    }
    this.#say("asking", "");
    const stops = this.#stops;
    const { width, height, fps, deviceId } = this.#options;
    const video = {
      width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: Math.max(fps, 15) },
      ...(deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "user" }),
    };
    try {
      const stream = await devices.getUserMedia({ video, audio: false });
      if (stops !== this.#stops) {
        for (const track of stream.getTracks()) track.stop();
        return false;
      }
      await this.#opened(stream);
      return true;
    } catch (problem) {
      if (stops !== this.#stops) return false;
      const name = /** @type {any} */ (problem)?.name;
      this.#release();
      this.#say(...(PROBLEMS[name] ?? ["busy", `the camera could not be started: ${problem}`]));
      return false;
    }
  }

  /** @param {(message: object) => number} send @param {any} session */
  async start(send, session) {
    this.#send = send;
    this.#session = session;
    const say = () => session.emit("source", { kind: this.kind, state: this.state, message: this.message });
    this.#undo.push(this.on("state", say));
    this.#undo.push(session.on("visibility", (/** @type {{hidden: boolean}} */ { hidden }) => this.#seen(hidden)));
    this.#encoder ??= new Encoder();
    this.#watchDevices();
    if (this.stream?.active) say(); // it was opened before the session: `open` has nothing to tell
    else await this.open();
  }

  /** What `state` means, in words for the client. */
  message = "";

  stop() {
    this.#stops += 1;
    this.#opening = null;
    for (const undo of this.#undo.splice(0)) undo();
    this.#send = null;
    this.#inWork = null;
    this.#encoder?.close();
    this.#encoder = null;
    this.#release();
    this.#say("closed", "");
  }

  /** @param {Record<string, any>} message that answers something */
  answered({ re, type, code }) {
    if (this.#inWork?.id !== re || !re) return;
    this.#inWork = null;
    if (type === "error" && code === "source_unavailable") {
      this.#say("unsupported", "the service cannot look at pictures");
      this.#release();
    }
  }

  /** What was on its way has no answer any more. */
  connected() {
    this.#inWork = null;
    this.#pace.forget();
  }

  // the device ------------------------------------------------------------------------------------------------------

  /** @param {MediaStream} stream */
  async #opened(stream) {
    this.stream = stream;
    const [track] = stream.getVideoTracks();
    const says = (/** @type {string} */ event, /** @type {() => void} */ what) =>
      track.addEventListener(event, () => { if (this.stream === stream) what(); });
    says("ended", () => this.#lostDevice());
    says("mute", () => this.#say("muted", "the camera gives no picture now"));
    says("unmute", () => this.#say("open", ""));
    const video = (this.#video = document.createElement("video"));
    video.muted = true;
    video.playsInline = true;
    video.srcObject = stream;
    await video.play();
    const end = eachPicture(video, (takenMs) => this.#picture(takenMs));
    this.#release = () => {
      end();
      for (const each of stream.getTracks()) each.stop();
      video.srcObject = null;
      this.#video = this.stream = null;
      this.#release = () => {};
    };
    this.#say("open", "");
  }

  #release = () => {};

  #lostDevice() {
    this.#release();
    this.#say("lost", "the camera was disconnected: connect it again");
  }

  /** From the start to the end: the first change may be the unplugging itself, or come before the device can be used. */
  #watchDevices() {
    const devices = globalThis.navigator?.mediaDevices;
    const changed = () => this.#trySoon(TRY_AGAIN_AFTER_MS);
    devices?.addEventListener?.("devicechange", changed);
    this.#undo.push(() => {
      devices?.removeEventListener?.("devicechange", changed);
      clearTimeout(this.#retry);
      this.#retry = undefined;
    });
  }

  /** @param {number[]} waits one for each try; a newer change begins them anew */
  #trySoon([wait, ...later]) {
    clearTimeout(this.#retry);
    if (wait === undefined) return;
    const timer = setTimeout(async () => {
      if (!MAY_COME_BACK.has(this.state) || (await this.open()) || this.#retry !== timer) return;
      this.#trySoon(later);
    }, wait);
    this.#retry = timer;
  }

  /** @param {boolean} hidden Browsers give a hidden page no new pictures. */
  #seen(hidden) {
    if (hidden && this.state === "open") this.#say("hidden", "the page is hidden: the camera gives no pictures");
    else if (!hidden && this.state === "hidden") this.#say("open", "");
  }

  /** @param {string} state @param {string} message */
  #say(state, message) {
    if (this.state === state) return;
    this.state = state;
    this.message = message;
    this.emit("state", { state, message });
  }

  // pictures --------------------------------------------------------------------------------------------------------

  /** @param {number} takenMs */
  #picture(takenMs) {
    const now = performance.now();
    if (this.#inWork && this.#inWork.id && now - this.#inWork.at > ANSWER_WITHIN_MS) this.#inWork = null;
    const session = this.#session;
    if (!this.#send || this.#inWork || !session.connected || !this.#video?.videoWidth) return;
    if (!this.#pace.admits(now, Math.min(this.#options.fps, session.limits.fps))) return;
    this.#inWork = { id: 0, at: now };
    this.#deliver(this.#inWork, Date.now() - (now - takenMs));
  }

  /** @param {{id: number, at: number}} work @param {number} ts */
  async #deliver(work, ts) {
    const { width, height, quality } = this.#options;
    const { message_bytes: most, pixels } = this.#session.limits;
    try {
      const video = this.#video;
      const size = fit([video.videoWidth, video.videoHeight], [width, height], pixels);
      const picture = await createImageBitmap(video);
      const image = await this.#encoder?.encode(picture, { size, quality, mostBytes: most - ENVELOPE_BYTES });
      if (!image || this.#inWork !== work) return;
      work.id = this.#send?.({ type: "frame", ts, image }) ?? 0;
      work.at = performance.now();
      if (!work.id) this.#inWork = null;
    } catch (problem) {
      if (this.#inWork !== work) return;
      this.#inWork = null;
      this.emit("problem", { message: String(problem) });
      this.#session?.emit("error", { code: "frame_failed", message: String(problem), retryable: true, fatal: false });
    }
  }
}
