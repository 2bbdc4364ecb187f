// A console's alerts: the most pressing first, each step once, and the reasons in words that a tired person understands.

import assert from "node:assert/strict";
import test from "node:test";
import { Alerts, escalatesIn, wantsAcknowledgement } from "../../emdr_stream/browser/pages/console/alerts.js";
import { Chime, due, VOLUME } from "../../emdr_stream/browser/pages/console/chime.js";
import { decider, distance, reasons, signInWords } from "../../emdr_stream/browser/pages/console/evidence.js";
import { alert, dictionaries, english, russian } from "./console_world.mjs";

const MODEL = { name: "emotion_safety", version: "1", sha256: "0".repeat(64) };
const named = (name, fields) => alert({ alert_id: `s1.${name}`, ...fields });

test("what nobody has acknowledged comes first, by severity, then the newest; then what is open; then the past", () => {
  const alerts = new Alerts();
  const given = [
    named("old", { state: "resolved", raised_ts: 9_000 }), named("seen", { state: "acknowledged", by: "dr", raised_ts: 8_000 }),
    named("medium", { severity: "medium", raised_ts: 7_000 }), named("high", { severity: "high", raised_ts: 2_000 }),
    named("critical", { raised_ts: 1_000 }), named("newer", { severity: "high", raised_ts: 3_000 }),
    named("escalated", { severity: "high", state: "escalated", raised_ts: 1_500 }),
  ];
  for (const one of given) alerts.take(one);
  const order = ["critical", "escalated", "newer", "high", "medium", "seen", "old"];
  assert.deepEqual(alerts.list().map(({ alert_id }) => alert_id.slice(3)), order);
  assert.deepEqual(alerts.waiting().length, 5);
  assert.equal(alerts.foremost("s1").alert_id, "s1.critical");
  assert.equal(alerts.foremost("s2"), null);
});

test("with nothing waiting the newest alert of a session is told, whatever its severity", () => {
  const alerts = new Alerts();
  alerts.take(named("a", { state: "resolved", raised_ts: 5_000, severity: "low" }));
  alerts.take(named("b", { state: "acknowledged", raised_ts: 1_000 }));
  assert.equal(alerts.foremost("s1").alert_id, "s1.a");
});

test("steps may come twice and in any order: an alert never goes back", () => {
  for (const order of [["raised", "escalated", "acknowledged", "resolved"], ["resolved", "raised", "acknowledged", "escalated"]]) {
    const alerts = new Alerts();
    for (const state of [...order, ...order]) alerts.take(alert({ state }));
    assert.equal(alerts.find("s1.a1").state, "resolved");
  }
  const alerts = new Alerts();
  assert.equal(alerts.take(alert()), true);
  assert.equal(alerts.take(alert({ cursor: "c9" })), false);
  assert.equal(alerts.take(alert({ state: "acknowledged", by: "dr.noor" })), true);
  assert.equal(alerts.take(alert({ state: "escalated" })), false);
  assert.equal(wantsAcknowledgement(alerts.find("s1.a1")), false);
});

test("an advice that led to a crisis is one occasion with it, until one of both is answered", () => {
  const alerts = new Alerts();
  const advice = named("a1", { kind: "high_risk", severity: "medium", model: MODEL, raised_ts: 10_000 });
  const crisis = named("a2", { kind: "crisis", raised_ts: 12_000 });
  const ids = (list) => list.map(({ alert_id }) => alert_id.slice(3));
  alerts.take(advice);
  assert.deepEqual(ids(alerts.waiting()), ["a1"]);
  alerts.take(crisis);
  alerts.take(alert({ alert_id: "s2.a1", session_id: "s2", kind: "high_risk", severity: "medium", model: MODEL, raised_ts: 12_000 }));
  alerts.take(named("a3", { kind: "high_risk", severity: "medium", model: MODEL, raised_ts: 80_000 }));
  assert.deepEqual(alerts.waiting("s1").map(({ alert_id }) => alert_id), ["s1.a2", "s1.a3"], "what came a minute later is another");
  assert.deepEqual(alerts.waiting("s2").map(({ alert_id }) => alert_id), ["s2.a1"], "nor is another client's");
  assert.deepEqual(ids(alerts.advicesOf(alerts.find("s1.a2"))), ["a1"]);
  assert.equal(alerts.list("s1").length, 3, "nothing is lost");
  alerts.take({ ...crisis, state: "acknowledged", by: "dr" });
  assert.ok(ids(alerts.waiting("s1")).includes("a1"), "acknowledged elsewhere without it, it waits by itself");
});

