/** In: what the camera says of itself during a session. Out: its sentence and a way to ask for it again, within a panel. */

import { h, setText, show } from "../shared/dom.js";

/** Nothing is wrong, or a hidden page is why. */
const FINE = new Set([null, "open", "closed", "hidden"]);
/** Asking again may help; while it is being asked the button stays, lest it take the focus away with it. */
const MAY_HELP = new Set(["lost", "missing", "busy", "denied", "asking"]);

/** @param {string | null} state of the source; null: nothing was told */
export const isTrouble = (state) => !FINE.has(state);

/**
 * Shown and hidden in place: a panel that is made anew would take the focus from whoever is there. Nor does the button go
 * from under a person's hands: the next Enter would be somebody else's, and might begin a set.
 * @param {import("../shared/words.js").Words} words @param {() => void} open
 */
export function cameraTrouble(words, open) {
  const sentence = h("p", { role: "status" });
  const button = h("button.button", { type: "button", onclick: () => open() }, words.t("source.reopen"));
  const box = h("div.trouble", { hidden: true }, sentence, button);
  /** @param {string | null} state */
  const tell = (state) => {
    const trouble = isTrouble(state);
    const stays = trouble || (state === "open" && box.contains(document.activeElement));
    setText(sentence, stays ? words.t(`source.${state}`) : "");
    show(button, !trouble || MAY_HELP.has(state ?? ""));
    show(box, stays);
  };
  return { box, tell };
}
