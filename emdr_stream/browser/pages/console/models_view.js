/** In: what the service answers of its models. Out: the console's section of them, asked for while somebody has it open. */

import { byId, h, setText, show } from "../shared/dom.js";
import { named, reading } from "./wording.js";

/** @typedef {import("./desk.js").Desk} Desk */
/** @typedef {import("../shared/words.js").Words} Words */

const EVERY_MS = 30_000;
const SHOWN_HEX = 12;

export class ModelsView {
  #desk;
  #token;
  #details = byId("models");
  /** @type {any} the newest answer */
  #told = null;
  /** @type {string | null} a key of the words */
  #problem = null;
  #asking = false;
  /** For whom it is asked: an answer to somebody who has left is none. */
  #asked = 0;

  /** @param {Desk} desk @param {() => Promise<string>} token */
  constructor(desk, token) {
    this.#desk = desk;
    this.#token = token;
    this.#details.addEventListener("toggle", () => this.#ask());
    setInterval(() => this.#ask(), EVERY_MS);
  }

  render() {
    const { words } = this.#desk;
    show(byId("models-panel"), !byId("desk").hidden);
    setText(byId("models-problem"), this.#problem ? words.t(this.#problem) : "");
    const told = this.#told;
    show(byId("models-body"), told !== null);
    if (!told || !this.#details.open) return;
    for (const [name, lines] of Object.entries(tables(words, told))) rows(byId(`models-${name}`), lines);
    setText(byId("models-decided"), words.t("models.decided", { days: told.days, count: told.sessions }));
    setText(byId("models-shadow"), told.shadow_rows ? words.t("models.shadow", { rows: told.shadow_rows, failures: told.shadow_failures }) : "");
  }

  /** What one person was told is not for the next. */
  forget() {
    this.#told = this.#problem = null;
    this.#asked += 1;
    this.#details.open = false;
  }

  async #ask() {
    if (!this.#details.open || this.#asking || document.hidden || byId("desk").hidden) return;
    this.#asking = true;
    const asked = this.#asked;
    try {
      const answer = await fetch(new URL("v1/analytics/models", new URL(".", location.href)), {
        headers: { authorization: `Bearer ${await this.#token()}`, accept: "application/json" },
      });
      const told = answer.ok ? await answer.json() : null;
      if (asked !== this.#asked) return;
      if (told) this.#take(told);
      else this.#problem = answer.status === 403 ? "models.forbidden" : "models.failed";
    } catch {
      this.#problem = "models.failed";
    } finally {
      this.#asking = false;
      this.#desk.render();
    }
  }

  /** Only what can be shown is kept. @param {any} told */
  #take(told) {
    tables(this.#desk.words, told);
    this.#told = told;
    this.#problem = null;
  }
}

/** All of an answer; throws for one that is none, such as another version's or a proxy's. @param {Words} words @param {any} told */
export function tables(words, told) {
  return { versions: versionRows(words, told), latency: latencyRows(words, told), decisions: decisionRows(words, told) };
}

/** Which versions decide, and how far each has drifted. @param {Words} words @param {any} told @returns {string[][]} */
export function versionRows(words, told) {
  return told.models.map((/** @type {any} */ model) => {
    const drift = told.drift.find((/** @type {any} */ one) => one.model === model.name);
    return [
      model.name, model.version, model.sha256.slice(0, SHOWN_HEX),
      drift ? index(words, drift.outputs, drift.outputs_limit) : words.t("models.not_watched"),
      drift ? index(words, drift.inputs, drift.inputs_limit) : words.t("models.not_watched"),
      drift ? reading(words, drift.sessions, 0) : "–",
    ];
  });
}

/** @param {Words} words @param {any} told @returns {string[][]} */
export function latencyRows(words, told) {
  return told.latency.map((/** @type {any} */ one) => [
    words.t(`models.stage.${one.stage}`), reading(words, one.count, 0),
    one.p50_ms === null ? "–" : words.t("models.at_most", { ms: reading(words, one.p50_ms, 1) }),
    one.p99_ms === null ? "–" : words.t("models.at_most", { ms: reading(words, one.p99_ms, 1) }),
  ]);
}

/** @param {Words} words @param {any} told @returns {string[][]} */
export function decisionRows(words, told) {
  return Object.entries(told.decisions).map(([kind, count]) => [named(words, "kind", kind), reading(words, Number(count), 0)]);
}

/** A stability index beside its limit; none before enough sessions were seen. @param {Words} words @param {number | null} value @param {number} limit */
function index(words, value, limit) {
  if (value === null) return words.t("models.too_few");
  const said = { value: reading(words, value, 2), limit: reading(words, limit, 2) };
  return words.t(value >= limit ? "models.drifts" : "models.within", said);
}

/** The first cell of a row is its head. @param {Element} body @param {string[][]} lines */
function rows(body, lines) {
  const text = JSON.stringify(lines);
  if (/** @type {HTMLElement} */ (body).dataset.shown === text) return;
  /** @type {HTMLElement} */ (body).dataset.shown = text;
  body.replaceChildren(...lines.map(([head, ...cells]) => h("tr", {}, h("th", { scope: "row" }, head), ...cells.map((cell) => h("td", {}, cell)))));
}
