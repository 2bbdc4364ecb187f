/** In: alerts as they stand. Out: their list, most pressing first, with the reasons in words and the acknowledgement. */

import { escalatesIn, isOpen, wantsAcknowledgement } from "./alerts.js";
import { byId, h, keepFocus, keyed, setAttribute, setText, show, switchOff, texts } from "../shared/dom.js";
import { decider, reasons } from "./evidence.js";
import { MARKS } from "./sessions_view.js";
import { age, clock, duration, named, nameOf, problemOf } from "./wording.js";

/** @typedef {import("./desk.js").Desk} Desk */

const PAST_SHOWN = 30;

export class AlertsView {
  #title = byId("alerts-title");
  #list = byId("alerts");
  #none = byId("alerts-empty");
  #past = byId("alerts-past");
  #pastTitle = byId("alerts-past-title");
  #pastList = byId("alerts-past-list");
  #desk;
  #drawing;
  /** @type {Map<string, string>} what went wrong with an acknowledgement, by alert */
  #problems = new Map();
  /** @type {Set<string>} acknowledgements on their way */
  #asked = new Set();

  /** @param {Desk} desk @param {import("./drawing.js").Drawing} drawing */
  constructor(desk, drawing) {
    this.#desk = desk;
    this.#drawing = drawing;
  }

