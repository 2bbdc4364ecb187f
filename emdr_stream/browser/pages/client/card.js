/** In: which card is wanted. Out: an element that leads through 5-4-3-2-1 or a breath, until it is taken off the page. */

import { BREATHS, GROUNDING, breathAt, prefersReducedMotion } from "../../client/stimulation/index.js";
import { h, setText } from "../shared/dom.js";

const SMALLEST = 0.4; // of the ring: an empty breath is still to be seen

/**
 * @param {import("../shared/words.js").Words} words @param {"grounding" | "paced" | "box"} kind what it begins with
 */
export function calmingCard(words, kind) {
  const breath = kind === "box" ? "box" : "paced";
  const inside = h("div", {});
  const tabs = { grounding: tab("card.grounding"), [breath]: tab("card.breathing") };
  const card = h("div.card", {}, h("div.card-tabs", { role: "group" }, ...Object.values(tabs)), inside);
  let stop = () => {};

  function tab(key) {
    return h("button.plain", { type: "button", onclick: (event) => open(event.currentTarget === tabs.grounding ? "grounding" : breath) }, words.t(key));
  }

  function open(which) {
    stop();
    for (const [name, button] of Object.entries(tabs)) button.setAttribute("aria-pressed", String(name === which));
    stop = which === "grounding" ? grounding(words, inside) : breathing(words, inside, which);
  }

  open(kind === "grounding" ? "grounding" : breath);
  return card;
}

function grounding(words, place) {
  let step = 0;
  const count = h("p.sense-count", { "aria-hidden": "true" });
  const sense = h("p.sense", { role: "status" });
  const next = h("button.button", { type: "button", onclick: () => { step = (step + 1) % (GROUNDING.length + 1); tell(); } });
  function tell() {
    const over = step === GROUNDING.length;
    const { count: number, sense: name } = GROUNDING[step] ?? { count: "·", sense: "" };
    setText(count, String(number));
    setText(sense, words.t(over ? "card.done" : `card.${name}`));
    setText(next, words.t(over ? "card.again" : "card.next"));
  }
  tell();
  place.replaceChildren(count, sense, h("div.ways", {}, next));
  return () => {};
}

/** The ring swells with the breath; where less movement is wished for it stays, and the words and seconds lead alone. */
function breathing(words, place, kind) {
  const still = prefersReducedMotion();
  const air = h("div.breath-air");
  const part = document.createTextNode("");
  const left = h("small");
  const word = h("p.breath-word", { "aria-hidden": "true" }, part, left);
  const spoken = h("p.visually-hidden", {}, BREATHS[kind].map(([name, seconds]) => `${words.t(`breath.${name}`)}: ${seconds}`).join(", "));
  if (still) air.style.transform = "scale(1)";
  place.replaceChildren(h("div.breath", {}, h("div.breath-ring"), air, word), spoken);
  const since = performance.now();
  let going = true;
  const frame = () => {
    if (!going) return;
    const now = breathAt(kind, (performance.now() - since) / 1000);
    if (!still) air.style.transform = `scale(${(SMALLEST + (1 - SMALLEST) * now.fullness).toFixed(3)})`;
    const told = words.t(`breath.${now.part}`);
    if (part.data !== told) part.data = told;
    setText(left, String(now.secondsLeft));
    if (air.isConnected || performance.now() - since < 1000) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  return () => { going = false; };
}
