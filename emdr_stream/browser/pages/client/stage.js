/** In: a session, a stimulation, the person's hands. Out: the view that fits; the light stopped before anything else. */

import { attach, bindStopKeys, cardFor } from "../../client/stimulation/index.js";
import { luminance, shown } from "../../client/stimulation/colours.js";
import { byId, setText, show } from "../shared/dom.js";
import { letterOf } from "../shared/letter.js";
import { isTrouble } from "./camera_trouble.js";
import { panelOf } from "./panels.js";
import { causeAfter, ratingsDue, viewOf } from "./view.js";

const SLOW_MS = 6000;
const WHISPER_MOST_S = 60;
/** Relative luminance; a background below it is a dark room's, and so is what is written beside it. */
const DARK_BELOW = 0.2;

export class Stage {
  #words; #session; #engine; #actions; #cleared = [];
  #now = {
    ended: false, closedWith: null, refusedFor: null, welcomed: false, connected: false, paused: true, cause: null, resumeRequires: null,
    rating: false,
  };
  #more = { setsDone: 0, learning: true, slow: false, due: [], totals: null, intervention: null, problem: null, source: null, need: null };
  #shown = "";
  #panel = null;
  #whispering = 0;
  #length = null;
  /** How long the service keeps the session of who is gone, and since when that is. */
  #graceMs = 0;
  #goneAt = 0;

  /**
   * @param {import("../shared/words.js").Words} words @param {any} session not opened yet
   * @param {import("../../client/stimulation/engine.js").Stimulation} engine
   * @param {{ticket: (text: string) => string | null, again: () => void, camera: () => void, untilMs: () => number | null}} outlets
   */
  constructor(words, session, engine, outlets) {
    this.#words = words;
    this.#session = session;
    this.#engine = engine;
    this.#actions = {
      begin: () => this.#begin(),
      stop: () => this.stop(),
      end: () => session.end(),
      goOn: () => this.#goOn(),
      rate: (ratings) => this.#rate(ratings),
      skip: () => this.#rated(null),
      ...outlets,
    };
    this.#listen();
    this.#bind();
    setTimeout(() => this.#change({}, { slow: true }), SLOW_MS);
    this.render();
  }

  /** The light first; then everybody else is told. */
  stop() {
    this.#engine.stop();
    this.#session.stop();
  }

  /** Whether another code is needed. @param {import("./codes.js").Need | null} need */
  set codeNeed(need) {
    this.#change({}, { need });
  }

  render() {
    const { view, why, mayGoOn } = this.#view();
    const { setsDone, slow, problem } = this.#more;
    const card = cardFor(this.#more.intervention);
    const told = [view, why, mayGoOn, card, view === "ready" && [setsDone, problem], view === "connecting" && slow].join();
    if (told !== this.#shown) this.#open(told, view, { why, mayGoOn, card });
    this.#panel?.live?.({ ...this.#more, until: this.#codeUntil() });
  }

  /** The time of day at which the code runs out, by the clock on this person's wall. */
  #codeUntil() {
    const untilMs = this.#more.need === null ? null : this.#actions.untilMs();
    if (untilMs === null) return null;
    const at = new Date(Date.now() + untilMs - this.#session.serverNow());
    return at.toLocaleTimeString(this.#words.language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  }

  #open(told, view, detail) {
    const changed = !this.#shown.startsWith(`${view},`);
    this.#shown = told;
    document.body.dataset.view = view;
    delete document.body.dataset.bare;
    this.#panel = panelOf(view, this.#words, {
      ...detail, welcomed: this.#now.welcomed, secondsLeft: () => this.#secondsLeft(), actions: this.#actions, ...this.#more,
    });
    byId("panel").replaceChildren(...(this.#panel ? [this.#panel] : []));
    show(byId("panel"), this.#panel !== null);
    // The heading, never a button: whoever still presses the key that stopped must not start anything with it.
    if (changed) (view === "moving" ? byId("stop") : this.#panel.querySelector("h1")).focus();
  }

  #view() {
    const now = this.#now, { need } = this.#more;
    const waits = need !== null && need.startsWith("over") && !now.connected && !now.ended && now.closedWith === null;
    return waits ? { view: "ticket", why: need } : viewOf({ ...now, light: this.#engine.state });
  }

  #secondsLeft() {
    return Math.ceil((this.#goneAt + this.#graceMs - performance.now()) / 1000);
  }

  #change(now, more = {}) {
    Object.assign(this.#now, now);
    Object.assign(this.#more, more);
    this.render();
  }

  #listen() {
    const session = this.#session, engine = this.#engine;
    attach(session, engine);
    session.on("welcome", ({ grace_s: graceS }) => {
      this.#graceMs = graceS * 1000;
      this.#change({ welcomed: true }, { problem: null });
    });
    session.on("state", ({ connected, resumeRequires, baseline }) =>
      this.#change({ connected, resumeRequires, paused: session.paused }, { learning: baseline === "learning" }));
    session.on("pause", (pause) => {
      if (pause.cause === "connection_lost") this.#goneAt = performance.now() - pause.silentForMs;
      this.#change({
        cause: causeAfter(this.#now.cause, pause), paused: session.paused, connected: session.connected,
        resumeRequires: session.resumeRequires, rating: false,
      });
    });
    session.on("resume", () => this.#change({ cause: null, paused: session.paused, resumeRequires: null }, { intervention: null }));
    session.on("intervention", ({ intervention }) => this.#intervene(intervention));
    session.on("ended", ({ totals }) => this.#change({ ended: true }, { totals }));
    session.on("error", ({ code, cause, fatal }) => {
      if (fatal) this.#change({ refusedFor: code });
      if (code === "set_refused") this.#change({}, { problem: this.#words.t(cause === "not_ready" ? "ready.not_ready" : "ready.refused") });
    });
    session.on("closed", ({ code }) => this.#change({ closedWith: this.#now.ended ? null : code }));
    session.on("source", ({ state }) => this.#sourceSays(state));
    engine.on("set", (set) => this.#set(set));
    engine.on("pass", ({ pass, left }) => this.#count(pass, left));
    engine.on("stopped", () => this.render());
    engine.on("configured", () => this.#matchColours());
    this.#matchColours();
  }

  /** The page around the light goes with its background; never while it moves, lest a change be seen as a flash. */
  #matchColours() {
    if (this.#engine.state !== "rest") return;
    const { background } = this.#engine.stimulus;
    document.documentElement.dataset.theme = luminance(shown(background)) < DARK_BELOW ? "dark" : "light";
    byId("stage").style.background = background;
  }

  #set({ action, why, passes, seconds }) {
    if (action === "start") {
      this.#length = { passes, seconds };
      this.#count(0, { passes, seconds });
      this.#change({}, { problem: null });
      if (isTrouble(this.#more.source)) this.#whisperTrouble();
      return;
    }
    const due = why === "done" ? ratingsDue(this.#session.phase) : [];
    this.#matchColours();
    this.#change({ rating: due.length > 0 }, { setsDone: this.#more.setsDone + 1, due });
  }

  #count(pass, left) {
    const told = this.#length.passes === null
      ? this.#words.t("stage.seconds", { count: Math.round(left.seconds) })
      : this.#words.t("stage.passes", { done: pass, of: this.#length.passes });
    setText(byId("counter"), told);
  }

  #begin() {
    if (this.#view().view === "ready") this.#engine.start();
  }

  async #goOn() {
    const answer = await this.#session.requestResume();
    if (answer.ok) return "ok";
    return answer.code === "resume_denied" ? "told" : "failed";
  }

  async #rate(ratings) {
    this.#rated(null);
    const answer = await this.#session.rate(ratings);
    if (!answer.ok) this.#rated(this.#words.t("rate.not_sent"));
  }

  #rated(problem) {
    this.#change({ rating: false }, { problem });
  }

  #intervene(intervention) {
    if (this.#session.paused) this.#change({}, { intervention });
    else this.#whisper(this.#words.t(`whisper.${intervention.type === "breathing" ? "breathing" : "grounding"}`), intervention.duration);
  }

  /** Beside a moving light it is whispered; a panel would cover that, and has a place of its own for it. */
  #sourceSays(state) {
    this.#change({}, { source: state });
    if (!isTrouble(state)) this.#whisper("", 0);
    else if (this.#engine.state !== "rest") this.#whisperTrouble();
  }

  #whisperTrouble() {
    this.#whisper(this.#words.t("source.trouble", { why: this.#words.t(`source.${this.#more.source}`) }), WHISPER_MOST_S);
  }

  #whisper(text, seconds) {
    clearTimeout(this.#whispering);
    setText(byId("whisper"), text);
    if (text) this.#whispering = setTimeout(() => setText(byId("whisper"), ""), Math.min(WHISPER_MOST_S, seconds) * 1000);
  }

  // hands -----------------------------------------------------------------------------------------------------------

  #bind() {
    const moving = () => this.#engine.state !== "rest";
    this.#cleared.push(bindStopKeys({ active: moving, stop: () => this.stop() }));
    const stopNow = (event) => { if (moving()) { event.preventDefault(); this.stop(); } };
    // Pressing, not letting go: a frame may lie between the two. The click is for those who have no pointer.
    for (const kind of ["pointerdown", "click"]) byId("stop").addEventListener(kind, stopNow);
    document.querySelector(".field-of-view").addEventListener("pointerdown", (event) => {
      if ("bare" in document.body.dataset) stopNow(event);
    });
    byId("hide").addEventListener("click", () => this.#hideControls());
    byId("full").addEventListener("click", () => toggleFullScreen());
    byId("mute").addEventListener("click", () => this.#mute());
    document.addEventListener("fullscreenchange", () => this.#tellTools());
    document.addEventListener("keydown", (event) => this.#key(event));
    this.#tellTools();
  }

  #key(event) {
    const { view } = this.#view();
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches?.("textarea")) return;
    if (event.key === "Enter" && this.#enter(event, view)) event.preventDefault();
    else if (this.#panel?.typing?.type(event.key, event.timeStamp)) event.preventDefault();
    else if (event.key === "Escape" && (view === "ready" || view === "rating")) this.stop();
    else if (view === "moving" || view === "ready") this.#toolKey(letterOf(event));
  }

  /** Whether the page itself has used this Enter: the browser must not give it to the button that has the focus by then. */
  #enter({ repeat, target }, view) {
    if (repeat) return true;
    if (target.matches?.("button, summary")) return false;
    const { typing } = this.#panel ?? {};
    if (typing) typing.submit();
    else if (view === "ready") this.#begin();
    else return false;
    return true;
  }

  #toolKey(key) {
    if (key === "h") this.#hideControls();
    if (key === "f") toggleFullScreen();
    if (key === "m") this.#mute();
  }

  #hideControls() {
    if (this.#view().view !== "moving") return;
    if ("bare" in document.body.dataset) delete document.body.dataset.bare;
    else {
      document.body.dataset.bare = "";
      this.#whisper(this.#words.t("stage.hidden"), 4);
    }
  }

  #mute() {
    this.#engine.mute(!this.#engine.muted);
    this.#tellTools();
  }

  #tellTools() {
    setText(byId("mute"), this.#words.t(this.#engine.muted ? "stage.unmute" : "stage.mute"));
    byId("mute").setAttribute("aria-pressed", String(this.#engine.muted));
    show(byId("mute"), this.#engine.stimulus.sound !== "off");
    setText(byId("full"), this.#words.t(document.fullscreenElement ? "stage.window" : "stage.full"));
    show(byId("full"), document.fullscreenEnabled);
  }
}

function toggleFullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen?.().catch(() => {});
}