  render() {
    keepFocus(byId("alerts-panel"), () => this.#draw(), () => this.#goOn());
  }

  /** To the next alert that waits, not to its button: a key that is held down must not acknowledge what nobody has read. */
  #goOn() {
    const next = [...this.#list.querySelectorAll(".alert")].find((card) => ["raised", "escalated"].includes(card.dataset.state));
    (next ?? this.#title).focus();
  }

  #draw() {
    const { model, words } = this.#desk;
    const all = model.alerts.list();
    const open = all.filter((alert) => isOpen(alert) && !model.alerts.crisisOf(alert));
    const past = all.filter((alert) => !isOpen(alert)).slice(0, PAST_SHOWN);
    const waiting = open.filter(wantsAcknowledgement).length;
    setText(this.#title, waiting ? words.t("alerts.waiting", { count: waiting }) : words.t("alerts.title"));
    show(this.#none, open.length === 0);
    show(this.#past, past.length > 0);
    setText(this.#pastTitle, words.t("alerts.past", { count: past.length }));
    const key = (/** @type {any} */ alert) => alert.alert_id;
    // One that cannot be drawn whole must not keep the others from being seen.
    const update = (/** @type {HTMLElement} */ item, /** @type {any} */ alert) => {
      this.#drawing.part("alerts", () => this.#update(item, alert));
      this.#drawing.part("alerts", () => this.#explain(item, alert));
    };
    keyed(this.#list, open, key, (alert) => this.#make(alert), update);
    keyed(this.#pastList, past, key, (alert) => this.#make(alert), update);
  }

  /** Acknowledges the most pressing alert: of the session that is shown, or of any where that has none. */
  acknowledgeFirst() {
    const { model, selectedId } = this.#desk;
    const alert = model.alerts.waiting(selectedId)[0] ?? model.alerts.waiting()[0];
    if (alert && !this.#asked.has(alert.alert_id)) this.#acknowledge(alert.alert_id);
    return alert ?? null;
  }

  /** @param {any} alert */
  #make(alert) {
    const id = `alert-${alert.alert_id}`;
    return h("li", {}, h("article.alert", { tabindex: -1, "aria-labelledby": `${id}-kind ${id}-who` },
      h("div.alert-top", {}, h("span.severity", {}), h("h3.alert-kind", { id: `${id}-kind` }), h("span.alert-age")),
      h("p.alert-who", { id: `${id}-who` }),
      h("p.alert-state"),
      h("p.alert-before"),
      h("ul.alert-reasons"),
      h("p.alert-model"),
      h("p.alert-note"),
      h("p.alert-problem", { role: "status" }),
      h("div.alert-actions", {},
        h("button.button.button-main", { type: "button", "data-do": "ack", onclick: () => this.#press(alert, () => this.#acknowledge(alert.alert_id)) }),
        h("button.button", { type: "button", "data-do": "note", onclick: () => this.#press(alert, () => this.#withNote(alert.alert_id)) }),
        h("button.button", { type: "button", "data-do": "show", onclick: () => this.#desk.select(alert.session_id, true) }))));
  }

  /** What it is, whose, and what can be done. @param {HTMLElement} item @param {any} alert */
  #update(item, alert) {
    const { words, model, selectedId } = this.#desk;
    const part = (/** @type {string} */ name) => /** @type {any} */ (item.querySelector(name));
    const waiting = wantsAcknowledgement(alert);
    const name = this.#name(alert.session_id);
    const kind = named(words, "kind", alert.kind);
    setAttribute(part(".alert"), "data-severity", alert.severity);
    setAttribute(part(".alert"), "data-state", alert.state);
    setText(part(".severity"), `${MARKS[alert.severity] ?? ""} ${named(words, "severity", alert.severity)}`);
    setText(part(".alert-kind"), kind);
    setText(part(".alert-who"), name);
    this.#button(part('[data-do="ack"]'), waiting, words.t("alerts.acknowledge"), `${words.t("alerts.acknowledge")}: ${kind}, ${name}`);
    this.#button(part('[data-do="note"]'), waiting, words.t("alerts.with_note"), `${words.t("alerts.with_note")}: ${kind}, ${name}`);
    const other = alert.session_id !== selectedId && model.find(alert.session_id) !== null;
    this.#button(part('[data-do="show"]'), other, words.t("alerts.show"), words.t("alerts.show_named", { name }));
    for (const deed of ["ack", "note"]) switchOff(part(`[data-do="${deed}"]`), this.#asked.has(alert.alert_id) || !this.#desk.isLinked);
    show(part(".alert-actions"), waiting || other);
    setText(part(".alert-age"), words.t("alerts.age", { age: age(words, this.#desk.now() - alert.raised_ts) }));
    setText(part(".alert-state"), this.#stateOf(alert));
    setText(part(".alert-problem"), this.#problems.get(alert.alert_id) ?? "");
  }

  /** Why it was raised. @param {HTMLElement} item @param {any} alert */
  #explain(item, alert) {
    const { words, model } = this.#desk;
    const part = (/** @type {string} */ name) => /** @type {any} */ (item.querySelector(name));
    setText(part(".alert-before"), model.alerts.advicesOf(alert).map((advice) => this.#before(advice)).join(" "));
    setText(part(".alert-note"), alert.note ? words.t("alerts.note", { note: alert.note }) : "");
    setText(part(".alert-model"), decider(words, alert));
    texts(part(".alert-reasons"), reasons(words, alert, model.find(alert.session_id)?.levels));
  }

  /** What is on its way is not asked twice, and what cannot go is told. @param {any} alert @param {() => void} deed */
  #press(alert, deed) {
    const { announce, isLinked, words } = this.#desk;
    if (!isLinked) announce.now(words.t("error.not_connected"));
    else if (!this.#asked.has(alert.alert_id)) deed();
  }

  /** @param {any} button @param {boolean} shown @param {string} text @param {string} label */
  #button(button, shown, text, label) {
    show(button, shown);
    setText(button, text);
    setAttribute(button, "aria-label", label);
  }

  /** @param {any} alert */
  #stateOf(alert) {
    const { words } = this.#desk;
    const left = escalatesIn(alert, this.#desk.now());
    if (alert.state === "raised" && !this.#desk.isLinked) return words.t("alerts.unknown");
    if (left !== null && left > 0) return words.t("alerts.escalates", { time: duration(left) });
    if (alert.state === "raised") return words.t(left === null ? "alerts.raised" : "alerts.escalating");
    if (alert.state === "escalated") return words.t("alerts.escalated");
    const by = alert.by ? words.t("alerts.by", { by: alert.by }) : "";
    if (alert.state === "acknowledged") return words.t("alerts.acknowledged", { by });
    return words.t("alerts.resolved", { time: clock(words, alert.ts ?? alert.raised_ts), by });
  }

  /** An advice that is answered with the crisis of the same occasion. @param {any} advice */
  #before(advice) {
    const { words } = this.#desk;
    return words.t("alerts.before", { kind: named(words, "kind", advice.kind), time: clock(words, advice.raised_ts) });
  }

  /** @param {string} sessionId */
  #name(sessionId) {
    const view = this.#desk.model.find(sessionId);
    return view ? nameOf(view.summary) : sessionId;
  }

  /** @param {string} alertId */
  #withNote(alertId) {
    const { words, model, dialogs } = this.#desk;
    const alert = model.alerts.find(alertId);
    const field = h("textarea.field", { id: "ack-note", rows: 3, maxlength: 500 });
    dialogs.open({
      title: words.t("ack.title"),
      name: `${named(words, "kind", alert.kind)} · ${this.#name(alert.session_id)}`,
      body: [h("label", { for: "ack-note" }, words.t("ack.label")), field, h("p.hint", {}, words.t("ack.hint"))],
      confirm: words.t("alerts.acknowledge"),
      act: async () => { this.#acknowledge(alertId, field.value.trim()); },
    });
  }

  /**
   * With an alert, the advices that stand in its place: these first, or they would come out from under it for a moment.
   * @param {string} alertId @param {string} [note]
   */
  async #acknowledge(alertId, note) {
    const { words, model } = this.#desk;
    const alert = model.alerts.find(alertId);
    const advices = alert ? model.alerts.advicesOf(alert) : [];
    const answers = advices.map((advice) => this.#ask(advice.alert_id));
    const ok = await this.#ask(alertId, note);
    const said = { kind: named(words, "kind", alert?.kind), name: this.#name(alertId.replace(/\.a\d+$/, "")) };
    if (ok) this.#desk.announce.now(words.t("say.acknowledged", said));
    await Promise.all(answers);
  }

  /** What goes wrong is told where it belongs. @param {string} alertId @param {string} [note] @returns {Promise<boolean>} */
  async #ask(alertId, note) {
    this.#asked.add(alertId);
    this.#problems.delete(alertId);
    this.render();
    const answer = await this.#desk.acknowledge(alertId, note);
    this.#asked.delete(alertId);
    const { words } = this.#desk;
    if (!answer.ok) this.#problems.set(alertId, words.t("alerts.failed", { why: problemOf(words, answer) }));
    this.render();
    return answer.ok;
  }
}
