/** In: a video element. Out: one call for each picture that is really new, with the time at which it was taken. */

/** Where a browser does not tell of new pictures, they are looked for this often. */
const LOOK_EVERY_MS = 15;

/**
 * A hidden page, a stopped camera, a frozen video: no picture is new, and there is no call. An old one never counts twice.
 * @param {any} video HTMLVideoElement
 * @param {(takenMs: number) => void} onPicture `takenMs` by `performance.now()`
 * @returns {() => void} ends it
 */
export function eachPicture(video, onPicture) {
  return typeof video.requestVideoFrameCallback === "function" ? told(video, onPicture) : looked(video, onPicture);
}

/** @param {any} video @param {(takenMs: number) => void} onPicture */
function told(video, onPicture) {
  let handle = 0;
  const next = () => {
    handle = video.requestVideoFrameCallback((/** @type {number} */ now, /** @type {any} */ about) => {
      next();
      const taken = about?.captureTime;
      onPicture(taken <= now && taken > now - 2_000 ? taken : now);
    });
  };
  next();
  return () => video.cancelVideoFrameCallback(handle);
}

/** @param {any} video @param {(takenMs: number) => void} onPicture */
function looked(video, onPicture) {
  let shown = -1;
  const timer = setInterval(() => {
    if (video.currentTime === shown) return;
    shown = video.currentTime;
    onPicture(performance.now());
  }, LOOK_EVERY_MS);
  return () => clearInterval(timer);
}
