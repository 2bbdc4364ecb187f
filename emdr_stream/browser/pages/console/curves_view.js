/** In: a session's curves. Out: a table with one row for each: name, picture, present reading, own level or threshold. */

import { CURVES } from "./curves.js";
import { byId, h, keyed, setAttribute, setText } from "../shared/dom.js";
import { distance } from "./evidence.js";
import { lanesOf } from "./lanes.js";
import { coloursOf, drawAxis, drawLane, hatch, pauseBar } from "./plot.js";
import { clock, nameOf, reading } from "./wording.js";

/** @typedef {import("./desk.js").Desk} Desk */
/** @typedef {import("./model.js").SessionView} SessionView */

const WINDOWS_MIN = [2, 10, 30];
const READINGS = 12;
const READINGS_EVERY_MS = 10_000;

export class CurvesView {
  #lanes = byId("lanes");
  #axis = byId("axis");
  #desk;
  #minutes = WINDOWS_MIN[0];
  /** @type {Record<string, string> | null} */
  #colours = null;

  /** @param {Desk} desk */
  constructor(desk) {
    this.#desk = desk;
    const choose = (/** @type {number} */ minutes) => { this.#minutes = minutes; this.#desk.render(); };
    byId("curves-window").append(...WINDOWS_MIN.flatMap((minutes, index) => {
      const id = `window-${minutes}`;
      return [
        h("input", { type: "radio", name: "window", id, value: minutes, checked: index === 0, onchange: () => choose(minutes) }),
        h("label", { for: id, "data-minutes": minutes }),
      ];
    }));
    byId("legend").append(
      ...["own", "set", "pause", "missing", "forming", "alert"].map((what) => h("li", { "data-what": what }, legendPicture(), h("span"))),
    );
  }

  /** The page's colours have changed. */
  recolour() {
    this.#colours = null;
  }

  /** @param {SessionView} view */
  render(view) {
    const { words } = this.#desk;
    setText(byId("curves-caption"), words.t("curves.caption", { name: nameOf(view.summary) }));
    for (const label of byId("curves-window").querySelectorAll("label")) {
      setText(label, words.t("curves.minutes", { count: label.dataset.minutes }));
    }
    keyed(this.#lanes, CURVES, (name) => name, (name) => laneRow(name), (row, name) => this.#fill(row, name, view));
    this.#legend();
    if (byId("readings").open) this.#readings(view);
  }

  /** Draws; called for each frame in which something may have moved. @param {SessionView} view */
  draw(view) {
    this.#colours ??= coloursOf(document.body);
    const to = this.#desk.now();
    const time = { from: to - this.#minutes * 60_000, to };
    const lanes = lanesOf(view, time);
    const isOld = !this.#desk.isLinked || !view.isNow(this.#desk.at());
    for (const name of CURVES) {
      const canvas = this.#lanes.querySelector(`[data-key="${name}"] canvas`);
      if (canvas) drawLane(canvas, lanes[name], time, this.#colours, isOld);
    }
    const font = getComputedStyle(document.body).fontFamily;
    drawAxis(this.#axis, time, this.#colours, font, (ts) => clock(this.#desk.words, ts));
  }

  /** @param {HTMLElement} row @param {string} name @param {SessionView} view */
  #fill(row, name, view) {
    const { words } = this.#desk;
    const part = (/** @type {string} */ selector) => /** @type {Element} */ (row.querySelector(selector));
    setText(part(".lane-name"), words.t(`signal.${name}`));
    setText(part(".lane-range"), words.t(`range.${name}`));
    const now = this.#present(view, name);
    setText(part(".lane-value"), now.text);
    setAttribute(part(".lane-value"), "data-tone", now.tone);
    setText(part(".lane-how"), now.how);
    setText(part(".lane-own"), this.#own(view, name));
  }

  /** @param {SessionView} view @param {string} name @returns {{text: string, how: string, tone: string | null}} */
  #present(view, name) {
    const { words } = this.#desk;
    const point = view.curves.newest;
    const isOld = !this.#desk.isLinked || !view.isNow(this.#desk.at());
    const value = point && !point.blind ? /** @type {any} */ (point)[name] : null;
    if (isOld) return { text: value === null ? "–" : reading(words, value), how: words.t(value === null ? "reading.unseen" : "reading.old"), tone: "old" };
    if (value === null) return { text: "–", how: words.t(this.#whyNone(view, name)), tone: "old" };
    return { text: reading(words, value), ...this.#judged(view, name, value) };
  }

  /** @param {SessionView} view @param {string} name */
  #whyNone(view, name) {
    const modelled = name === "risk" || name === "crisis";
    if (modelled && view.summary.baseline?.sureness < 1) return "reading.forming";
    return "reading.unseen";
  }

  /** @param {SessionView} view @param {string} name @param {number} value */
  #judged(view, name, value) {
    const { words } = this.#desk;
    const { risk, crisis_pause, crisis_immediate } = view.summary.thresholds;
    if (name === "risk") return value > risk ? { how: words.t("reading.over"), tone: "warn" } : { how: words.t("reading.under"), tone: null };
    if (name === "crisis") {
      if (value > crisis_pause) return { how: words.t("reading.over"), tone: value > crisis_immediate ? "danger" : "warn" };
      return { how: words.t("reading.under"), tone: null };
    }
    const level = /** @type {Record<string, {mean: number, deviation: number} | null>} */ (view.levels)[name];
    const how = level ? distance(value, level.mean, level.deviation) : null;
    return { how: how ? words.t(`distance.${how}`) : "", tone: null };
  }

  /** @param {SessionView} view @param {string} name */
  #own(view, name) {
    const { words } = this.#desk;
    const { thresholds, baseline } = view.summary;
    if (name === "risk") return words.t("own.risk", { value: reading(words, thresholds.risk) });
    if (name === "crisis") {
      return words.t("own.crisis", { pause: reading(words, thresholds.crisis_pause), immediate: reading(words, thresholds.crisis_immediate) });
    }
    const level = /** @type {Record<string, {mean: number, deviation: number} | null>} */ (view.levels)[name];
    if (level) return words.t("own.level", { mean: reading(words, level.mean), spread: reading(words, 2 * level.deviation) });
    if (baseline?.sureness >= 1) return words.t("own.none");
    return words.t("own.forming", { percent: Math.floor((baseline?.sureness ?? 0) * 100) });
  }

  #legend() {
    this.#colours ??= coloursOf(document.body);
    for (const item of byId("legend").children) {
      const what = item.dataset.what;
      setText(item.querySelector("span"), this.#desk.words.t(`legend.${what}`));
      drawLegend(item.querySelector("canvas"), what, this.#colours);
    }
  }

  /** @param {SessionView} view the last two minutes, as text */
  #readings(view) {
    const { words } = this.#desk;
    const head = [words.t("readings.time"), ...CURVES.map((name) => words.t(`signal.${name}`))];
    const row = h("tr", {}, ...head.map((text) => h("th", { scope: "col" }, text)));
    if (byId("readings-head").textContent !== head.join("")) byId("readings-head").replaceChildren(row);
    const newest = Math.floor(this.#desk.now() / READINGS_EVERY_MS) * READINGS_EVERY_MS;
    const times = Array.from({ length: READINGS }, (_, i) => newest - i * READINGS_EVERY_MS);
    keyed(byId("readings-body"), times, String, () => h("tr", {}, h("th", { scope: "row" }), ...CURVES.map(() => h("td"))), (line, ts) => {
      const point = view.curves.at(ts);
      setText(line.children[0], clock(words, ts));
      CURVES.forEach((name, i) => {
        const value = point && !point.blind ? /** @type {any} */ (point)[name] : null;
        setText(line.children[i + 1], value === null ? words.t("readings.none") : reading(words, value));
      });
    });
  }
}

/** @param {string} name */
function laneRow(name) {
  return h("tr", { "data-lane": name },
    h("th", { scope: "row" }, h("span.lane-name"), h("span.lane-range")),
    h("td.lane-plot", {}, h("canvas.lane-canvas", { height: 64, "aria-hidden": "true" })),
    h("td", {}, h("span.lane-value"), h("span.lane-how")),
    h("td.lane-own"));
}

const legendPicture = () => h("canvas.legend-picture", { width: 28, height: 14, "aria-hidden": "true" });

/** @param {HTMLCanvasElement} canvas @param {string | undefined} what @param {Record<string, string>} colours */
function drawLegend(canvas, what, colours) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.clearRect(0, 0, 28, 14);
  const fills = /** @type {Record<string, string>} */ ({ own: "accent-soft", set: "sunk", pause: "panel", alert: "panel" });
  if (what === "missing" || what === "forming") hatch(context, 0, 28, 14, colours, what);
  else {
    context.fillStyle = colours[fills[what ?? "own"]];
    context.fillRect(0, 0, 28, 14);
  }
  if (what === "pause") pauseBar(context, 2, 26, 14, colours.danger);
  if (what === "alert") {
    context.fillStyle = colours.danger;
    context.fillRect(13, 0, 2, 14);
  }
  if (what === "own") {
    context.fillStyle = colours.accent;
    for (let x = 1; x < 28; x += 5) context.fillRect(x, 6.5, 2, 1);
  }
  context.strokeStyle = colours.line;
  context.strokeRect(0.5, 0.5, 27, 13);
}
