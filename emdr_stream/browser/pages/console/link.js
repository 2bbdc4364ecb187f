/** In: what the library says of the connection, and the time. Out: whether what is shown is live, and in words why not. */

/** Red within 2.5 s of silence: half a second is left for a slow frame of the page. */
export const SILENT_MS = 2_000;
/** Close codes that have a word of their own. */
const TOLD = new Set([1012, 1013, 4401, 4408, 4429]);

export class Link {
  /** @type {"none" | "connecting" | "live" | "lost" | "closed"} */
  state = "none";
  /** @type {number | null} monotonic time at which something was last heard */
  heardAt = null;
  /** @type {number | null} */
  code = null;
  restarting = false;

  /** @param {number} at */
  welcomed(at) {
    this.state = "live";
    this.heardAt = at;
    this.code = null;
    this.restarting = false;
  }

  connecting() {
    if (this.state === "none") this.state = "connecting";
  }

  /** @param {number | undefined} code */
  lost(code) {
    if (this.state !== "closed") this.state = "lost";
    this.code = code ?? this.code;
  }

  /** @param {number} code */
  closed(code) {
    this.state = "closed";
    this.code = code;
  }

  /**
   * Looks at the silence; a page that stood still itself finds out here.
   * @param {number} silentForMs @param {number} at
   */
  look(silentForMs, at) {
    if (this.state !== "live" && !(this.state === "lost" && this.code === null && silentForMs < SILENT_MS)) return;
    if (Number.isFinite(silentForMs)) this.heardAt = at - silentForMs;
    this.state = silentForMs > SILENT_MS ? "lost" : "live";
  }

  get isLive() {
    return this.state === "live";
  }

  /** Milliseconds since something was heard; null before the first word. @param {number} at */
  silentFor(at) {
    return this.heardAt === null ? null : Math.max(0, at - this.heardAt);
  }

  /** A key of the words for why, or null where there is none to tell. */
  get why() {
    if (this.restarting) return "link.restarting";
    return this.code !== null && TOLD.has(this.code) ? `link.code_${this.code}` : null;
  }
}
