/** In: pictures, one at a time. Out: their JPEGs, made in a worker where there can be one, else in the page. */

import { startWorker } from "../workers.js";
import { encodeJpeg } from "./jpeg.js";

/** @typedef {{size: [number, number], quality: number, mostBytes: number}} Wish */

export class Encoder {
  /** @type {Worker | null} */
  #worker = null;
  /** @type {OffscreenCanvas | HTMLCanvasElement | null} */
  #canvas = null;
  #next = 0;
  /** @type {{id: number, done: (bytes: Uint8Array) => void, failed: (problem: unknown) => void} | null} */
  #awaited = null;

  constructor() {
    if (typeof OffscreenCanvas !== "function") return;
    this.#worker = startWorker("./sources/camera_worker.js", (problem) => this.#broken(problem));
    this.#worker?.addEventListener("message", ({ data }) => this.#answer(data));
  }

  /**
   * @param {ImageBitmap} picture closed here
   * @param {Wish} wish
   * @returns {Promise<Uint8Array>}
   */
  encode(picture, wish) {
    const worker = this.#worker;
    if (!worker) return this.#here(picture, wish);
    return new Promise((done, failed) => {
      const id = (this.#next += 1);
      this.#awaited = { id, done, failed };
      worker.postMessage({ id, picture, wish }, [picture]);
    });
  }

  close() {
    this.#worker?.terminate();
    this.#worker = null;
    this.#awaited?.failed(new Error("the camera was closed"));
    this.#awaited = null;
  }

  /** @param {ImageBitmap} picture @param {Wish} wish */
  async #here(picture, wish) {
    this.#canvas ??= typeof OffscreenCanvas === "function" ? new OffscreenCanvas(1, 1) : document.createElement("canvas");
    try {
      return await encodeJpeg(this.#canvas, picture, wish);
    } finally {
      picture.close();
    }
  }

  /** @param {{id: number, bytes?: Uint8Array, problem?: string}} answer */
  #answer({ id, bytes, problem }) {
    if (this.#awaited?.id !== id) return;
    const { done, failed } = this.#awaited;
    this.#awaited = null;
    if (bytes) done(bytes);
    else failed(new Error(problem));
  }

  /** The worker could not be loaded: this picture is lost, the next ones are made in the page. @param {unknown} problem */
  #broken(problem) {
    this.#worker?.terminate();
    this.#worker = null;
    this.#awaited?.failed(problem);
    this.#awaited = null;
  }
}
