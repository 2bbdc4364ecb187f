/** In: a view and what can be done in it. Out: what the client reads and presses there. */

import { h, show } from "../shared/dom.js";
import { cameraTrouble } from "./camera_trouble.js";
import { calmingCard } from "./card.js";
import { codeAgain, ticketPanel } from "./code_again.js";
import { ratingForm } from "./ratings.js";

/**
 * @typedef {object} Actions
 * @property {() => void} begin @property {() => void} stop @property {() => void} end
 * @property {() => Promise<string>} goOn tells how it went: "ok", "told" or "failed"
 * @property {(ratings: Record<string, number>) => void} rate @property {() => void} skip
 * @property {(text: string) => string | null} ticket gives the key of what is wrong, or null @property {() => void} again
 * @property {() => void} camera asks for it again
 */

/** What needs the person's whole mind: nothing about devices is said there. */
const GRAVE = new Set(["crisis", "dissociation"]);

const title = (words, key) => h("h1", { tabindex: "-1" }, words.t(key));
const text = (words, key, values) => h("p", {}, words.t(key, values));
const button = (words, key, onclick, kind = "") => h(`button.button${kind}`, { type: "button", onclick }, words.t(key));
const inside = (...children) => h("div.panel-inside", {}, ...children);

const PANELS = {
  connecting: (words, { slow, why }) =>
    inside(title(words, "connecting.title"), text(words, `connecting.${why ?? (slow ? "slow" : "text")}`)),
  ready,
  rating: (words, { due, actions }) => {
    const rating = ratingForm(words, due, { send: actions.rate, skip: actions.skip });
    return Object.assign(inside(title(words, "rate.title"), rating.form), { typing: rating });
  },
  paused,
  lost: (words) => inside(title(words, "lost.title"), text(words, "lost.text"), calmingCard(words, "grounding"),
    h("p.waiting", {}, words.t("lost.trying"))),
  ticket: ticketPanel,
  ended,
  refused: (words, { why, actions }) => inside(title(words, "refused.title"),
    text(words, words.has(`refused.${why}`) ? `refused.${why}` : "refused.text"),
    why === "replaced" || why === "over" ? null : h("div.ways", {}, button(words, "refused.again", actions.again, ".button-main"))),
};

/**
 * A panel may have `live`, which is told of what changes while it is shown, and `typing`, which is given digits.
 * @param {string} view @param {import("../shared/words.js").Words} words @param {Record<string, any>} detail
 */
export const panelOf = (view, words, detail) => PANELS[view]?.(words, detail) ?? null;

function ready(words, { setsDone, problem, actions }) {
  const key = setsDone > 0 ? "ready.next" : "ready.first";
  const ways = h("div.ways", {});
  const usual = [
    button(words, "ready.begin", actions.begin, ".button-main"),
    button(words, "ready.stop", actions.stop),
    h("button.plain", { type: "button", onclick: () => sure() }, words.t("ready.end")),
  ];
  const reallyEnd = [
    h("p", {}, words.t("ready.end.sure")),
    button(words, "ready.end.yes", actions.end, ".button-danger"),
    button(words, "ready.end.no", () => { ways.replaceChildren(...usual); usual[2].focus(); }),
  ];
  const sure = () => { ways.replaceChildren(...reallyEnd); reallyEnd[2].focus(); };
  ways.append(...usual);
  // Shown and hidden in place: a panel made anew would take the focus, and the question whether to end, from whoever is there.
  const hint = h("p.hint", {}, words.t("ready.learning"));
  const camera = cameraTrouble(words, actions.camera);
  const code = codeAgain(words, actions.ticket);
  const told = h("div", {}, title(words, key), text(words, `${key}.text`), hint, problem ? h("p.problem", { role: "alert" }, problem) : null,
    camera.box, code.box);
  return Object.assign(inside(told, ways), {
    live: ({ learning, source, need, until }) => { show(hint, learning); camera.tell(source); code.tell(need, until); },
  });
}

function paused(words, { why, mayGoOn, card, actions }) {
  const told = h("p.waiting", { role: "status" }, mayGoOn ? "" : words.t("paused.therapist_goes_on"));
  const ask = button(words, mayGoOn ? "paused.go_on" : "paused.tell", async () => {
    ask.disabled = true;
    told.textContent = words.t("paused.asking");
    const how = await actions.goOn();
    if (how !== "ok") told.textContent = words.t(how === "told" ? "paused.told" : "paused.not_told");
    ask.disabled = false;
  }, mayGoOn ? ".button-main" : "");
  const camera = cameraTrouble(words, actions.camera);
  const code = codeAgain(words, actions.ticket);
  const panel = inside(title(words, `paused.${why}`), text(words, `paused.${why}.text`), camera.box, calmingCard(words, card),
    told, h("div.ways", {}, ask), code.box);
  return Object.assign(panel, {
    live: ({ source, need, until }) => { camera.tell(GRAVE.has(why) ? null : source); code.tell(need, until); },
  });
}

function ended(words, { totals }) {
  const sum = totals && totals.sets > 0 ? text(words, "ended.sum", {
    sets: words.t("ended.sets", { count: totals.sets }),
    minutes: words.t("ended.minutes", { count: Math.max(1, Math.round(totals.duration_s / 60)) }),
  }) : null;
  return inside(title(words, "ended.title"), text(words, "ended.text"), sum, text(words, "ended.after"),
    h("p.hint", {}, words.t("ended.close")));
}
