/** In: nothing. Out: invented readings of a calm face, ten a second, for a look at the page without a camera. */

import { samples } from "../../client/index.js";

const EVERY_MS = 100;

/** A reading that wavers as a calm face's does. @param {number} seconds @param {() => number} random in [0, 1) */
export function calmReading(seconds, random) {
  const waver = (middle, slow, width) => middle + width * Math.sin(seconds / slow) + 0.03 * (random() - 0.5);
  const joy = waver(0.1, 7, 0.03), surprise = waver(0.05, 11, 0.015);
  return {
    emotions: { joy, surprise, sadness: 0.03, anger: 0.02, fear: 0.02, disgust: 0.01, neutral: 0.87 - joy - surprise + 0.05 },
    dimensions: { valence: waver(0.1, 9, 0.05), arousal: waver(-0.1, 13, 0.05), attention: waver(0.8, 17, 0.04) },
    signals: { face_present: true },
  };
}

/** @returns {any} a source for `connect` */
export function demoSource() {
  const source = samples();
  let timer = 0;
  return {
    ...source,
    start(send, session) {
      source.start(send, session);
      const since = performance.now();
      timer = setInterval(() => source.push(calmReading((performance.now() - since) / 1000, Math.random)), EVERY_MS);
    },
    stop() {
      clearInterval(timer);
      source.stop();
    },
  };
}
