/** In: one face as MediaPipe's browser package gives it. Out: the same numbers that the service makes of a picture. */

const N_SCORES = 52;
/** Points of the face mesh: the middle of the hairline, and the chin. */
const FOREHEAD = 10;
const CHIN = 152;
/** Pixels from chin to forehead: from the first on trust is whole, at the second it is none (the service's HEIGHT_PX). */
const HEIGHT_PX = [100, 40];

/** @param {number} value @param {number} least @param {number} most */
function within(value, least, most) {
  return Math.min(most, Math.max(least, value));
}

/**
 * @param {{categories: {index: number, score: number}[]} | undefined} classification
 * @returns {number[] | null} 52 scores in [0, 1] by index, `_neutral` first; null when one is missing
 */
export function scoresOf(classification) {
  /** @type {number[]} */
  const scores = new Array(N_SCORES).fill(NaN);
  for (const { index, score } of classification?.categories ?? []) {
    if (index >= 0 && index < N_SCORES) scores[index] = within(score, 0, 1);
  }
  return scores.every(Number.isFinite) ? scores : null;
}

/**
 * Degrees, 0 facing the camera; directions are the person's own. R = Ry(yaw) · Rx(-pitch) · Rz(-roll).
 * @param {{data: ArrayLike<number>} | undefined} matrix 4x4 from the face to the camera, columns first
 * @returns {{yaw: number, pitch: number, roll: number} | null}
 */
export function headPose(matrix) {
  const data = matrix?.data;
  if (!data || data.length !== 16) return null;
  // The translation is never all zero: where it stands says whether columns or rows come first.
  const byRows = !data[12] && !data[13] && !data[14] && Boolean(data[3] || data[7] || data[11]);
  const at = (/** @type {number} */ row, /** @type {number} */ column) => data[byRows ? row * 4 + column : column * 4 + row];
  const size = Math.max(Math.hypot(at(0, 2), at(1, 2), at(2, 2)), 1e-6); // the landmarker fits the face's size, too
  const pose = {
    yaw: degrees(Math.atan2(at(0, 2), at(2, 2))),
    pitch: degrees(Math.asin(within(at(1, 2) / size, -1, 1))),
    roll: degrees(Math.atan2(-at(1, 0), at(1, 1))),
  };
  return Object.values(pose).every(Number.isFinite) ? pose : null;
}

/** @param {number} radians */
function degrees(radians) {
  return (radians * 180) / Math.PI + 0;
}

/**
 * @param {{x: number, y: number}[]} points parts of the picture's width and height
 * @param {number} width @param {number} height pixels
 * @returns {{x: number, y: number, height: number}} centre, and chin to forehead as a part of the picture's height
 */
export function facePlace(points, width, height) {
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const { x, y } of points) {
    left = Math.min(left, x);
    right = Math.max(right, x);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  }
  const [forehead, chin] = [points[FOREHEAD], points[CHIN]];
  const tall = Math.hypot((forehead.x - chin.x) * width, (forehead.y - chin.y) * height) / height;
  return { x: within((left + right) / 2, -2, 3), y: within((top + bottom) / 2, -2, 3), height: within(tall, 0, 4) };
}

/**
 * How far a face of this size can be read, 0..1; pose and expression are judged by the service.
 * @param {{height: number}} place @param {number} height of the picture in pixels
 */
export function faceQuality(place, height) {
  const [good, useless] = HEIGHT_PX;
  return within((place.height * height - useless) / (good - useless), 0, 1);
}
