/** In: `{id, picture, wish}`. Out: `{id, bytes}` or `{id, problem}`; the picture is gone then. */

import { encodeJpeg } from "./jpeg.js";

const canvas = new OffscreenCanvas(1, 1);

onmessage = async ({ data: { id, picture, wish } }) => {
  try {
    const bytes = await encodeJpeg(canvas, picture, wish);
    postMessage({ id, bytes }, { transfer: [bytes.buffer] });
  } catch (problem) {
    postMessage({ id, problem: String(problem) });
  } finally {
    picture.close();
  }
};
