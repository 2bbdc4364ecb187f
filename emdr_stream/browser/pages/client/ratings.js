/** In: which ratings are due. Out: a form for them that is filled by typing a number, by arrows, by a click or a touch. */

import { h } from "../shared/dom.js";
import { TypedNumber } from "./typed_number.js";

const SCALES = { sud: [0, 10], voc: [1, 7] };

/**
 * @param {import("../shared/words.js").Words} words @param {("sud" | "voc")[]} due
 * @param {{send: (ratings: Record<string, number>) => void, skip: () => void}} actions
 */
export function ratingForm(words, due, { send, skip }) {
  const questions = due.map((scale) => question(words, scale));
  const button = h("button.button.button-main", { type: "submit", disabled: true }, words.t("rate.send"));
  const given = () => Object.fromEntries(questions.filter(({ value }) => value() !== null).map(({ scale, value }) => [scale, value()]));
  const changed = () => { button.disabled = Object.keys(given()).length === 0; };
  const form = h("form", { onchange: changed, onsubmit: (event) => { event.preventDefault(); if (!button.disabled) send(given()); } },
    ...questions.map(({ element }) => element),
    h("p.hint", {}, words.t("rate.keys")),
    h("div.ways", {}, h("button.button", { type: "button", onclick: skip }, words.t("rate.skip")), button));
  /** A digit goes to the question that has the focus, or to the first that has no answer. */
  const type = (key, now) => {
    const at = questions.find(({ element }) => element.contains(document.activeElement))
      ?? questions.find(({ value }) => value() === null) ?? questions.at(-1);
    if (!at.type(key, now)) return false;
    changed();
    return true;
  };
  return { form, type, submit: () => form.requestSubmit() };
}

function question(words, scale) {
  const [least, most] = SCALES[scale];
  const typed = new TypedNumber(least, most);
  const inputs = Array.from({ length: most - least + 1 }, (_, n) => h("input", { type: "radio", name: scale, value: least + n }));
  const element = h("fieldset.question", {},
    h("legend", {}, words.t(`rate.${scale}`)),
    h("div.scale-box", {},
      h("div.scale", {}, ...inputs.map((input) => h("label", {}, input, h("span", {}, input.value)))),
      h("div.scale-ends", { "aria-hidden": "true" },
        h("span", {}, words.t(`rate.${scale}.low`)), h("span", {}, words.t(`rate.${scale}.high`)))));
  return {
    scale, element,
    value: () => { const found = inputs.find(({ checked }) => checked); return found ? Number(found.value) : null; },
    type(key, now) {
      const value = typed.type(key, now);
      if (value === null) return false;
      inputs[value - least].checked = true;
      inputs[value - least].focus();
      return true;
    },
  };
}
