/** In: the session that is shown. Out: its name, status, and the facts that hold now, each with how old it is. */

import { byId, h, keyed, setAttribute, setText, show } from "../shared/dom.js";
import { signInWords } from "./evidence.js";
import { TONES } from "./sessions_view.js";
import { attendance, sightInWords } from "./summary.js";
import { age, clock, duration, named, nameOf, reading } from "./wording.js";

/** @typedef {import("./desk.js").Desk} Desk */
/** @typedef {import("./model.js").SessionView} SessionView */

export class DetailView {
  #desk;

  /** @param {Desk} desk */
  constructor(desk) {
    this.#desk = desk;
  }

  /** @param {SessionView | null} view */
  render(view) {
    const { words } = this.#desk;
    show(byId("detail-empty"), view === null);
    show(byId("detail-body"), view !== null);
    if (!view) {
      setText(byId("detail-empty"), words.t(this.#desk.model.sessions.length ? "detail.choose" : "detail.none"));
      return;
    }
    const at = this.#desk.at();
    const old = !this.#desk.isLinked || (view.isSilent(at) && view.status !== "detached");
    setText(byId("detail-title"), nameOf(view.summary));
    setText(byId("detail-status"), this.#status(view));
    setAttribute(byId("detail-status"), "data-tone", old ? "old" : TONES[view.status]);
    setAttribute(byId("detail"), "data-old", old && !view.isOver ? "" : null);
    show(byId("detail-old"), old && !view.isOver);
    setText(byId("detail-old"), this.#oldNote(view, at));
    keyed(byId("detail-facts"), this.#facts(view, at, old), ([key]) => key, ([key]) => fact(key), (block, [, label, text, tone]) => {
      setText(block.firstElementChild, label);
      setText(block.lastElementChild, text);
      setAttribute(block, "data-tone", tone ?? null);
    });
  }

  /** @param {SessionView} view */
  #status(view) {
    const { words } = this.#desk;
    if (view.isOver && view.endedUnseen) return words.t("status.ended_unseen");
    if (view.isOver) return view.endedWhy ? words.t("status.ended_why", { why: view.endedWhy }) : words.t("status.ended");
    if (view.status === "paused" && view.pause) return words.t("status.paused_why", { cause: named(words, "cause", view.pause.reason) });
    return words.t(`status.${view.status}`);
  }

  /** @param {SessionView} view @param {number} at */
  #oldNote(view, at) {
    const { words, link } = this.#desk;
    const ms = this.#desk.isLinked ? (view.heardAt === null ? null : at - view.heardAt) : link.silentFor(at);
    if (ms === null) return words.t("old.never");
    const values = { age: age(words, ms), time: clock(words, this.#desk.now() - ms) };
    return words.t(this.#desk.isLinked ? "old.session" : "old.link", values);
  }

  /** @param {SessionView} view @param {number} at @param {boolean} old @returns {[string, string, string, (string | null)?][]} */
  #facts(view, at, old) {
    const { words, self } = this.#desk;
    const { summary, live } = view;
    const rated = ["sud", "voc"].filter((scale) => typeof summary[scale] === "number");
    /** @type {[string, string, string, (string | null)?][]} */
    const facts = [
      ["client", words.t("fact.client"), view.status === "detached" ? words.t("presence.away") : sightInWords(words, view, at), sightTone(view, old)],
      ["therapist", words.t("fact.therapist"), attendance(words, view, self)],
      ["state", words.t("fact.state"), this.#state(view), old ? "old" : null],
      ["set", words.t("fact.set"), this.#set(view)],
      ["phase", words.t("fact.phase"), summary.phase ? named(words, "phase", summary.phase) : words.t("fact.no_phase")],
      ["ratings", words.t("fact.ratings"), rated.map((scale) => `${scale.toUpperCase()} ${reading(words, summary[scale], Number.isInteger(summary[scale]) ? 0 : 1)}`).join(", ") || words.t("fact.no_ratings")],
      ["time", words.t("fact.time"), words.t("fact.since", { time: clock(words, summary.started_ts), length: duration(this.#desk.now() - summary.started_ts) })],
      ["source", words.t("fact.source"), named(words, "source", summary.source)],
      ["signs", words.t("fact.signs"), live?.safety.warning_signs.map((/** @type {string} */ sign) => signInWords(words, sign)).join(", ") || words.t("fact.no_signs"), old ? "old" : null],
    ];
    return facts;
  }

  /** @param {SessionView} view */
  #state(view) {
    const { words } = this.#desk;
    const sureness = view.summary.baseline?.sureness ?? 0;
    if (!view.live || view.isOver) return "–";
    if (sureness < 1) return words.t("fact.forming", { percent: Math.floor(sureness * 100) });
    const { label, confidence } = view.live.state;
    if (label === "unknown") return words.t("state.unknown");
    return words.t("fact.estimate", { state: named(words, "state", label), percent: reading(words, confidence * 100, 0) });
  }

  /** @param {SessionView} view */
  #set(view) {
    const { words } = this.#desk;
    const { set_no, set_started_ts, config } = view.summary;
    if (set_started_ts) {
      return words.t("fact.in_set", { no: set_no ?? "–", time: duration(this.#desk.now() - set_started_ts), length: duration((config.duration ?? 0) * 1_000) });
    }
    return typeof set_no === "number" ? words.t("fact.after_set", { no: set_no }) : words.t("fact.no_set");
  }
}

/** @param {string} key */
const fact = (key) => h("div.fact", { "data-fact": key }, h("dt"), h("dd"));

/** @param {SessionView} view @param {boolean} old */
function sightTone(view, old) {
  if (old) return "old";
  if (view.status === "detached") return "danger";
  const status = view.live?.signal?.status;
  return status === "lost" || status === "stale" ? "danger" : status === "degraded" ? "warn" : null;
}
