/** In: a person who tries the stop before it matters. Out: a light that they have stopped themselves. */

import { bindStopKeys } from "../../client/stimulation/index.js";
import { byId, setText, show } from "../shared/dom.js";

const TRIAL = { speed: 0.4, amplitude_deg: 8, size_deg: 1.2, duration: 60 };

export class Rehearsal {
  #words; #makeEngine; #engine = null; #unbind = () => {};
  done = false;

  /** @param {() => import("../shared/words.js").Words} words @param {() => any} makeEngine for the canvas of this step */
  constructor(words, makeEngine) {
    this.#words = words;
    this.#makeEngine = makeEngine;
    byId("rehearsal-start").addEventListener("click", () => this.#start());
    for (const kind of ["pointerdown", "click"]) byId("rehearsal-stop").addEventListener(kind, () => this.#engine?.stop());
  }

  leave() {
    this.#unbind();
    this.#engine?.close();
    this.#engine = null;
    this.tell();
  }

  tell() {
    const moving = this.#engine !== null && this.#engine.state !== "rest";
    const told = moving ? "rehearsal.moving" : "rehearsal.done";
    setText(byId("rehearsal-told"), moving || this.done ? this.#words().t(told) : "");
    setText(byId("rehearsal-stop"), this.#words().t("rehearsal.stop"));
    show(byId("rehearsal-stop"), moving);
    show(byId("rehearsal-start"), !moving);
  }

  #start() {
    this.leave();
    const engine = (this.#engine = this.#makeEngine());
    engine.configure(TRIAL);
    this.#unbind = bindStopKeys({ active: () => engine.state !== "rest", stop: () => engine.stop() });
    engine.on("stopped", ({ mode }) => {
      this.done ||= mode === "hard";
      this.tell();
      byId(this.done ? "rehearsal-told" : "rehearsal-start").focus?.();
    });
    engine.start({ seconds: 60 });
    this.tell();
    byId("rehearsal-stop").focus();
  }
}
