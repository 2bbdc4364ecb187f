/** In: the page. Out: a running console: words, theme, the token's gate, keys, and one drawing for each frame that needs it. */

import { themeSwitch } from "../shared/theme.js";
import { claimsOf, takeToken, TokenKeeper } from "../shared/token.js";
import { fill, keepLanguage, pageWords, Words } from "../shared/words.js";
import { AlertsView } from "./alerts_view.js";
import { VOLUME } from "./chime.js";
import { CommandsView } from "./commands_view.js";
import { CurvesView } from "./curves_view.js";
import { Desk } from "./desk.js";
import { DetailView } from "./detail_view.js";
import { Drawing } from "./drawing.js";
import { byId, h, setAttribute, setText, show } from "../shared/dom.js";
import { Gate } from "./gate.js";
import { ModelsView } from "./models_view.js";
import { SeesView } from "./sees_view.js";
import { MARKS, SessionsView } from "./sessions_view.js";
import { KEYS, wishOf } from "./shortcuts.js";
import { stateInWords } from "./summary.js";
import { TimelineView } from "./timeline_view.js";
import { age, named, nameOf, reading } from "./wording.js";
import { en } from "./words/en.js";
import { ru } from "./words/ru.js";

const DICTIONARIES = { en, ru };
const DRAW_EVERY_MS = 180;
const HIDDEN_EVERY_MS = 1_000;
const URGENT = new Set(["critical", "high"]);
const FORBIDDEN = 4503;
/** What the service answers to a token that is none of its own, or not for here. @type {Record<number, string>} */
const REFUSED = { 4500: "gate.refused", [FORBIDDEN]: "gate.forbidden" };
/** What a part of the page is called in its own heading. @type {Record<string, string>} */
const PARTS = {
  sessions: "sessions.title", alerts: "alerts.title", models: "models.title", detail: "fact.time", commands: "commands.title",
  sees: "sees.title", curves: "curves.title", timeline: "timeline.title",
};

// Before anything else: the fragment must be gone from the address bar.
const given = takeToken(location, history);
const theme = themeSwitch(document);
let dirty = true;
let drawnAt = 0;
let renderedAt = -Infinity;

const desk = new Desk(pageWords(DICTIONARIES), { render: changed, closed, left: () => views.models.forget() });
const drawing = new Drawing(tellBroken);
const gate = new Gate(() => desk.words, (token) => { keeper.give(token); begin(); });
const keeper = new TokenKeeper(given, ask);
const views = {
  sessions: new SessionsView(desk, drawing), alerts: new AlertsView(desk, drawing), detail: new DetailView(desk), commands: new CommandsView(desk),
  sees: new SeesView(desk), curves: new CurvesView(desk), timeline: new TimelineView(desk),
  models: new ModelsView(desk, () => keeper.get()),
};
let begun = false;

/** @param {"missing" | "expired"} why a newer token is needed, or one at all */
function ask(why) {
  const isFirst = desk.link.heardAt === null;
  gate.open(why === "missing" ? null : isFirst ? "gate.expired" : "gate.renew", !desk.isLinked);
}

/** Connects, once there is a token. */
function begin() {
  if (begun && desk.link.state !== "closed") return;
  begun = true;
  desk.connect((wish) => keeper.get(wish));
}

/** @param {number} code the connection is over for good @param {boolean} wasWelcome it was up: a renewed token ended it */
function closed(code, wasWelcome) {
  if (!(code in REFUSED)) return;
  keeper.forget();
  gate.open(code === FORBIDDEN && wasWelcome ? "gate.other_person" : REFUSED[code]);
}

// what is shown -------------------------------------------------------------------------------------------------------

/** A hidden page gets no frames; its title must tell of alerts all the same. */
function changed() {
  dirty = true;
  if (document.hidden && desk.at() - renderedAt >= HIDDEN_EVERY_MS) render();
}

function render() {
  dirty = false;
  renderedAt = desk.at();
  const view = desk.selected;
  show(byId("desk"), begun && !(desk.link.heardAt === null && desk.link.state === "closed"));
  drawing.part("alerts", () => views.alerts.render());
  drawing.part("sessions", () => views.sessions.render());
  drawing.part("models", () => views.models.render());
  drawing.part("detail", () => views.detail.render(view));
  if (view) renderSession(view);
  drawing.part("dialogs", () => desk.dialogs.warn(behind()));
  drawing.part("bar", renderBar);
}

/** The most pressing alert that would escalate, for whoever has a dialog before it. */
function behind() {
  const { words, model } = desk;
  const urgent = model.alerts.waiting().filter(({ severity }) => URGENT.has(severity));
  if (urgent.length === 0) return "";
  const [{ severity, kind, session_id }] = urgent;
  const view = model.find(session_id);
  return words.t("dialog.alert", {
    mark: MARKS[severity], severity: named(words, "severity", severity), kind: named(words, "kind", kind),
    name: view ? nameOf(view.summary) : session_id, count: urgent.length,
  });
}

