/** In: that a newer code is needed. Out: a field for it: folded beside what can be done at rest, or alone where nothing can. */

import { h, setText, show } from "../shared/dom.js";
import { calmingCard } from "./card.js";

/** @param {import("../shared/words.js").Words} words @param {(text: string) => string | null} give the key of what is wrong */
function codeForm(words, give, kind = "") {
  const field = h("textarea.field.code", { rows: 3, id: "ticket-again", spellcheck: "false", autocapitalize: "off" });
  const problem = h("p.problem", { role: "alert" });
  const submit = (event) => {
    event.preventDefault();
    const wrong = give(field.value);
    setText(problem, wrong === null ? "" : words.t(wrong));
    if (wrong === null) field.value = "";
  };
  const form = h("form", { onsubmit: submit }, h("label", { for: "ticket-again" }, words.t("ticket.label")), field, problem,
    h("div.ways", {}, h(`button.button${kind}`, { type: "submit" }, words.t("code.use"))));
  return { form, problem };
}

/**
 * Folded, since there is time: whoever is at rest shall rest. Shown and hidden in place, and never taken from under a
 * person's hands: the next Enter would be the page's, and might begin a set; nor at a press elsewhere, which it would shift.
 * @param {import("../shared/words.js").Words} words @param {(text: string) => string | null} give
 */
export function codeAgain(words, give) {
  const summary = h("summary");
  const box = h("details.code-again", { hidden: true }, summary, codeForm(words, give).form);
  /** @param {import("./codes.js").Need | null} need @param {string | null} until a time of day */
  const tell = (need, until) => {
    const key = { null: "code.given", soon: until === null ? "code.soon.some" : "code.soon" }[String(need)] ?? "code.refused";
    setText(summary, words.t(key, { time: until ?? "" }));
    show(box, need !== null || box.contains(document.activeElement));
  };
  return { box, tell };
}

/**
 * All that can be done when the code has run out: what happened, a field, and how long the session waits.
 * @param {import("../shared/words.js").Words} words
 * @param {{why: import("./codes.js").Need, welcomed: boolean, secondsLeft: () => number, actions: import("./panels.js").Actions}} detail
 */
export function ticketPanel(words, { why, welcomed, secondsLeft, actions }) {
  const { form, problem } = codeForm(words, actions.ticket, ".button-main");
  if (why === "over_refused") setText(problem, words.t("ticket.refused"));
  const told = welcomed ? ["code.over", "code.over.text"] : ["ticket.title", "ticket.expired"];
  const left = h("p.waiting", { role: "timer" });
  const panel = h("div.panel-inside", {}, h("h1", { tabindex: "-1" }, words.t(told[0])), h("p", {}, words.t(told[1])),
    welcomed ? left : null, form, welcomed ? calmingCard(words, "grounding") : null);
  const count = () => {
    const seconds = secondsLeft();
    setText(left, seconds > 0 ? words.t("code.left", { count: seconds }) : words.t("code.left.none"));
  };
  count();
  const timer = setInterval(() => { if (panel.isConnected) count(); else clearInterval(timer); }, 1000);
  return panel;
}
