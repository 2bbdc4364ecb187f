/** In: what a therapist wants of the session that is shown. Out: commands, asked back where they are grave, and what became of each. */

import { SHAPES } from "../../client/stimulation/limits.js";
import { PATTERNS } from "../../client/stimulation/paths.js";
import { checkbox, choice, numberField } from "./dialogs.js";
import { byId, h, setAttribute, setText, switchOff } from "../shared/dom.js";
import { changeOf, passesOf, RANGES, STIMULUS, thresholdChange, THRESHOLDS, USUAL_SPEED, waitsForSetEnd } from "./limits.js";
import { changesInWords, pauseInWords } from "./summary.js";
import { clock, named, nameOf, problemOf, reading } from "./wording.js";

/** @typedef {import("./desk.js").Desk} Desk */
/** @typedef {import("./model.js").SessionView} SessionView */

/** Causes in the client: whoever resumes must have spoken with them. */
const GRAVE = new Set(["crisis", "dissociation"]);
const MODES = ["hard", "finish_pass", "ease_to_center"];
const KEYS = { pause: "p", resume: "r", config: "f", thresholds: "t", end: "e" };

export class CommandsView {
  #bar = byId("commands");
  #note = byId("commands-note");
  #desk;
  /** @type {Record<string, any>} */
  #buttons = {};
  #mode = h("select.field.mode", { id: "pause-mode" }, ...MODES.map((mode) => h("option", { value: mode })));

  /** @param {Desk} desk */
  constructor(desk) {
    this.#desk = desk;
    const button = (/** @type {string} */ what, /** @type {string} */ kind) => {
      const made = h(`button.button${kind}`, { type: "button", "aria-keyshortcuts": /** @type {any} */ (KEYS)[what], "data-key": /** @type {any} */ (KEYS)[what], onclick: () => this.run(what) }, h("span"), h("span.visually-hidden"));
      this.#buttons[what] = made;
      return made;
    };
    this.#bar.append(
      h("span.command-pause", {}, button("pause", ".button-danger"), h("label.visually-hidden", { for: "pause-mode" }), this.#mode),
      button("resume", ""), button("config", ""), button("thresholds", ""), button("end", ""),
    );
  }

