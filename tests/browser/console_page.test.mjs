// A console's page: keys, forms, tokens, words and the connection's badge, each as a value without a page.

import assert from "node:assert/strict";
import test from "node:test";
import { Announce } from "../../emdr_stream/browser/pages/console/announce.js";
import { Drawing } from "../../emdr_stream/browser/pages/console/drawing.js";
import { problemOfToken } from "../../emdr_stream/browser/pages/console/gate.js";
import { changeOf, parse, passesOf, RANGES, STIMULUS, thresholdChange, waitsForSetEnd } from "../../emdr_stream/browser/pages/console/limits.js";
import { Link, SILENT_MS } from "../../emdr_stream/browser/pages/console/link.js";
import { KEYS, wishOf } from "../../emdr_stream/browser/pages/console/shortcuts.js";
import { age, clock, duration, named, problemOf, reading } from "../../emdr_stream/browser/pages/console/wording.js";
import { themeSwitch } from "../../emdr_stream/browser/pages/shared/theme.js";
import { claimsOf, clean, takeToken, TokenKeeper } from "../../emdr_stream/browser/pages/shared/token.js";
import { pickLanguage, Words } from "../../emdr_stream/browser/pages/shared/words.js";
import { LIMITS, SHAPES } from "../../emdr_stream/browser/client/stimulation/limits.js";
import { PATTERNS } from "../../emdr_stream/browser/client/stimulation/paths.js";
import { pauseInWords, stimulusInWords } from "../../emdr_stream/browser/pages/console/summary.js";
import { english, russian } from "./console_world.mjs";

const key = (name, fields = {}) => ({ key: name, ctrlKey: false, altKey: false, metaKey: false, target: { tagName: "BODY" }, ...fields });
const jwt = (claims) => `e30.${btoa(JSON.stringify(claims)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}.sig`;

test("single letters act, and never while somebody types, chooses or composes; in a dialog the pause alone", () => {
  assert.deepEqual([wishOf(key("p"), false), wishOf(key("P"), false), wishOf(key("?"), false)], ["pause", "pause", "help"]);
  for (const tagName of ["INPUT", "TEXTAREA", "SELECT"]) assert.equal(wishOf(key("p", { target: { tagName, type: "text" } }), false), null, tagName);
  assert.equal(wishOf(key("p", { target: { tagName: "DIV", isContentEditable: true } }), false), null);
  for (const held of ["ctrlKey", "altKey", "metaKey", "isComposing", "repeat"]) assert.equal(wishOf(key("p", { [held]: true }), false), null, held);
  for (const [name, deed] of KEYS) assert.equal(wishOf(key(name), true), deed === "pause" ? "pause" : null, name);
  assert.equal(wishOf(key("p", { target: { tagName: "TEXTAREA" } }), true), null);
  assert.equal(wishOf(key("p", { target: { tagName: "INPUT", type: "range" } }), true), "pause");
  assert.equal(wishOf(key("j", { target: { tagName: "INPUT", type: "radio" } }), false), "next");
  assert.equal(new Set(KEYS.map(([name]) => name)).size, KEYS.length);
  for (const words of [english, russian]) for (const [, deed] of KEYS) assert.ok(words.has(`key.${deed}`), deed);
});

test("with a keyboard of another script the keys at the same places act, and a Latin letter is always itself", () => {
  // With a Russian layout every letter was dead, the pause among them, and nothing said so.
  const at = (name, code, fields = {}) => wishOf(key(name, { code, ...fields }), false);
  const layouts = { русский: ["з", "KeyP", "pause"], Русский: ["Ф", "KeyA", "acknowledge"], ελληνικά: ["π", "KeyP", "pause"], עברית: ["פ", "KeyP", "pause"], 한국어: ["Process", "KeyP", "pause"] };
  for (const [layout, [name, code, deed]] of Object.entries(layouts)) assert.equal(at(name, code), deed, layout);
  assert.equal(at("з", "KeyP", { target: { tagName: "TEXTAREA" } }), null);
  assert.equal(at("з", "KeyP", { ctrlKey: true }), null);
  assert.equal(at("ж", "Semicolon"), null);
  assert.deepEqual([at("a", "KeyQ"), at("q", "KeyA")], ["acknowledge", null], "AZERTY: what is printed on the key counts");
  assert.equal(at(undefined, undefined), null, "as of a form that the browser fills");
  assert.deepEqual([at("r", "KeyP"), at("é", "KeyE"), at("ł", "KeyL"), at("Dead", "KeyE"), at("?", "Digit7")], ["resume", null, null, null, "help"]);
});