test("an advice stands by itself where the crisis does not tell it: of a rule, or raised when the crisis was long on", () => {
  const advice = (fields) => named("a2", { kind: "high_risk", severity: "medium", model: MODEL, ...fields });
  const beside = (fields) => {
    const alerts = new Alerts();
    alerts.take(named("a1", { kind: "crisis", raised_ts: 100_000 }));
    alerts.take(advice(fields));
    return alerts.waiting().length;
  };
  assert.equal(beside({ raised_ts: 98_000 }), 1);
  assert.equal(beside({ raised_ts: 40_000 }), 1);
  assert.equal(beside({ raised_ts: 39_000 }), 2, "another rise");
  assert.equal(beside({ raised_ts: 102_000 }), 1, "a steep rise pauses before it advises");
  assert.equal(beside({ raised_ts: 106_000 }), 2, "what rises anew is heard");
  assert.equal(beside({ raised_ts: 98_000, model: null }), 2, "ratings that rise");
});

test("what rises before anybody has acknowledged it is told anew, in its place and by its own deadline", () => {
  const alerts = new Alerts();
  const first = alert({ ts: 1_000, raised_ts: 1_000, probability: 0.75, threshold: 0.7 });
  const risen = { ...first, cursor: "c2", ts: 4_000, probability: 0.9, threshold: 0.8 };
  assert.equal(alerts.take(first), true);
  assert.equal(alerts.take(risen), true, "news");
  assert.equal(alerts.take(first), false, "what came late changes nothing");
  assert.equal(alerts.take(risen), false, "nor what comes twice");
  assert.deepEqual(alerts.waiting().map(({ probability, ack_deadline_ts }) => [probability, ack_deadline_ts]), [[0.9, first.ack_deadline_ts]]);
  alerts.take({ ...risen, state: "acknowledged", by: "dr.noor", ts: 5_000 });
  assert.equal(alerts.take({ ...risen, ts: 6_000 }), false);
});

test("the time to the escalation is counted by the service's clock, and never below nothing", () => {
  const raised = alert({ ack_deadline_ts: 16_000 });
  assert.equal(escalatesIn(raised, 10_000), 6_000);
  assert.equal(escalatesIn(raised, 99_000), 0);
  assert.equal(escalatesIn(alert({ severity: "medium" }), 0), null);
  assert.equal(escalatesIn(alert({ state: "acknowledged", ack_deadline_ts: 16_000 }), 0), null);
});

test("of many alerts the past is forgotten and what is open never", () => {
  const alerts = new Alerts();
  for (let n = 0; n < 1_000; n += 1) alerts.take(named(`p${n}`, { state: "resolved", raised_ts: n }));
  for (let n = 0; n < 300; n += 1) alerts.take(named(`o${n}`, { raised_ts: n }));
  assert.equal(alerts.waiting().length, 300);
  assert.ok(alerts.list().length <= 301);
});

test("a model's alert says signal, value, own baseline and how far, the threshold, and which model decided", () => {
  const said = alert({
    probability: 0.84, threshold: 0.7, model: { name: "emotion_safety", version: "1", sha256: "60e8816c54ed99aa" },
    evidence: [{ signal: "arousal", value: 0.7, baseline: 0.05 }, { signal: "valence", value: -0.6, baseline: null }, { signal: "fear", value: null, baseline: 0.1 }],
  });
  assert.deepEqual(reasons(english, said, { arousal: { mean: 0.05, deviation: 0.2 } }), [
    "Estimated probability of a crisis: 0.84, above the threshold of 0.70.",
    "Arousal 0.70, own baseline 0.05: far above own baseline.",
    "Valence −0.60; no own baseline to compare with.",
    "Fear: not readable at that moment.",
  ]);
  assert.equal(decider(english, said), "Decided by model emotion_safety 1 (60e8816c54ed).");
  assert.equal(reasons(russian, said)[0], "Оценка вероятности кризиса: 0,84, выше порога 0,70.");
});

