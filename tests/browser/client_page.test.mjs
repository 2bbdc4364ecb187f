/** In: the client's page, its plain parts and its words. Out: that each state has its view, and each view its words. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { isEnough, measuresOf, readinessOf, stimulationOf } from "../../emdr_stream/browser/pages/client/comfort.js";
import { calmReading, isOffered, loadDemo, player } from "../../emdr_stream/browser/pages/client/demo_source.js";
import { problemOfTicket, seemsOver } from "../../emdr_stream/browser/pages/client/start.js";
import { TypedNumber } from "../../emdr_stream/browser/pages/client/typed_number.js";
import { TOLD_CAUSES, causeAfter, ratingsDue, viewOf } from "../../emdr_stream/browser/pages/client/view.js";
import { en } from "../../emdr_stream/browser/pages/client/words/en.js";
import { ru } from "../../emdr_stream/browser/pages/client/words/ru.js";
import { letterOf } from "../../emdr_stream/browser/pages/shared/letter.js";
import { withinLimits } from "../../emdr_stream/browser/client/stimulation/limits.js";
import { wishOf } from "../../emdr_stream/browser/client/stimulation/wish.js";
import { token } from "./fakes.mjs";

const FOLDER = new URL("../../emdr_stream/browser/pages/client/", import.meta.url);
const RUNNING = {
  ended: false, closedWith: null, welcomed: true, connected: true, paused: false, cause: null, resumeRequires: null,
  light: "rest", rating: false,
};
const view = (more) => viewOf({ ...RUNNING, ...more });

test("each situation has its view, and the graver one wins", () => {
  assert.equal(view({}).view, "ready");
  assert.equal(view({ rating: true }).view, "rating");
  assert.equal(view({ light: "moving", rating: true }).view, "moving");
  assert.equal(view({ light: "ending" }).view, "moving");
  assert.equal(view({ paused: true, light: "ending", cause: "dissociation" }).view, "moving", "the panel would cover it at once");
  assert.equal(view({ paused: true, light: "rest", cause: "dissociation" }).view, "paused");
  assert.equal(view({ paused: true, light: "moving", cause: "crisis" }).view, "paused", "a light that should rest is not shown");
  assert.equal(view({ paused: true, light: "ending", connected: false }).view, "lost");
  assert.equal(view({ connected: false, paused: true, cause: "crisis" }).view, "lost");
  assert.equal(view({ welcomed: false, connected: false, paused: true }).view, "connecting");
  assert.deepEqual(view({ welcomed: false, connected: false, refusedFor: "overloaded" }), { view: "connecting", why: "full" });
  assert.equal(view({ refusedFor: "overloaded" }).view, "ready");
  assert.deepEqual(view({ closedWith: 4409, connected: false }), { view: "refused", why: "replaced" });
  assert.deepEqual(view({ closedWith: 4500, connected: false }), { view: "refused", why: "ticket" });
  assert.deepEqual(view({ closedWith: 4503, refusedFor: "forbidden", connected: false }), { view: "refused", why: "ticket" });
  assert.deepEqual(view({ closedWith: 4503, refusedFor: "resume_denied", connected: false }), { view: "refused", why: "open" });
  assert.equal(view({ ended: true, closedWith: 1000, connected: false }).view, "ended");
});

test("a client may ask to go on unless the pause needs the therapist", () => {
  assert.deepEqual(view({ paused: true, cause: "crisis", resumeRequires: "therapist" }), { view: "paused", why: "crisis", mayGoOn: false });
  assert.equal(view({ paused: true, cause: "client_stop", resumeRequires: "client" }).mayGoOn, true);
  assert.deepEqual(view({ paused: true, cause: "moon" }), { view: "paused", why: "unknown", mayGoOn: true });
});

test("the service's reason replaces the page's own, and a lost connection no other", () => {
  assert.equal(causeAfter(null, { local: true, cause: "client_stop" }), "client_stop");
  assert.equal(causeAfter("client_stop", { local: true, cause: "connection_lost" }), "client_stop");
  assert.equal(causeAfter("client_stop", { local: false, cause: "crisis" }), "crisis");
  assert.equal(causeAfter("client_stop", { local: false, cause: "client_disconnected" }), "client_stop");
  assert.equal(causeAfter("connection_lost", { local: false, cause: "client_disconnected" }), "client_disconnected");
});

test("each phase has its rating", () => {
  assert.deepEqual(["desensitization", "installation", "preparation", null].map(ratingsDue), [["sud"], ["voc"], [], ["sud", "voc"]]);
});

test("a number is typed digit by digit, ten included, and what is not on the scale changes nothing", () => {
  const sud = new TypedNumber(0, 10);
  assert.deepEqual([sud.type("1", 0), sud.type("0", 300)], [1, 10]);
  assert.deepEqual([sud.type("4", 500), sud.type("5", 700)], [4, 5]);
  assert.deepEqual([sud.type("1", 5000), sud.type("0", 9000)], [1, 0]);
  const voc = new TypedNumber(1, 7);
  assert.deepEqual(["0", "8", "a", "7"].map((key) => voc.type(key, 0)), [null, null, null, 7]);
});

test("a code is refused for what it says, never for the time of a computer whose clock may be wrong", () => {
  const over = token({ sub: "c", role: "client", exp: 1_000 });
  assert.equal(problemOfTicket(over), null);
  assert.deepEqual([seemsOver(over, 999_000), seemsOver(over, 1_001_000), seemsOver(token({ role: "client" }))], [false, true, false]);
  assert.equal(problemOfTicket(" "), "ticket.empty");
  assert.equal(problemOfTicket(over.slice(0, -2)), "ticket.no_token");
  assert.equal(problemOfTicket(token({ sub: "t", role: "therapist" })), "ticket.wrong_role");
});

test("letters are found on a keyboard of another alphabet, and those of a Latin layout count as written", () => {
  assert.deepEqual([["р", "KeyH"], ["А", "KeyF"], ["ь", "KeyM"], ["h", "KeyH"], ["M", "Semicolon"]].map(([key, code]) => letterOf({ key, code })), ["h", "f", "m", "h", "m"]);
  for (const [key, code] of [[" ", "Space"], ["Enter", "Enter"], ["х", "BracketLeft"], ["5", "Digit5"], ["F", undefined], ["Dead", "KeyH"]]) {
    assert.equal(letterOf({ key, code }), key.toLowerCase(), key);
  }
});

test("without movement there must be sound or touch", () => {
  const choices = { motion: "still", sound: false, touch: false, distanceCm: 60, cardPixels: null };
  assert.equal(isEnough(choices), false);
  assert.equal(isEnough({ ...choices, touch: true }), true);
  assert.equal(isEnough({ ...choices, motion: "gentle" }), true);
});

test("both palettes are within the limits, and the light stands out in them", () => {
  for (const theme of ["light", "dark"]) {
    const wish = wishOf(stimulationOf({ motion: "full", sound: true, touch: true, distanceCm: 60, cardPixels: null }, theme));
    assert.deepEqual(withinLimits(wish).notes, []);
  }
});

test("a screen is measured by a bank card, and assumed until then", () => {
  assert.deepEqual(measuresOf({ distanceCm: 70, cardPixels: null }), { distanceCm: 70 });
  assert.equal(measuresOf({ distanceCm: 70, cardPixels: 428 }).pixelsPerCm, 50);
});

test("what was not ticked is not told, rather than denied", () => {
  assert.deepEqual(readinessOf(new Set(["therapist_present", "made_up"]), false), { consent: true, therapist_present: true });
  assert.equal(readinessOf(new Set(), true).stop_rehearsed, true);
});

test("an invented reading is one that the service takes", () => {
  for (let seconds = 0; seconds < 60; seconds += 0.7) {
    const { emotions, dimensions } = calmReading(seconds, () => 0.99);
    assert.ok(Math.abs(Object.values(emotions).reduce((sum, part) => sum + part, 0) - 1) < 1e-9);
    assert.ok(Object.values(emotions).every((part) => part >= 0) && Object.values(dimensions).every((part) => Math.abs(part) <= 1));
  }
});

test("invented readings are offered on one's own machine alone", () => {
  for (const hostname of ["localhost", "127.0.0.1", "[::1]"]) assert.equal(isOffered({ hostname }), true, hostname);
  for (const hostname of ["emdr.example.org", "10.0.0.2", "localhost.example.org", ""]) assert.equal(isOffered({ hostname }), false, hostname);
});

test("a demo's readings are played in order, each once, as they fall due, and then a calm face", () => {
  const play = player({ scenario: "calm", samples: [[0, "a"], [100, "b"], [450, "c"]] });
  const random = () => 0.5;
  assert.deepEqual(play(40, random), ["a"]);
  assert.deepEqual(play(90, random), []);
  assert.deepEqual(play(460, random), ["b", "c"], "what a late timer has missed is made up for");
  assert.equal(play(500, random)[0].signals.face_present, true);
  assert.equal(player({ scenario: "", samples: [] })(0, random).length, 1);
});

test("without a demo, or without a service, there is none to play", async () => {
  assert.equal(await loadDemo(async () => ({ json: async () => null })), null);
  assert.equal(await loadDemo(async () => { throw new TypeError("offline"); }), null);
  assert.equal(await loadDemo(async () => ({ json: async () => { throw new SyntaxError("no JSON"); } })), null);
  const asked = [];
  await loadDemo(async (address) => { asked.push(address); return { json: async () => null }; });
  assert.deepEqual(asked, ["client/demo.json"], "relative: the service may stand behind a prefix");
});

test("both languages have the same words, none empty, with the same values to put in", () => {
  assert.deepEqual(Object.keys(ru).sort(), Object.keys(en).sort());
  const values = (entry) => [...new Set(JSON.stringify(entry).match(/\{\w+\}/g) ?? [])].sort();
  for (const key of Object.keys(en)) {
    assert.ok(en[key] && ru[key], key);
    assert.deepEqual(values(ru[key]), values(en[key]), key);
    if (typeof en[key] === "object") assert.deepEqual(Object.keys(ru[key]).sort(), ["few", "many", "one", "other"], key);
  }
});

test("every word that the page asks for is there, and every pause has its own", () => {
  const sources = readdirSync(FOLDER).filter((name) => /\.(js|html)$/.test(name)).map((name) => readFileSync(new URL(name, FOLDER), "utf8"));
  const asked = /(?:\bt\("|data-t(?:-[a-z-]+)?="|words, "|tab\(")([a-z_.]+)"/g;
  const keys = sources.flatMap((text) => [...text.matchAll(asked)]).map(([, key]) => key).filter((key) => /\.|^title$/.test(key));
  assert.ok(keys.length > 80);
  for (const key of keys) assert.ok(key in en, key);
  for (const cause of [...TOLD_CAUSES, "unknown"]) assert.ok(`paused.${cause}` in en && `paused.${cause}.text` in en, cause);
});

test("nothing on the page names another host, and nothing of it is written into its markup", () => {
  for (const name of readdirSync(FOLDER).filter((file) => /\.(js|html|css)$/.test(file))) {
    const text = readFileSync(new URL(name, FOLDER), "utf8").replaceAll("http://www.w3.org/2000/svg", "").replaceAll("xmlns='http://www.w3.org/2000/svg'", "");
    assert.doesNotMatch(text, /https?:\/\/|<style|style="|onclick="|<script(?! type="module" src=)/, name);
  }
});
