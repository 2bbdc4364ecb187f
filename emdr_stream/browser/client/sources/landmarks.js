/**
 * In: what MediaPipe's FaceLandmarker found, in the page. Out: `landmarks` messages: scores, pose and place, no pixel.
 *
 * The page brings the landmarker (`@mediapipe/tasks-vision`), made with `runningMode: "VIDEO"`,
 * `outputFaceBlendshapes: true`, `outputFacialTransformationMatrixes: true` and `numFaces: 2`; with one face only, a
 * second person in the picture would go unseen.
 */

import { facePlace, faceQuality, headPose, scoresOf } from "./face.js";
import { eachPicture } from "./frames.js";
import { Pace } from "./pace.js";

/**
 * @param {{landmarker?: any, video?: any, fps?: number}} [options] with both, each new picture of the video is looked
 *   at, `fps` (15) a second at most; without, the page looks itself and calls `push`
 * @returns {any} a source with `push(result, {width, height, ts, quality})`
 */
export function landmarks({ landmarker, video, fps = 15 } = {}) {
  if (landmarker && (typeof landmarker.detectForVideo !== "function" || !video)) {
    throw new TypeError("landmarks: `landmarker` must be a FaceLandmarker, and `video` what it looks at");
  }
  return new Landmarks(landmarker, video, fps);
}

class Landmarks {
  kind = "landmarks";
  #landmarker;
  #video;
  #fps;
  #pace = new Pace();
  /** @type {((message: object) => number) | null} */
  #send = null;
  /** @type {any} */
  #session = null;
  #end = () => {};

  /** @param {any} landmarker @param {any} video @param {number} fps */
  constructor(landmarker, video, fps) {
    this.#landmarker = landmarker;
    this.#video = video;
    this.#fps = fps;
  }

  /** @param {(message: object) => number} send @param {any} session */
  start(send, session) {
    this.#send = send;
    this.#session = session;
    if (this.#landmarker) this.#end = eachPicture(this.#video, (takenMs) => this.#look(takenMs));
  }

  stop() {
    this.#end();
    this.#send = null;
  }

  /**
   * @param {any} result FaceLandmarkerResult
   * @param {{width: number, height: number, ts?: number, quality?: number}} picture its size in pixels; `quality` in
   *   [0, 1]: how far the page trusts it, on top of what the face's size says
   * @returns {boolean} false when there is no connection, or it would be more than the service takes
   */
  push(result, { width, height, ts = Date.now(), quality = 1 }) {
    const send = this.#send;
    if (!send || !this.#pace.admits(performance.now(), Math.min(this.#fps, this.#session.limits.rate_hz))) return false;
    return send({ type: "landmarks", ts, ...found(result, width, height, quality) }) !== 0;
  }

  /** @param {number} takenMs */
  #look(takenMs) {
    const { videoWidth: width, videoHeight: height } = this.#video;
    if (!this.#send || !this.#session.connected || !width) return;
    const now = performance.now();
    if (!this.#pace.admits(now, Math.min(this.#fps, this.#session.limits.rate_hz))) return;
    const ts = Date.now() - (now - takenMs);
    this.#send({ type: "landmarks", ts, ...found(this.#landmarker.detectForVideo(this.#video, now), width, height, 1) });
  }
}

/** @param {any} result @param {number} width @param {number} height @param {number} trust */
function found(result, width, height, trust) {
  const faces = result?.faceLandmarks?.length ?? 0;
  const blendshapes = scoresOf(result?.faceBlendshapes?.[0]);
  // A face without its scores is none that anything can be read of: seen, not trusted.
  if (!faces) return { faces: 0, quality: 0 };
  if (!blendshapes) return { faces, quality: 0, blendshapes: undefined };
  const place = facePlace(result.faceLandmarks[0], width, height);
  return {
    faces,
    blendshapes,
    pose: headPose(result.facialTransformationMatrixes?.[0]) ?? undefined,
    place,
    quality: Math.max(0, Math.min(1, trust)) * faceQuality(place, height),
  };
}
