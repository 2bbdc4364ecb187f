/** In: a session as it stands. Out: a small picture of the light as the settings make it, and in words what the client sees. */

import { extent, patternNamed, place } from "../../client/stimulation/paths.js";
import { byId, texts } from "../shared/dom.js";
import { coloursOf, fit } from "./plot.js";
import { clientSees } from "./summary.js";

/** @typedef {import("./desk.js").Desk} Desk */
/** @typedef {import("./model.js").SessionView} SessionView */

const TURN = 2 * Math.PI;
const POINTS = 240;

export class SeesView {
  #canvas = byId("sees-picture");
  #words = byId("sees-words");
  #desk;
  #phase = 0;
  #drawnAt = 0;
  #quiet = globalThis.matchMedia?.("(prefers-reduced-motion: reduce)");
  /** @type {Record<string, string> | null} */
  #colours = null;

  /** @param {Desk} desk */
  constructor(desk) {
    this.#desk = desk;
  }

  recolour() {
    this.#colours = null;
  }

  /** @param {SessionView} view */
  render(view) {
    texts(this.#words, clientSees(this.#desk.words, view, this.#desk.now()));
  }

  /** Whether the picture moves, so that it must be drawn again. @param {SessionView} view */
  moves(view) {
    return Boolean(view.summary.set_started_ts) && view.status === "running" && this.#desk.isLinked &&
      !view.isSilent(this.#desk.at()) && !this.#quiet?.matches;
  }

  /** @param {SessionView} view */
  draw(view) {
    this.#colours ??= coloursOf(document.body);
    const { context, width, height } = fit(this.#canvas);
    const config = view.summary.config;
    const pattern = patternNamed(config.pattern_type ?? "horizontal") ?? "horizontal";
    const at = this.#desk.at();
    const passed = Math.min(100, at - this.#drawnAt) / 1_000;
    this.#drawnAt = at;
    const moving = this.moves(view);
    // The phase is summed up, as in the client's own engine: a change of the speed makes no jump.
    if (moving) this.#phase += passed * (config.speed ?? 1) * TURN;
    else if (view.pause || view.status !== "running") this.#phase = 0;
    const reach = extent(pattern);
    const scale = Math.min((width / 2 - 14) / reach.x, reach.y > 0.01 ? (height / 2 - 14) / reach.y : Infinity);
    const spot = (/** @type {number} */ phase) => {
      const [x, y] = place(pattern, phase);
      return [width / 2 + x * scale, height / 2 + y * scale];
    };
    this.#path(context, spot);
    const [x, y] = moving ? spot(this.#phase) : [width / 2, height / 2];
    context.beginPath();
    context.arc(x, y, 7, 0, TURN);
    context.fillStyle = moving ? this.#colours.accent : this.#colours.muted;
    context.fill();
    if (view.pause || view.status !== "running") this.#bars(context, width, height);
  }

  /** @param {CanvasRenderingContext2D} context @param {(phase: number) => number[]} spot */
  #path(context, spot) {
    context.strokeStyle = /** @type {Record<string, string>} */ (this.#colours)["line-strong"];
    context.lineWidth = 1;
    context.setLineDash([3, 4]);
    context.beginPath();
    for (let i = 0; i <= POINTS; i += 1) {
      const [x, y] = spot((i / POINTS) * TURN);
      if (i) context.lineTo(x, y);
      else context.moveTo(x, y);
    }
    context.stroke();
    context.setLineDash([]);
  }

  /** The sign of a pause, over the light at rest. @param {CanvasRenderingContext2D} context @param {number} width @param {number} height */
  #bars(context, width, height) {
    context.fillStyle = /** @type {Record<string, string>} */ (this.#colours).ink;
    context.fillRect(width / 2 - 4, height / 2 - 16, 3, 32);
    context.fillRect(width / 2 + 2, height / 2 - 16, 3, 32);
  }
}
