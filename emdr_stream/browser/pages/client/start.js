/** In: the person's answers. Out: one step after the other, and at the end all that a session needs. */

import { createStimulation, motionChoice, prefersReducedMotion } from "../../client/stimulation/index.js";
import { byId, h, setText, show } from "../shared/dom.js";
import { claimsOf, clean } from "../shared/token.js";
import { CameraStep } from "./camera_step.js";
import { isEnough, measuresOf, readinessOf, stimulationOf } from "./comfort.js";
import { Rehearsal } from "./rehearsal.js";

const STEPS = ["welcome", "ready", "source", "comfort", "rehearsal"];

/**
 * What is wrong with a pasted code, as a key to words; null if nothing is. Not its end: that is the service's to say, by its
 * own clock. @param {string} pasted
 */
export function problemOfTicket(pasted) {
  const token = clean(pasted);
  if (token === "") return "ticket.empty";
  const claims = claimsOf(token);
  if (claims === null) return "ticket.no_token";
  return claims.role === "therapist" ? "ticket.wrong_role" : null;
}

/** Whether a code has run out by this computer's clock, which may be wrong. @param {string} token */
export const seemsOver = (token, now = Date.now()) => (claimsOf(token)?.expiresMs ?? Infinity) < now;

export class Start {
  #words; #outlets; #step = ""; #camera; #rehearsal; #chosenMotion = null;

  /**
   * @param {import("../shared/words.js").Words} words
   * @param {{give: (token: string) => void, begin: (all: {source: any, readiness: object, stimulation: object, measures: object}) => void,
   *   theme: () => "light" | "dark"}} outlets
   */
  constructor(words, outlets) {
    this.#words = words;
    this.#outlets = outlets;
    this.#camera = new CameraStep(() => this.#words);
    this.#rehearsal = new Rehearsal(() => this.#words, () => this.#engineFor(byId("rehearsal-canvas")));
    this.#bind();
  }

  /** @param {import("../shared/words.js").Words} words in another language */
  speak(words) {
    this.#words = words;
    this.#tellProgress();
    this.#tellMeasures();
    this.#camera.tell();
    this.#rehearsal.tell();
  }

  /** @param {string} step @param {string | null} [problem] key of what is wrong with the code */
  show(step, problem = null) {
    this.#step = step;
    for (const name of ["ticket", ...STEPS]) show(byId(`step-${name}`), name === step);
    show(byId("start"), true);
    setText(byId("ticket-problem"), problem ? this.#words.t(problem) : "");
    this.#tellProgress();
    if (step !== "rehearsal") this.#rehearsal.leave();
    if (step === "comfort") this.#offerMotion();
    byId(`step-${step}`).querySelector("h1").focus({ preventScroll: true });
    scrollTo(0, 0);
  }

  /** Everything of these steps is over; the camera stays on for the session. */
  leave() {
    this.#rehearsal.leave();
    byId("preview").srcObject = null;
    show(byId("start"), false);
  }

  #bind() {
    byId("step-ticket").addEventListener("submit", (event) => this.#ticket(event));
    this.#onSubmit("welcome", () => byId("consent").checked || this.#refuse("welcome-problem", "welcome.consent_needed"));
    byId("step-welcome").noValidate = true;
    this.#onSubmit("ready", () => true);
    this.#onSubmit("source", () => this.#camera.isSettled());
    this.#onSubmit("comfort", () => isEnough(this.#choices()) || this.#refuse("comfort-problem", "comfort.need_other"));
    byId("step-comfort").querySelector(".ways").before(h("p.problem", { id: "comfort-problem", role: "alert" }));
    for (const back of document.querySelectorAll("[data-back]")) {
      back.addEventListener("click", () => this.show(STEPS[STEPS.indexOf(this.#step) - 1]));
    }
    for (const id of ["distance", "card-width"]) byId(id).addEventListener("input", () => this.#tellMeasures(id === "card-width"));
    byId("step-comfort").addEventListener("change", ({ target }) => { if (target.name === "motion") this.#chosenMotion = target.value; });
    show(byId("touch-row"), typeof navigator.vibrate === "function" && matchMedia("(pointer: coarse)").matches);
    byId("begin").addEventListener("click", () => this.#begin());
    this.#tellMeasures();
  }

  #onSubmit(step, allowed) {
    byId(`step-${step}`).addEventListener("submit", (event) => {
      event.preventDefault();
      if (allowed()) this.show(STEPS[STEPS.indexOf(step) + 1]);
    });
  }

  #refuse(id, key) {
    setText(byId(id), this.#words.t(key));
    return false;
  }

  #ticket(event) {
    event.preventDefault();
    const pasted = byId("ticket").value;
    const problem = problemOfTicket(pasted);
    setText(byId("ticket-problem"), problem ? this.#words.t(problem) : "");
    if (problem) return;
    byId("ticket").value = "";
    this.#outlets.give(clean(pasted));
    this.welcome(clean(pasted));
  }

  /** The first step with a code. A warning at most: the code is tried. @param {string} token */
  welcome(token) {
    show(byId("ticket-warning"), seemsOver(token));
    this.show("welcome");
  }

  #tellProgress() {
    const at = STEPS.indexOf(this.#step);
    const told = (n) => this.#words.t("start.step", { n: n + 1, of: STEPS.length });
    byId("progress").replaceChildren(...STEPS.map((_, n) => h("li", { "data-done": n <= at, "aria-current": n === at && "step" },
      h("span.visually-hidden", {}, told(n)))));
    show(byId("progress"), at >= 0);
  }

  #offerMotion() {
    const { motion, ask } = motionChoice(prefersReducedMotion(), this.#chosenMotion);
    show(byId("motion-asked"), ask);
    for (const radio of document.querySelectorAll("[name=motion]")) radio.checked = radio.value === motion;
  }

  /** @returns {import("./comfort.js").Choices} */
  #choices() {
    return {
      motion: document.querySelector("[name=motion]:checked")?.value ?? "full",
      sound: byId("want-sound").checked,
      touch: byId("want-touch").checked,
      distanceCm: Number(byId("distance").value),
      cardPixels: "measured" in byId("card-width").dataset ? Number(byId("card-width").value) : null,
    };
  }

  #tellMeasures(measured = false) {
    const card = byId("card-width"), width = Number(card.value);
    if (measured) card.dataset.measured = "";
    setText(byId("distance-told"), this.#words.t("comfort.distance.told", { count: byId("distance").value }));
    setText(byId("card-told"), this.#words.t("comfort.card.told", { count: width }));
    Object.assign(byId("card-shape").style, { width: `${width}px`, height: `${(width * 53.98) / 85.6}px` });
  }

  #engineFor(canvas) {
    const choices = this.#choices();
    const engine = createStimulation({
      canvas, eye: measuresOf(choices),
      audio: () => new AudioContext({ latencyHint: "interactive" }),
      vibrate: (ms) => navigator.vibrate?.(ms),
    });
    engine.configure(stimulationOf(choices, this.#outlets.theme()));
    return engine;
  }

  #begin() {
    if (!this.#rehearsal.done) {
      setText(byId("rehearsal-told"), this.#words.t("rehearsal.skipped"));
      byId("rehearsal-start").focus();
      return;
    }
    const ticked = new Set([...document.querySelectorAll("#step-ready :checked")].map(({ name }) => name));
    const source = this.#camera.take();
    this.leave();
    this.#outlets.begin({ source, readiness: readinessOf(ticked, true), makeEngine: (canvas) => this.#engineFor(canvas) });
  }
}