test("numbers are read with a point or a comma, and nothing else is a number", () => {
  assert.deepEqual(["1,5", " 0.8 ", "-2", "7"].map(parse), [1.5, 0.8, -2, 7]);
  for (const text of ["", "1.2.3", "1e3", "fast", "0x1", "Infinity", "1,"]) assert.ok(Number.isNaN(parse(text)), text);
});

test("only what differs is sent, and what is out of range is named", () => {
  const present = { speed: 1, intensity: 0.8, duration: 24 };
  assert.deepEqual(changeOf({ speed: "1.00", intensity: "0,6", duration: "24" }, present, STIMULUS), { change: { intensity: 0.6 }, wrong: [] });
  const { change, wrong } = changeOf({ speed: "2.5", intensity: "x", duration: "7" }, present, STIMULUS);
  assert.deepEqual([change, wrong.map(({ name, why }) => `${name} ${why}`)], [{}, ["speed range", "intensity number", "duration range"]]);
});

test("what nobody has set may stay empty, and is sent once it is typed", () => {
  const present = { speed: 1, intensity: 0.8, duration: 24 };
  const typed = { speed: "1", intensity: "0.8", duration: "24", amplitude_deg: " ", size_deg: "" };
  assert.deepEqual(changeOf(typed, present, STIMULUS), { change: {}, wrong: [] });
  assert.deepEqual(changeOf({ ...typed, amplitude_deg: "8,5", size_deg: "2" }, present, STIMULUS).change, { amplitude_deg: 8.5, size_deg: 2 });
  const { wrong } = changeOf({ ...typed, speed: "", amplitude_deg: "25", size_deg: "big" }, present, STIMULUS);
  assert.deepEqual(wrong.map(({ name, why }) => `${name} ${why}`), ["speed number", "amplitude_deg range", "size_deg number"]);
  assert.deepEqual(changeOf({ ...typed, amplitude_deg: "" }, { ...present, amplitude_deg: 8 }, STIMULUS).wrong, [{ name: "amplitude_deg", why: "number" }]);
});

test("the ranges of the form are those of the stimulation", () => {
  assert.deepEqual([RANGES.amplitude_deg.least, RANGES.amplitude_deg.most], LIMITS.amplitudeDeg);
  assert.deepEqual([RANGES.size_deg.least, RANGES.size_deg.most], LIMITS.sizeDeg);
  assert.deepEqual([RANGES.speed.least, RANGES.speed.most], LIMITS.speedHz);
  assert.deepEqual([RANGES.duration.least, RANGES.duration.most], LIMITS.seconds);
  for (const words of [english, russian]) {
    for (const name of STIMULUS) assert.ok(words.has(`field.${name}`) && words.has(`change.${name}`), name);
    for (const shape of SHAPES) assert.ok(words.has(`shape.${shape}`), shape);
    for (const pattern of PATTERNS) assert.ok(words.has(`pattern.${pattern}`), pattern);
  }
});

test("a set is counted in passes, there and back, and not where its speed or length is not known", () => {
  assert.equal(passesOf(1, 24), 24);
  assert.equal(passesOf(0.8, 24), 19);
  assert.equal(passesOf(undefined, 24), null);
  assert.equal(stimulusInWords(english, { speed: 1.2, intensity: 0.5 }), "Left to right, 1.20 Hz, intensity 50 %, sets of – s.");
});

test("the settings are told in words, and what nobody has set is not guessed", () => {
  const config = { pattern_type: "horizontal", speed: 1, intensity: 0.8, duration: 24 };
  assert.equal(stimulusInWords(english, config), "Left to right, 1.00 Hz, intensity 80 %, sets of 24 s (about 24 passes).");
  assert.equal(stimulusInWords(english, { ...config, amplitude_deg: 8.5, size_deg: 2, shape: "ring" }),
    "Left to right, 1.00 Hz, intensity 80 %, sets of 24 s (about 24 passes). Also set: 8.5° to each side, light of 2.0°, Ring.");
});