  /** @param {SessionView} view */
  render(view) {
    const { words, isLinked } = this.#desk;
    const name = nameOf(view.summary);
    for (const [what, button] of Object.entries(this.#buttons)) {
      setText(button.firstElementChild, words.t(`command.${what}`));
      setText(button.lastElementChild, ` ${name}`);
      switchOff(button, !isLinked || !this.#can(what, view));
    }
    setText(/** @type {Element} */ (this.#bar.querySelector("label")), words.t("command.mode"));
    for (const option of this.#mode.options) setText(option, words.t(`mode.${option.value}`));
    const lines = [...this.#standing(view), ...view.pending.all.map((asked) => this.#pendingInWords(view, asked))].filter(Boolean);
    setText(this.#note, lines.join(" · "));
    setAttribute(this.#note, "data-tone", view.pending.all.some((asked) => asked.state === "refused") ? "danger" : null);
  }

  /** @param {string} what */
  run(what) {
    const view = this.#desk.selected;
    if (!view || !this.#desk.isLinked || !this.#can(what, view)) {
      this.#desk.announce.now(this.#desk.words.t(this.#desk.isLinked ? "command.not_now" : "error.not_connected"));
      return;
    }
    if (what === "pause") this.#pause(view);
    else if (what === "resume") this.#resume(view);
    else if (what === "end") this.#end(view);
    else if (what === "config") this.#config(view);
    else this.#thresholds(view);
  }

  /** @param {string} what @param {SessionView} view */
  #can(what, view) {
    if (view.isOver) return false;
    if (what === "resume") return view.status === "paused";
    // Who is away may be paused too: whoever comes back finds a therapist's pause.
    return true;
  }

  /** @param {SessionView} view */
  #standing(view) {
    const { words } = this.#desk;
    const said = view.pause ? pauseInWords(words, view.pause, view.status === "detached") : [];
    if (view.pause?.resume_requires) said.push(words.t(`requires.${view.pause.resume_requires}`));
    if (view.resumeWanted) said.push(words.t("pause.wanted"));
    return said;
  }

  /** @param {SessionView} view @param {import("./pending.js").Asked} asked */
  #pendingInWords(view, asked) {
    const { words } = this.#desk;
    const what = words.t(`command.${asked.what}`);
    if (asked.state === "refused") return words.t("pending.refused", { what, why: problemOf(words, asked.problem ?? { code: "internal" }) });
    if (asked.state === "asked") return words.t("pending.asked", { what, time: clock(words, asked.at) });
    if (asked.what === "pause") return "";
    if (asked.what === "config" && view.summary.pending) return words.t("pending.waits", { what: changesInWords(words, view.summary.pending) });
    return words.t("pending.taken", { what, time: clock(words, asked.at) });
  }

  /** At once, without a question: it is the safe direction. @param {SessionView} view */
  #pause(view) {
    const { words, announce } = this.#desk;
    announce.now(words.t("say.pause_asked", { name: nameOf(view.summary) }));
    this.#desk.command(view, "pause", { reason: "paused at the console", mode: this.#mode.value });
  }

  /** @param {SessionView} view */
  #resume(view) {
    const { words } = this.#desk;
    const grave = GRAVE.has(view.pause?.reason);
    const meant = view.summary.control_epoch;
    const open = this.#desk.model.alerts.waiting(view.id);
    const spoken = checkbox("resume-spoken", words.t("resume.spoken"));
    const body = [
      h("p", {}, words.t("resume.cause", { cause: named(words, "cause", view.pause?.reason) })),
      h("p", {}, words.t("resume.starts")),
    ];
    if (open.length) body.push(h("p.caution", {}, words.t("resume.open_alerts", { count: open.length })));
    if (view.live && view.live.signal.status !== "ok") body.push(h("p.caution", {}, words.t("resume.unseen")));
    if (grave) body.push(spoken.block);
    this.#desk.dialogs.open({
      title: words.t("resume.title"), name: nameOf(view.summary), body, confirm: words.t("command.resume"), isGrave: grave,
      ready: () => !grave || spoken.input.checked,
      act: async () => {
        // The pause that was read here is meant: one that came since needs a look of its own, also if the service alone knows it.
        if (view.summary.control_epoch !== meant) return words.t("resume.newer");
        return this.#desk.command(view, "resume", { reason: "resumed at the console", control_epoch: meant });
      },
    });
  }

  /** @param {SessionView} view */
  #end(view) {
    const { words } = this.#desk;
    const reason = h("input.field", { id: "end-reason", maxlength: 400, autocomplete: "off" });
    this.#desk.dialogs.open({
      title: words.t("end.title"), name: nameOf(view.summary), isGrave: true, confirm: words.t("command.end"),
      body: [h("p", {}, words.t("end.what")), h("div.form-row", {}, h("label", { for: "end-reason" }, words.t("end.reason")), reason)],
      act: () => this.#desk.command(view, "end", { reason: reason.value.trim() || "ended at the console" }),
    });
  }

  /** @param {SessionView} view */
  #config(view) {
    const { words } = this.#desk;
    const present = view.summary.config;
    const pattern = choice("config-pattern", words.t("field.pattern_type"), PATTERNS.slice(), present.pattern_type ?? "horizontal", (name) => named(words, "pattern", name));
    const shapes = present.shape === undefined ? ["", ...SHAPES] : SHAPES.slice();
    const shape = choice("config-shape", words.t("field.shape"), shapes, present.shape ?? "", (name) => (name ? named(words, "shape", name) : words.t("shape.unset")));
    const fields = STIMULUS.map((name) => this.#field(name, present[name]));
    const caution = h("p.caution", { role: "status" });
    const passes = h("p.hint", { id: "config-passes", role: "status" });
    const read = () => {
      const found = changeOf(this.#typed(fields), present, STIMULUS);
      if (pattern.select.value !== (present.pattern_type ?? "horizontal")) found.change.pattern_type = pattern.select.value;
      if (shape.select.value !== (present.shape ?? "")) found.change.shape = shape.select.value;
      return found;
    };
    const ready = () => {
      const { change, wrong } = read();
      this.#tellWrong(fields, wrong);
      const then = { ...present, ...change };
      const count = wrong.length ? null : passesOf(then.speed, then.duration);
      setText(passes, count === null ? "" : words.t("config.passes", { count }));
      const waits = waitsForSetEnd(change, present, Boolean(view.summary.set_started_ts));
      const unusual = change.speed !== undefined && (change.speed > USUAL_SPEED.to || change.speed < USUAL_SPEED.from);
      setText(caution, [waits.length ? words.t("config.waits") : "", unusual ? words.t("config.unusual") : "", view.pause ? words.t("config.paused") : ""].filter(Boolean).join(" "));
      return wrong.length === 0 && Object.keys(change).length > 0;
    };
    this.#desk.dialogs.open({
      title: words.t("config.title"), name: nameOf(view.summary), confirm: words.t("config.send"), ready,
      body: [pattern.block, ...fields.flatMap(({ name, block }) => (name === "duration" ? [block, passes] : [block])), shape.block, caution],
      act: () => { const { change } = read(); return this.#desk.command(view, "config", { config: change }, change); },
    });
  }

  /** @param {SessionView} view */
  #thresholds(view) {
    const { words } = this.#desk;
    const present = view.summary.thresholds;
    const fields = THRESHOLDS.map((name) => this.#field(name, present[name]));
    const sure = checkbox("thresholds-sure", words.t("thresholds.sure"));
    const caution = h("p.caution", { role: "status" });
    const ready = () => {
      const { change, wrong, relaxed } = thresholdChange(this.#typed(fields), present);
      this.#tellWrong(fields, wrong);
      sure.block.hidden = relaxed.length === 0;
      setText(caution, relaxed.length ? words.t("thresholds.relaxed") : "");
      return wrong.length === 0 && Object.keys(change).length > 0 && (relaxed.length === 0 || sure.input.checked);
    };
    this.#desk.dialogs.open({
      title: words.t("thresholds.title"), name: nameOf(view.summary), confirm: words.t("thresholds.send"), ready,
      body: [h("p", {}, words.t("thresholds.what")), ...fields.map((field) => field.block), caution, sure.block],
      act: () => {
        const { change } = thresholdChange(this.#typed(fields), present);
        return this.#desk.command(view, "thresholds", { thresholds: change }, change);
      },
    });
  }

  /** @param {string} name @param {number | undefined} value */
  #field(name, value) {
    const { words } = this.#desk;
    const range = /** @type {Record<string, any>} */ (RANGES)[name];
    const number = (/** @type {number | undefined} */ of) => reading(words, of, range.places);
    const bounds = { least: number(range.least), most: number(range.most) };
    const hint = value === undefined ? words.t("field.hint_unset", bounds) : words.t("field.hint", { now: number(value), ...bounds });
    const field = numberField({ id: `field-${name}`, label: words.t(`field.${name}`), value: value === undefined ? "" : value.toFixed(range.places), hint, range });
    return { ...field, name };
  }

  /** @param {any[]} fields @returns {Record<string, string>} */
  #typed(fields) {
    return Object.fromEntries(fields.map((field) => [field.name, field.input.value]));
  }

  /** @param {any[]} fields @param {{name: string, why: string}[]} wrong */
  #tellWrong(fields, wrong) {
    for (const field of fields) {
      const found = wrong.find(({ name }) => name === field.name);
      const range = /** @type {Record<string, any>} */ (RANGES)[field.name];
      field.tell(found ? this.#desk.words.t(`wrong.${found.why}`, { least: range.least, most: range.most }) : "");
    }
  }
}
