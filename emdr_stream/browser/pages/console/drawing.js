/** In: the parts of a page and how each is drawn. Out: those that could not be; one that fails keeps no other from being drawn. */

export class Drawing {
  /** @type {Set<string>} */
  #broken = new Set();
  #tell;

  /** @param {() => void} tell called when one more part could not be drawn */
  constructor(tell) {
    this.#tell = tell;
  }

  /** Whether everything could be drawn that ever was to be. */
  get isWhole() {
    return this.#broken.size === 0;
  }

  /** In the order in which they failed. */
  get broken() {
    return [...this.#broken];
  }

  /** @param {string} name @param {() => void} draw */
  part(name, draw) {
    try {
      draw();
    } catch (problem) {
      this.failed(name, problem);
    }
  }

  /**
   * Told once for each part, and never taken back: what failed may have left something behind that nobody sees.
   * @param {string} name @param {unknown} problem
   */
  failed(name, problem) {
    if (this.#broken.has(name)) return;
    this.#broken.add(name);
    console.error(name, problem);
    this.#tell();
  }
}
