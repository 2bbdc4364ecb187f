/** In: emotion data that the page has from wherever it likes. Out: `sample` messages. */

/** @returns {any} a source with `push({emotions, dimensions, signals, context, ts})` */
export function samples() {
  /** @type {((message: object) => number) | null} */
  let send = null;
  /** @type {any} */
  let session = null;
  /** @type {number[]} */
  let recent = [];

  return {
    kind: "emotion",
    /** @param {(message: object) => number} to @param {any} of */
    start(to, of) {
      send = to;
      session = of;
    },
    stop() {
      send = null;
    },
    /**
     * @param {Record<string, any>} sample fields that are not known stay away or null: never 0
     * @returns {boolean} false when there is no connection, or it would be more than the service takes a second
     */
    push({ emotions, dimensions, signals, context, ts = Date.now() }) {
      if (!send) return false;
      recent = recent.filter((at) => at > ts - 1_000 && at <= ts);
      if (recent.length >= session.limits.rate_hz) return false;
      recent.push(ts);
      return send({ type: "sample", ts, emotions, dimensions, signals, context }) !== 0;
    },
  };
}
