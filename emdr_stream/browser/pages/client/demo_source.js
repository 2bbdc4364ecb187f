/** In: what the demo plays, if it plays anything. Out: invented readings, ten a second, for a look at the page without a camera. */

import { samples } from "../../client/index.js";

const EVERY_MS = 100;
const LOCAL = new Set(["localhost", "127.0.0.1", "[::1]"]);

/**
 * Whether invented readings are offered at all: to who tries the page on their own machine. In a real session nobody may
 * take them for a person who is seen. @param {{hostname: string}} place
 */
export const isOffered = ({ hostname }) => LOCAL.has(hostname);

/**
 * The scenario of `emdr-stream demo`; null where it does not run, and the readings are those of a calm face.
 * @typedef {{scenario: string, samples: [number, object][]}} Demo samples: milliseconds since the beginning, and the reading
 * @param {typeof fetch} ask @returns {Promise<Demo | null>}
 */
export async function loadDemo(ask = fetch) {
  try {
    return await (await ask("client/demo.json")).json();
  } catch {
    return null;
  }
}

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

/**
 * What of a scenario is due: everything up to `ms`, in order, that was not taken before; a calm face when it is over.
 * @param {Demo} demo
 */
export function player({ samples: all }) {
  let next = 0;
  return (/** @type {number} */ ms, /** @type {() => number} */ random) => {
    const due = [];
    while (next < all.length && all[next][0] <= ms) due.push(all[next++][1]);
    return due.length || next < all.length ? due : [calmReading(ms / 1000, random)];
  };
}

/** @param {Promise<Demo | null>} loading @returns {any} a source for `connect` */
export function demoSource(loading) {
  const source = samples();
  let timer = 0;
  return {
    ...source,
    async start(send, session) {
      source.start(send, session);
      const play = player((await loading) ?? { scenario: "", samples: [] });
      const since = performance.now();
      timer = setInterval(() => {
        for (const reading of play(performance.now() - since, Math.random)) source.push(reading);
      }, EVERY_MS);
    },
    stop() {
      clearInterval(timer);
      source.stop();
    },
  };
}
