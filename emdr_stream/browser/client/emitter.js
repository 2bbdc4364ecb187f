/** In: handlers by the name of an event. Out: each is called, in order, at once; one that throws stops no other. */

export class Emitter {
  /** @type {Map<string, Set<(detail: any) => void>>} */
  #handlers = new Map();

  /**
   * Calls `handler` at each `event` until the function that is returned is called.
   * @param {string} event
   * @param {(detail: any) => void} handler
   * @returns {() => void}
   */
  on(event, handler) {
    if (typeof handler !== "function") throw new TypeError(`on(${event}): the handler must be a function`);
    const handlers = this.#handlers.get(event) ?? new Set();
    this.#handlers.set(event, handlers.add(handler));
    return () => { handlers.delete(handler); };
  }

  /**
   * Calls `handler` at the next `event` only.
   * @param {string} event
   * @param {(detail: any) => void} handler
   */
  once(event, handler) {
    const off = this.on(event, (detail) => { off(); handler(detail); });
    return off;
  }

  /**
   * Calls the handlers before it returns: a pause must have reached the stimulus by then.
   * @param {string} event
   * @param {any} [detail]
   */
  emit(event, detail) {
    for (const handler of [...(this.#handlers.get(event) ?? [])]) {
      try {
        handler(detail);
      } catch (problem) {
        report(problem);
      }
    }
  }
}

/**
 * A handler's fault is its page's to see, as any uncaught error; the others must still hear of the pause.
 * @param {unknown} problem
 */
function report(problem) {
  if (typeof globalThis.reportError === "function") globalThis.reportError(problem);
  else console.error(problem);
}