test("a light that was at rest before the pause is not said to have been stopped by it", () => {
  const pause = { reason: "therapist", asked_ts: 100_000, received: true };
  assert.match(pauseInWords(english, { ...pause, stopped_ts: 99_900 })[0], /^The client's light stopped at/);
  assert.match(pauseInWords(english, { ...pause, stopped_ts: 94_000 })[0], /at rest already, since/);
});

test("thresholds must be in order, and raising one is told apart from lowering it", () => {
  const present = { risk: 0.6, crisis_pause: 0.7, crisis_immediate: 0.8 };
  const typed = (fields) => ({ risk: "0.6", crisis_pause: "0.7", crisis_immediate: "0.8", ...fields });
  assert.deepEqual(thresholdChange(typed({ crisis_pause: "0.9" }), present).wrong, [{ name: "crisis_immediate", why: "order" }]);
  assert.deepEqual(thresholdChange(typed({ risk: "0.5" }), present).relaxed, []);
  assert.deepEqual(thresholdChange(typed({ risk: "0.5", crisis_immediate: "0.9" }), present).relaxed, ["crisis_immediate"]);
});

test("within a set a first width waits, as the service does not know the client's", () => {
  assert.deepEqual(waitsForSetEnd({ amplitude_deg: 3 }, { speed: 1 }, true), ["amplitude_deg"]);
  assert.deepEqual(waitsForSetEnd({ amplitude_deg: 3, size_deg: 5 }, { amplitude_deg: 6, size_deg: 1 }, true), []);
});

test("within a set a rise waits, as in the service", () => {
  const present = { speed: 1, intensity: 0.8, duration: 24 };
  assert.deepEqual(waitsForSetEnd({ speed: 1.2, intensity: 0.4, duration: 40 }, present, true), ["speed"]);
  assert.deepEqual(waitsForSetEnd({ speed: 1.2 }, present, false), []);
});

test("the token is taken out of the address at once, and whatever else was in the fragment with it", () => {
  const calls = [];
  const history = { replaceState: (...told) => calls.push(told) };
  const place = (hash) => ({ hash, pathname: "/emdr/console", search: "?x=1" });
  assert.equal(takeToken(place("#token=a.b.c"), history), "a.b.c");
  assert.equal(takeToken(place("#lang=ru&ticket=d.e.f"), history), "d.e.f");
  assert.deepEqual(calls, [[null, "", "/emdr/console?x=1"], [null, "", "/emdr/console?x=1"]]);
  assert.equal(takeToken(place("#detail"), history), null);
  assert.equal(calls.length, 2);
});

test("what is pasted is cleaned of what comes along, and what is no token is said", () => {
  for (const pasted of ["  a.b.c\n", '"a.b.c"', "Bearer a.b.c", "https://x.example/console#token=a.b.c", "a.b\n.c"]) assert.equal(clean(pasted), "a.b.c", pasted);
  assert.equal(problemOfToken(""), "gate.empty");
  assert.equal(problemOfToken("hello"), "gate.no_token");
  assert.equal(problemOfToken("a.%%%.c"), "gate.no_token");
  assert.equal(problemOfToken(jwt({ role: "client" })), "gate.wrong_role");
  assert.equal(problemOfToken(jwt({ role: "therapist", exp: 1 })), null, "whether it has expired the service's clock decides");
  assert.deepEqual(claimsOf(jwt({ sub: "dr.noor", role: "therapist", exp: 7 })), { sub: "dr.noor", role: "therapist", expiresMs: 7_000 });
});

test("a page asks once for a token however often the library does, and hands out the newer one", async () => {
  const asked = [];
  const keeper = new TokenKeeper(null, (why) => asked.push(why));
  const both = Promise.all([keeper.get(), keeper.get({ refresh: true })]);
  keeper.give("one");
  assert.deepEqual([await both, asked], [["one", "one"], ["missing"]]);
  assert.equal(await keeper.get(), "one");
  const newer = keeper.get({ refresh: true });
  keeper.give("two");
  assert.deepEqual([await newer, asked], ["two", ["missing", "expired"]]);
  keeper.forget();
  assert.equal(keeper.token, null);
});

test("a part that cannot be drawn keeps no other from being drawn, is told once, and stays told", (context) => {
  context.mock.method(console, "error", () => {});
  let told = 0;
  const drawn = [];
  const drawing = new Drawing(() => { told += 1; });
  const fails = () => { throw new TypeError("nothing there"); };
  assert.equal(drawing.isWhole, true);
  for (let round = 0; round < 3; round += 1) {
    drawing.part("detail", round < 2 ? fails : () => {});
    drawing.part("alerts", () => drawn.push(round));
  }
  assert.deepEqual([drawn, told, drawing.isWhole, drawing.broken], [[0, 1, 2], 1, false, ["detail"]]);
});

test("the badge is red within 2.5 s of silence, and says since when", () => {
  assert.ok(SILENT_MS + 250 <= 2_500, "a look every 250 ms must see it in time");
  const link = new Link();
  link.connecting();
  link.look(Infinity, 0);
  assert.equal(link.state, "connecting");
  link.welcomed(1_000);
  link.look(400, 2_000);
  assert.deepEqual([link.isLive, link.silentFor(2_000)], [true, 400]);
  link.look(2_001, 4_000);
  assert.deepEqual([link.state, link.silentFor(4_500)], ["lost", 2_501]);
  link.look(10, 5_000);
  assert.equal(link.isLive, true, "a late message brings it back");
});

test("a broken connection stays red until it is welcomed anew, and tells why", () => {
  const link = new Link();
  link.welcomed(0);
  link.lost(4408);
  link.look(100, 100);
  assert.deepEqual([link.state, link.why], ["lost", "link.code_4408"]);
  link.restarting = true;
  assert.equal(link.why, "link.restarting");
  link.welcomed(5_000);
  assert.deepEqual([link.state, link.why], ["live", null]);
  link.closed(4500);
  link.lost(1006);
  link.look(0, 0);
  assert.equal(link.state, "closed");
});

test("how things stand is said at most every 5 s, and only when it changed; what is urgent at once, and all of it", () => {
  let at = 0;
  const calm = { textContent: "" };
  const urgent = { textContent: "" };
  const announce = new Announce(calm, urgent, () => at);
  announce.state("running");
  announce.state("paused");
  assert.equal(calm.textContent, "running");
  at = 5_000;
  announce.state("paused");
  assert.equal(calm.textContent, "paused");
  announce.repeat("paused");
  assert.equal(calm.textContent, "paused");
  announce.now("first");
  announce.now("second");
  announce.now("third");
  assert.equal(urgent.textContent, "first");
  at = 5_400;
  announce.tick();
  assert.equal(urgent.textContent, "second. third");
  at = 20_000;
  announce.tick();
  assert.equal(urgent.textContent, "", "cleared, so that the same words can be heard again");
});

test("ages and times are told in one unit, by each language's own rules", () => {
  assert.deepEqual([900, 59_999, 60_000, 3_725_000].map((ms) => age(english, ms)), ["0 s", "59 s", "1 min", "1 h 2 min"]);
  assert.equal(age(english, -5), "0 s");
  assert.deepEqual([7_000, 760_000, 3_723_000, -1].map(duration), ["0:07", "12:40", "1:02:03", "0:00"]);
  assert.equal(clock(english, Date.UTC(2026, 10, 25, 14, 3, 12), "UTC"), "14:03:12");
  assert.equal(clock(russian, Date.UTC(2026, 10, 25, 0, 3, 12), "UTC"), "00:03:12");
  assert.equal(russian.t("alerts.waiting", { count: 3 }), "Вас ждут 3 предупреждения");
  assert.equal(russian.t("alerts.waiting", { count: 5 }), "Вас ждут 5 предупреждений");
  assert.equal(russian.t("alerts.waiting", { count: 21 }), "Вас ждёт 21 предупреждение");
});

test("readings have two places and a true minus, and no reading is a dash", () => {
  assert.deepEqual([0.126, -0.5, -0.001, 1].map((value) => reading(english, value)), ["0.13", "−0.50", "0.00", "1.00"]);
  assert.equal(reading(russian, 0.126), "0,13");
  for (const nothing of [null, undefined, NaN, Infinity]) assert.equal(reading(english, nothing), "–");
});

test("a code that this page does not know is shown as it came, never hidden", () => {
  assert.equal(named(english, "cause", "crisis"), "possible crisis");
  assert.equal(named(english, "cause", "earthquake"), "earthquake");
  assert.equal(problemOf(english, { code: "odd", message: "it broke" }), "it broke (odd)");
  assert.match(problemOf(english, { code: "not_connected" }), /Nothing was sent/);
});

test("the language is the one chosen here, else the browser's first that we have, else English", () => {
  assert.equal(pickLanguage(["en", "ru"], ["de-DE", "ru-RU"], null), "ru");
  assert.equal(pickLanguage(["en", "ru"], ["ru"], "en"), "en");
  assert.equal(pickLanguage(["en", "ru"], ["de"], "fr"), "en");
  const words = new Words({ en: { a: "A {x}", b: "B" }, ru: { a: "А {x}" } }, "ru");
  assert.deepEqual([words.t("a", { x: 1 }), words.t("b"), words.t("c"), words.t("a")], ["А 1", "B", "c", "А {x}"]);
});

test("the theme goes system, light, dark and round again, and is kept where that is allowed", () => {
  const kept = new Map();
  const storage = { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => { kept.set(name, value); } };
  const page = { documentElement: { dataset: {} } };
  const theme = themeSwitch(page, storage);
  assert.deepEqual([theme.next(), page.documentElement.dataset.theme], ["light", "light"]);
  assert.equal(themeSwitch(page, storage).theme, "light");
  assert.deepEqual([theme.next(), theme.next(), page.documentElement.dataset.theme], ["dark", "auto", undefined]);
  const locked = { getItem: () => { throw new Error("no"); }, setItem: () => { throw new Error("no"); } };
  assert.equal(themeSwitch(page, locked).next(), "light");
});
