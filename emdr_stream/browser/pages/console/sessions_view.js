/** In: the sessions as they stand. Out: the list of them: who, status, how well seen, who attends, the last alert. */

import { wantsAcknowledgement } from "./alerts.js";
import { byId, h, keepFocus, keyed, setAttribute, setText, show } from "../shared/dom.js";
import { attendance, sightInWords } from "./summary.js";
import { age, named } from "./wording.js";

/** @typedef {import("./desk.js").Desk} Desk */
/** @typedef {import("./model.js").SessionView} SessionView */

export class SessionsView {
  #list = byId("sessions");
  #empty = byId("sessions-empty");
  #desk;
  #drawing;

  /** @param {Desk} desk @param {import("./drawing.js").Drawing} drawing */
  constructor(desk, drawing) {
    this.#desk = desk;
    this.#drawing = drawing;
  }

  render() {
    const { model, words } = this.#desk;
    const sessions = model.sessions;
    show(this.#empty, sessions.length === 0);
    setText(this.#empty, words.t(this.#desk.isLinked ? "sessions.none" : "sessions.loading"));
    const update = (/** @type {HTMLElement} */ item, /** @type {SessionView} */ view) =>
      this.#drawing.part("sessions", () => this.#update(item, view));
    const draw = () => keyed(this.#list, sessions, (view) => view.id, (view) => this.#make(view), update);
    keepFocus(this.#list, draw, () => byId("sessions-title").focus());
  }

  /** @param {SessionView} view */
  #make(view) {
    const button = h("button.session", { type: "button", onclick: () => this.#desk.select(view.id) },
      h("span.session-top", {}, h("span.session-user"), h("span.chip")),
      h("span.session-id"),
      h("span.session-line", { "data-part": "sight" }),
      h("span.session-line", { "data-part": "attend" }),
      h("span.session-line", { "data-part": "alert" }));
    return h("li", {}, button);
  }

  /** @param {HTMLElement} item @param {SessionView} view */
  #update(item, view) {
    const { words, self, model, selectedId } = this.#desk;
    const at = this.#desk.at();
    const part = (/** @type {string} */ name) => /** @type {Element} */ (item.querySelector(name));
    const chosen = view.id === selectedId;
    setAttribute(part("button"), "aria-current", chosen ? "true" : null);
    setText(part(".session-user"), view.summary.user);
    setText(part(".session-id"), view.id);
    const silent = view.isSilent(at) && view.status !== "detached";
    setText(part(".chip"), words.t(silent ? "status.silent" : `status.${view.status}`));
    setAttribute(part(".chip"), "data-tone", silent ? "old" : TONES[view.status]);
    setText(part('[data-part="sight"]'), words.t("sessions.client", { sight: this.#client(view, at) }));
    setText(part('[data-part="attend"]'), view.isOver ? "" : words.t("sessions.therapist", { who: attendance(words, view, self) }));
    const alert = model.alerts.foremost(view.id);
    const line = part('[data-part="alert"]');
    setAttribute(line, "data-tone", alert && wantsAcknowledgement(alert) ? alert.severity : null);
    setText(line, alert ? this.#alertLine(alert) : words.t("sessions.no_alert"));
  }

  /** @param {SessionView} view @param {number} at */
  #client(view, at) {
    const { words } = this.#desk;
    return view.status === "detached" ? words.t("presence.away") : sightInWords(words, view, at);
  }

  /** @param {any} alert */
  #alertLine(alert) {
    const { words } = this.#desk;
    const said = { kind: named(words, "kind", alert.kind), age: age(words, this.#desk.now() - alert.raised_ts) };
    if (!wantsAcknowledgement(alert)) return words.t("sessions.last_alert", said);
    const count = this.#desk.model.alerts.waiting(alert.session_id).length;
    return `${MARKS[alert.severity] ?? ""} ${words.t("sessions.waiting", { ...said, count })}`;
  }
}

/** @type {Record<string, string>} */
export const TONES = { running: "ok", paused: "warn", detached: "danger", ended: "old" };
/** A shape for each severity, so that no meaning hangs on colour. @type {Record<string, string>} */
export const MARKS = { critical: "◆", high: "▲", medium: "●", low: "○" };