/** @param {import("./model.js").SessionView} view */
function renderSession(view) {
  for (const name of /** @type {const} */ (["commands", "sees", "curves", "timeline"])) {
    drawing.part(name, () => views[name].render(view));
  }
  drawing.part("detail", () => desk.announce.state(`${nameOf(view.summary)}: ${stateInWords(desk.words, view, desk.at())}`));
}

function renderBar() {
  const { words, link, chime } = desk;
  const waiting = desk.model.alerts.waiting().length;
  setAttribute(document.body, "data-link", link.state);
  setAttribute(byId("link"), "data-state", drawing.isWhole ? link.state : "failed");
  setText(byId("link-text"), drawing.isWhole ? linkText() : words.t("link.failed"));
  setText(byId("link-note"), [link.why ? words.t(link.why) : "", limited()].filter(Boolean).join(" "));
  setText(byId("who"), desk.self ? words.t("who", { name: desk.self }) : "");
  setText(byId("sound"), words.t(`sound.${chime.state}`));
  setAttribute(byId("sound"), "aria-pressed", String(chime.isOn));
  setText(byId("theme"), words.t(`theme.${theme.theme}`));
  setText(byId("language"), words.t("language.other"));
  setText(byId("sound-blocked"), chime.state === "blocked" ? words.t("sound.blocked_note") : chime.state === "off" ? words.t("sound.off_note") : "");
  document.title = (waiting ? `(${waiting}) ` : "") + (drawing.isWhole && (link.isLive || link.heardAt === null) ? "" : `⚠ `) + words.t("title");
}

function linkText() {
  const { words, link } = desk;
  const silent = link.silentFor(desk.at());
  if (link.state === "live") {
    const slow = (silent ?? 0) > 1_200;
    return slow ? words.t("link.live_slow", { seconds: reading(words, (silent ?? 0) / 1_000, 1) }) : words.t("link.live");
  }
  if (link.state === "lost" || (link.state === "closed" && silent !== null)) {
    return words.t(`link.${link.state}`, { age: age(words, silent ?? 0) });
  }
  return words.t(`link.${link.state}`, { age: "" });
}

/** A part of the service is missing: told for as long as its alert is open. */
function limited() {
  const open = desk.model.alerts.list().filter((alert) => alert.kind === "degraded" && alert.state !== "resolved");
  return open.length ? desk.words.t("link.limited", { count: new Set(open.map((alert) => alert.session_id)).size }) : "";
}

/** At once, by the shortest way: whatever else fails, nobody may take for whole what is not. */
function tellBroken() {
  const { words } = desk;
  const parts = drawing.broken.flatMap((name) => (name in PARTS ? [words.t(PARTS[name])] : []));
  const told = words.t(parts.length ? "broken.parts" : "broken.page", { parts: parts.join(", ") });
  byId("broken").hidden = false;
  setText(byId("broken"), told);
  byId("link").dataset.state = "failed";
  setText(byId("link-text"), words.t("link.failed"));
  desk.announce.now(told);
}

/** The next frame is asked for first: whatever happens in this one, there is another. */
function frame() {
  requestAnimationFrame(frame);
  if (dirty) render();
  const view = desk.selected;
  if (view && !byId("desk").hidden) draw(view);
}

/** @param {import("./model.js").SessionView} view */
function draw(view) {
  const at = desk.at();
  const isDue = at - drawnAt >= DRAW_EVERY_MS;
  if (isDue) {
    drawnAt = at;
    drawing.part("curves", () => views.curves.draw(view));
  }
  drawing.part("sees", () => { if (isDue || views.sees.moves(view)) views.sees.draw(view); });
}

// what a person does --------------------------------------------------------------------------------------------------

/** @type {Record<string, () => void>} */
const DEEDS = {
  next: () => desk.move(1),
  previous: () => desk.move(-1),
  acknowledge: () => { if (!views.alerts.acknowledgeFirst()) desk.announce.now(desk.words.t("alerts.none")); },
  pause: () => { desk.dialogs.close(); views.commands.run("pause"); },
  resume: () => views.commands.run("resume"),
  config: () => views.commands.run("config"),
  thresholds: () => views.commands.run("thresholds"),
  end: () => views.commands.run("end"),
  speak,
  alerts: () => focusOn(byId("alerts").querySelector("button:not([hidden])") ?? byId("alerts-panel")),
  detail: () => focusOn(byId("detail")),
  sound: toggleSound,
  help,
};

