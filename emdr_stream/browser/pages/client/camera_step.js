/** In: the choice of a source, the browser's answer about the camera. Out: a source for the session, and plain words. */

import { camera } from "../../client/index.js";
import { byId, setText, show } from "../shared/dom.js";
import { demoSource, isOffered, loadDemo } from "./demo_source.js";

export class CameraStep {
  #words; #camera = camera(); #loading = null; #scenario = "";

  /** @param {() => import("../shared/words.js").Words} words */
  constructor(words) {
    this.#words = words;
    show(byId("source-choices"), isOffered(location));
    if (isOffered(location)) this.#load();
    this.#camera.on("state", () => this.tell());
    byId("camera-on").addEventListener("click", () => this.#camera.open());
    byId("step-source").addEventListener("change", () => this.#chosen());
    this.tell();
  }

  async #load() {
    this.#loading = loadDemo();
    this.#scenario = (await this.#loading)?.scenario ?? "";
    this.tell();
  }

  get #wanted() {
    return document.querySelector("[name=source]:checked").value === "camera";
  }

  tell() {
    const { state, stream } = this.#camera;
    const preview = byId("preview");
    const demo = `source.demo.${this.#scenario || "more"}`;
    setText(byId("demo-more"), this.#words().t(this.#words().has(demo) ? demo : "source.demo.more"));
    setText(byId("camera-told"), this.#words().t(state === "closed" ? "source.explain" : `source.${state}`));
    setText(byId("camera-on"), this.#words().t(state === "closed" ? "source.turn_on" : "source.again"));
    show(byId("camera-on"), !["open", "asking", "muted"].includes(state));
    show(byId("camera-box"), this.#wanted);
    show(preview, stream !== null && this.#wanted);
    if (preview.srcObject !== stream) {
      preview.srcObject = stream;
      if (stream) preview.play().catch(() => {});
    }
    byId("source-go").disabled = !this.isSettled();
  }

  /** Whether this step may be left. */
  isSettled() {
    return !this.#wanted || this.#camera.state === "open";
  }

  /** The source that was chosen. */
  take() {
    if (this.#wanted) return this.#camera;
    this.#camera.stop();
    return demoSource(this.#loading);
  }

  #chosen() {
    if (!this.#wanted) this.#camera.stop();
    this.tell();
  }
}
