/** In: what happened in a session. Out: its list, newest first, and the client's own ratings in a row. */

import { byId, h, keyed, setAttribute, setText } from "../shared/dom.js";
import { MARKS } from "./sessions_view.js";
import { changesInWords } from "./summary.js";
import { GROUPS } from "./timeline.js";
import { clock, named, reading } from "./wording.js";

/** @typedef {import("./desk.js").Desk} Desk */
/** @typedef {import("./model.js").SessionView} SessionView */
/** @typedef {import("./timeline.js").Entry} Entry */

const SHOWN = 300;
/** @type {Record<string, string>} */
const SIGNS = { set: "▬", rating: "#", phase: "§", pause: "‖", resume: "►", applied: "■", presence: "×", adapt: "≈", intervention: "“", alert: "◆" };

export class TimelineView {
  #list = byId("timeline");
  #desk;
  /** @type {Set<string>} */
  #hidden = new Set();

  /** @param {Desk} desk */
  constructor(desk) {
    this.#desk = desk;
    byId("timeline-groups").append(...Object.keys(GROUPS).flatMap((group) => [
      h("input", { type: "checkbox", id: `group-${group}`, checked: true, onchange: (/** @type {any} */ event) => this.#toggle(group, event.target.checked) }),
      h("label", { for: `group-${group}`, "data-group": group }),
    ]));
  }

  /** @param {SessionView} view */
  render(view) {
    const { words } = this.#desk;
    for (const label of byId("timeline-groups").querySelectorAll("label")) setText(label, words.t(`group.${label.dataset.group}`));
    setText(byId("timeline-from"), words.t(`timeline.${view.history}`, { time: clock(words, view.since) }));
    setText(byId("timeline-ratings"), this.#ratings(view));
    const kinds = new Set(Object.entries(GROUPS).filter(([group]) => !this.#hidden.has(group)).flatMap(([, names]) => names));
    const entries = view.timeline.entries.filter((entry) => kinds.has(entry.kind)).slice(-SHOWN).reverse();
    keyed(this.#list, entries, (entry) => entry.key, () => makeLine(), (line, entry) => this.#fill(line, entry));
    setAttribute(this.#list, "data-empty", entries.length ? null : "");
  }

  /** @param {string} group @param {boolean} shown */
  #toggle(group, shown) {
    if (shown) this.#hidden.delete(group);
    else this.#hidden.add(group);
    this.#desk.render();
  }

  /** @param {HTMLElement} line @param {Entry} entry */
  #fill(line, entry) {
    const { words } = this.#desk;
    setAttribute(line, "data-kind", entry.kind);
    setText(/** @type {Element} */ (line.querySelector("time")), clock(words, entry.ts));
    setText(/** @type {Element} */ (line.querySelector(".sign")), entry.kind === "alert" ? MARKS[entry.facts.severity] : SIGNS[entry.kind]);
    setText(/** @type {Element} */ (line.querySelector(".what")), inWords(words, entry));
  }

  /** @param {SessionView} view */
  #ratings(view) {
    const { words } = this.#desk;
    const rows = [];
    for (const scale of /** @type {const} */ (["sud", "voc"])) {
      const given = view.timeline.ratings(scale).map(({ value }) => reading(words, value, Number.isInteger(value) ? 0 : 1));
      const newest = view.summary[scale];
      if (!given.length && typeof newest === "number") given.push(reading(words, newest, 0));
      if (given.length) rows.push(words.t(`ratings.${scale}`, { values: given.slice(-12).join(" → ") }));
    }
    return rows.length ? rows.join("   ·   ") : words.t("ratings.none");
  }
}

const makeLine = () => h("li", {}, h("time"), h("span.sign", { "aria-hidden": "true" }), h("span.what"));

/**
 * @param {import("../shared/words.js").Words} words
 * @param {Entry} entry
 */
export function inWords(words, { kind, facts }) {
  switch (kind) {
    case "set": return words.t(`event.set_${facts.action}`, { no: facts.set_no ?? "–" });
    case "rating": return words.t(`event.${facts.scale}`, { value: reading(words, facts.value, Number.isInteger(facts.value) ? 0 : 1) });
    case "phase": return words.t("event.phase", { phase: named(words, "phase", facts.phase) });
    case "pause": return words.t("event.pause", { cause: named(words, "cause", facts.reason), mode: named(words, "mode", facts.mode) });
    case "resume": return words.t("event.resume", { by: facts.by === "client" ? words.t("by.client") : facts.by });
    case "applied": return words.t("event.applied");
    case "presence": return words.t(`event.${facts.action}`);
    case "adapt": return words.t("event.adapt", { what: changesInWords(words, facts.config), when: named(words, "effective", facts.effective), why: (facts.reasons ?? []).map((/** @type {string} */ reason) => reasonInWords(words, reason)).join("; ") });
    case "intervention": return words.t("event.intervention", { type: named(words, "intervention", facts.type) });
    case "alert": {
      const state = named(words, "alert_state", facts.state) + (facts.by ? ` ${words.t("alerts.by", { by: facts.by })}` : "");
      return words.t("event.alert", { kind: named(words, "kind", facts.kind), severity: named(words, "severity", facts.severity), state });
    }
    default: return kind;
  }
}

/** The service gives its reasons in English, with a number in some. @param {import("../shared/words.js").Words} words @param {string} reason */
function reasonInWords(words, reason) {
  const value = reason.match(/\((?:(?:highest )?risk )?(\d\.\d+)\)/)?.[1] ?? "";
  const key = `why.${reason.replace(/ \(.*\)/, "").replace(/[^a-z]+/gi, "_").toLowerCase()}`;
  return words.has(key) ? words.t(key, { value }) : reason;
}