function speak() {
  const view = desk.selected;
  if (!view) return;
  const point = view.curves.newest;
  const readings = point && view.isNow(desk.at()) && desk.isLinked
    ? ["arousal", "valence", "attention", "risk", "crisis"].map((name) => `${desk.words.t(`signal.${name}`)} ${reading(desk.words, /** @type {any} */ (point)[name])}`)
    : [desk.words.t("say.silent")];
  desk.announce.repeat(`${nameOf(view.summary)}: ${stateInWords(desk.words, view, desk.at())}; ${readings.join(", ")}`);
}

/** @param {HTMLElement | null} element */
function focusOn(element) {
  if (element && !element.hasAttribute("tabindex") && element.tagName !== "BUTTON") element.tabIndex = -1;
  element?.focus();
}

function toggleSound() {
  desk.chime.isOn = !desk.chime.isOn;
  desk.announce.now(desk.words.t(desk.chime.isOn ? "sound.on_said" : "sound.off_said"));
  desk.render();
}

function testSound() {
  const { words } = desk;
  const button = (/** @type {string} */ severity) =>
    h("button.button", { type: "button", onclick: async () => { await desk.chime.unlock(); desk.chime.play(severity); } }, words.t(`severity.${severity}`));
  desk.dialogs.open({
    title: words.t("sound.test"), confirm: "", act: null,
    body: [h("p", {}, words.t("sound.explained")), volumeRow(), h("div.button-row", {}, ...["critical", "high", "medium", "low"].map(button))],
  });
}

function volumeRow() {
  const { words, chime } = desk;
  const percent = () => `${Math.round(chime.volume * 100)} %`;
  const told = h("output", { for: "sound-volume" }, percent());
  const slider = h("input.volume", {
    type: "range", id: "sound-volume", min: VOLUME.least * 100, max: VOLUME.most * 100, step: 10, value: Math.round(chime.volume * 100),
    oninput: () => { chime.volume = Number(slider.value) / 100; setText(told, percent()); },
    onchange: () => chime.play("high"),
  });
  return h("div.form-row", {}, h("label", { for: "sound-volume" }, words.t("sound.volume")), slider, told);
}

function help() {
  const { words } = desk;
  const rows = KEYS.map(([key, deed]) => h("tr", {}, h("td", {}, h("kbd", {}, key)), h("td", {}, words.t(`key.${deed}`))));
  const know = ["help.estimates", "help.missed", "help.baseline", "help.hatch", "help.old", "help.pause", "help.sees"];
  desk.dialogs.open({
    title: words.t("help.title"), confirm: "", act: null,
    body: [
      h("h3", {}, words.t("help.keys")),
      h("table.keys", {}, h("thead.visually-hidden", {}, h("tr", {}, h("th", { scope: "col" }, words.t("help.key")), h("th", { scope: "col" }, words.t("help.does")))), h("tbody", {}, ...rows)),
      h("p.hint", {}, words.t("help.layout")),
      h("h3", {}, words.t("help.know")),
      h("ul.plain", {}, ...know.map((key) => h("li", {}, words.t(key)))),
    ],
  });
}

function recolour() {
  views.curves.recolour();
  views.sees.recolour();
  drawnAt = 0;
  desk.render();
}

function speakLanguage() {
  document.documentElement.lang = desk.words.language;
  fill(document, desk.words);
  if (!drawing.isWhole) tellBroken();
  gate.render();
  desk.render();
}

byId("help").addEventListener("click", help);
byId("sound").addEventListener("click", toggleSound);
byId("sound-test").addEventListener("click", testSound);
byId("theme").addEventListener("click", () => { theme.next(); recolour(); });
byId("language").addEventListener("click", () => {
  const language = desk.words.language === "en" ? "ru" : "en";
  keepLanguage(language);
  desk.words = new Words(DICTIONARIES, language);
  speakLanguage();
});
byId("readings").addEventListener("toggle", () => desk.render());
for (const gesture of ["pointerdown", "keydown"]) {
  addEventListener(gesture, () => { desk.chime.unlock().then(() => desk.render()); }, { passive: true });
}
addEventListener("keydown", (event) => {
  const wish = byId("desk").hidden ? null : wishOf(event, desk.dialogs.isOpen);
  if (!wish) return;
  event.preventDefault();
  DEEDS[wish]();
});
// What escapes elsewhere may have lost a message. Without an error it is the browser's own remark on a layout.
addEventListener("error", ({ error }) => { if (error) drawing.failed("page", error); });
addEventListener("unhandledrejection", ({ reason }) => drawing.failed("page", reason));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);

speakLanguage();
if (given && claimsOf(given)) begin();
else gate.open(given ? "gate.no_token" : null);
requestAnimationFrame(frame);