test("rules, ratings and technical causes are told as what they are", () => {
  const of = (kind, ...evidence) => reasons(english, alert({ kind, evidence }));
  assert.deepEqual(of("high_risk", ...[5, 7, 9].map((value) => ({ signal: "sud", value }))), ["The client's own SUD rose twice in a row: 5 → 7 → 9."]);
  assert.deepEqual(of("signal_lost", { signal: "signal_age_ms", value: 8_012 }, { signal: "too_dark", value: null }), ["Nothing was read from a face for 8 s.", "The picture is too dark."]);
  assert.deepEqual(of("many_faces", { signal: "faces", value: 2 }), ["2 faces in the picture."]);
  assert.match(of("degraded", { signal: "redis_available", value: 0 })[0], /cannot reach its store “redis”/);
  assert.match(of("degraded", { signal: "the model missed its deadline", value: null })[0], /did not answer in time/);
  assert.deepEqual(of("client_stop"), ["The client stopped the light themselves."]);
  assert.deepEqual(of("crisis", { signal: "something_new", value: 1 }), ["something_new"]);
  assert.equal(decider(english, alert()), "Decided by a rule, without a model.");
});

test("every kind of alert has words of its own for when nothing stands out", () => {
  const kinds = ["crisis", "high_risk", "dissociation", "client_stop", "signal_lost", "client_disconnected", "pause_unconfirmed", "degraded", "many_faces", "reported"];
  for (const words of [english, russian]) {
    for (const kind of kinds) {
      assert.ok(words.has(`evidence.none.${kind}`) && words.has(`kind.${kind}`), kind);
    }
  }
});

test("the distance from the own baseline is told in steps of the person's own spread", () => {
  const of = (value) => distance(value, 0, 0.1);
  assert.deepEqual([0.05, 0.15, 0.3, 0.5, -0.15, -0.3, -0.5].map(of), ["near", "above", "far_above", "very_far_above", "below", "far_below", "very_far_below"]);
  assert.equal(distance(null, 0, 0.1), null);
  assert.equal(distance(0.1, undefined, 0.1), null);
  assert.equal(distance(0.1, 0, 0), null);
});

test("signs that the service words are told in the page's language, unknown ones as they came", () => {
  assert.equal(signInWords(russian, "arousal above own baseline"), "Возбуждение: выше своего уровня");
  assert.equal(signInWords(russian, "blink_rate below own baseline"), "Миганий в минуту: ниже своего уровня");
  assert.equal(signInWords(russian, "something else"), "something else");
});

test("the gravest alert sounds first; critical and high ones again until acknowledged, others once", () => {
  const soundedAt = new Map();
  const waiting = [named("m", { severity: "medium" }), named("h", { severity: "high" }), named("c")];
  const sound = (at) => {
    const found = due(waiting, soundedAt, at);
    for (const key of found?.keys ?? []) soundedAt.set(key, at);
    return found?.severity ?? null;
  };
  assert.deepEqual([0, 1, 2, 3].map(sound), ["critical", "high", "medium", null]);
  assert.deepEqual([5_000, 5_001, 10_001, 10_002, 60_000].map(sound), ["critical", null, "critical", "high", "critical"]);
  waiting.pop();
  waiting[1].state = "escalated";
  assert.equal(sound(60_001), "high", "an escalation sounds at once");
  waiting[0].severity = "high";
  assert.equal(sound(60_002), "high", "and so does what becomes graver");
  assert.equal(due([], soundedAt, 99_000), null);
});

test("however many alerts wait, a new one sounds within seconds and the gravest sound again in time", () => {
  // Each critical one sounded by itself every five seconds: from four on no other alert was ever heard.
  const soundedAt = new Map();
  const heard = [];
  const waiting = Array.from({ length: 40 }, (_, n) => named(`c${n}`));
  const raised = { 30_000: named("h", { severity: "high" }), 61_000: named("m", { severity: "medium" }), 62_000: named("odd", { severity: "grave" }), 90_000: named("new") };
  for (let at = 0, quiet = 0; at < 120_000; at += 250) {
    if (raised[at]) waiting.push(raised[at]);
    if (at < quiet) continue;
    const found = due(waiting, soundedAt, at);
    for (const key of found?.keys ?? []) soundedAt.set(key, at);
    if (found) heard.push({ at, ...found });
    if (found) quiet = at + 1_200;
  }
  for (const [at, { alert_id }] of Object.entries(raised)) {
    const first = heard.find(({ keys }) => keys.some((key) => key.startsWith(`${alert_id}:`)));
    assert.ok(first.at - at < 5_000, `${alert_id} sounded after ${first.at - at} ms`);
  }
  for (const [severity, every] of [["critical", 5_000], ["high", 10_000]]) {
    const times = heard.filter((sound) => sound.severity === severity).map(({ at }) => at);
    assert.ok(times.slice(1).every((at, n) => at - times[n] <= every + 1_500), severity);
    assert.ok(120_000 - times.at(-1) < every + 1_500, severity);
  }
});

test("nothing sounds before a gesture, and the page knows that it is blocked", async () => {
  let made = 0;
  const context = { state: "suspended", currentTime: 0, async resume() { this.state = "running"; } };
  const chime = new Chime(() => { made += 1; return context; });
  chime.tick([alert()], 0);
  assert.deepEqual([made, chime.state], [0, "blocked"]);
  await chime.unlock();
  assert.equal(chime.state, "ready");
  chime.isOn = false;
  assert.equal(chime.state, "off");
});

test("the volume is kept in this browser, bounded, and reaches every note", async () => {
  const kept = new Map();
  const storage = { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => { kept.set(name, value); } };
  const peaks = [];
  const part = () => ({ frequency: {}, gain: { setValueAtTime() {}, linearRampToValueAtTime: (value) => { if (value > 0) peaks.push(value); } }, connect: (next) => next, start() {}, stop() {} });
  const context = { state: "running", currentTime: 0, createOscillator: part, createGain: part };
  const chime = new Chime(() => context, storage);
  await chime.unlock();
  assert.equal(chime.volume, VOLUME.usual);
  chime.play("critical");
  const usual = peaks.splice(0);
  chime.volume = 1;
  chime.play("critical");
  assert.equal(usual.length, 5);
  assert.deepEqual(peaks, usual.map((peak) => peak / VOLUME.usual));
  assert.equal(new Chime(() => context, storage).volume, 1);
  chime.volume = 0;
  assert.equal(chime.volume, VOLUME.least, "off is a switch of its own, and shown");
  for (const odd of ["loud", "", "NaN"]) {
    kept.set("emdr.volume", odd);
    assert.ok(new Chime(() => context, storage).volume >= VOLUME.least, odd);
  }
  const locked = { getItem: () => { throw new Error("no"); }, setItem: () => { throw new Error("no"); } };
  const private_ = new Chime(() => context, locked);
  private_.volume = 0.9;
  assert.equal(private_.volume, 0.9);
});

test("a browser without sound is told as blocked, not as an error", async () => {
  const chime = new Chime(() => { throw new Error("no device"); });
  await chime.unlock();
  assert.equal(chime.state, "blocked");
});

test("both languages have the same words, with the same values in them", () => {
  const values = (entry) => [...new Set((typeof entry === "string" ? [entry] : Object.values(entry)).join(" ").match(/\{\w+\}/g) ?? [])].sort();
  assert.deepEqual(Object.keys(dictionaries.ru).sort(), Object.keys(dictionaries.en).sort());
  for (const [key, entry] of Object.entries(dictionaries.en)) assert.deepEqual(values(dictionaries.ru[key]), values(entry), key);
});
