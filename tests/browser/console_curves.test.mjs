// A console's curves: what was not seen is a gap, never a line; what the records hold fills only what was not live.

import assert from "node:assert/strict";
import test from "node:test";
import { Curves, GAP_MS } from "../../emdr_stream/browser/pages/console/curves.js";
import { lanesOf } from "../../emdr_stream/browser/pages/console/lanes.js";
import { tickStep } from "../../emdr_stream/browser/pages/console/plot.js";
import { state, view } from "./console_world.mjs";

const TO = 60_000;

function curves(...points) {
  const made = new Curves();
  for (const [ts, fields] of points) made.take(state({ ts, ...fields }));
  return made;
}

test("readings in a row are one stretch", () => {
  const made = curves([1_000], [1_200], [1_400]);
  assert.deepEqual(made.stretches("arousal", 0, TO), [[[1_000, 0.1], [1_200, 0.1], [1_400, 0.1]]]);
  assert.deepEqual(made.unknown("arousal", 0, 2_000), []);
});

test("a reading that is missing breaks the line, and the place is hatched", () => {
  const made = curves([1_000], [1_200, { dimensions: { arousal: null, valence: 0, attention: 1 } }], [1_400]);
  assert.deepEqual(made.stretches("arousal", 0, TO).map((stretch) => stretch.length), [1, 1]);
  assert.deepEqual(made.unknown("arousal", 0, 2_000), [{ from: 1_000, to: 1_200, why: "missing" }]);
  assert.equal(made.stretches("valence", 0, TO).length, 1);
});

test("no reading is never drawn as zero, whatever stands for it", () => {
  for (const nothing of [null, undefined, NaN, Infinity, "0.5"]) {
    const made = curves([1_000, { dimensions: { arousal: nothing, valence: nothing, attention: nothing } }]);
    assert.deepEqual(made.stretches("arousal", 0, TO), [], String(nothing));
    assert.equal(made.newest.arousal, null);
  }
});

test("silence of more than the gap is hatched up to now, and not drawn through when it ends", () => {
  const made = curves([1_000], [1_200]);
  assert.deepEqual(made.unknown("risk", 0, 1_200 + GAP_MS + 1), [{ from: 1_200, to: 1_201 + GAP_MS, why: "missing" }]);
  made.take(state({ ts: 20_000 }));
  assert.deepEqual(made.stretches("risk", 0, TO).map((stretch) => stretch.length), [2, 1]);
  assert.deepEqual(made.unknown("risk", 0, 20_100), [{ from: 1_200, to: 20_000, why: "missing" }]);
});

test("while the client is not seen the last reading is not carried on", () => {
  const made = curves([1_000], [1_200, { signal: { status: "stale", quality: 0, age_ms: 2_100 } }], [1_400, { signal: { status: "lost", quality: 0, age_ms: 9_000 } }]);
  assert.deepEqual(made.stretches("crisis", 0, TO).flat(), [[1_000, 0.05]]);
  assert.equal(made.unknown("crisis", 0, 1_500).at(-1).why, "missing");
});

test("before the baseline stands risk and crisis are hatched as forming, and the face's own readings are drawn", () => {
  const forming = { baseline: { sureness: 0.5 }, safety: { risk_level: null, crisis_probability: null, warning_signs: [] } };
  const made = curves([1_000, forming], [1_200, forming], [1_400]);
  assert.deepEqual(made.unknown("risk", 0, 1_500), [{ from: 1_000, to: 1_200, why: "forming" }]);
  assert.deepEqual(made.unknown("arousal", 0, 1_500), []);
  const blind = curves([1_000, { ...forming, signal: { status: "lost", quality: 0, age_ms: 1 } }], [1_200, forming]);
  assert.equal(blind.unknown("risk", 0, 1_500).length, 1);
});

test("a state that is older than the newest changes nothing", () => {
  const made = curves([2_000], [1_000], [2_000, { dimensions: { arousal: 0.9 } }]);
  assert.deepEqual(made.stretches("arousal", 0, TO), [[[2_000, 0.1]]]);
});

test("the records fill what was before this page and while it was cut off, and nothing that came live", () => {
  const made = curves([10_000], [10_200], [10_400], [20_000]);
  const ts = [8_000, 9_000, 10_100, 12_000, 13_000, 19_900, 21_500];
  const column = (value) => ts.map(() => value);
  made.remember({
    ts, arousal: column(0.7), valence: column(0), attention: column(1), risk: column(null), crisis: column(null),
    signal: ["ok", "ok", "ok", "ok", "lost", "ok", "ok"],
  });
  assert.deepEqual(made.points.map((point) => point.ts), [8_000, 9_000, 10_000, 10_200, 10_400, 12_000, 13_000, 20_000, 21_500]);
  assert.deepEqual(made.stretches("arousal", 0, TO).map((stretch) => stretch.length), [6, 2]);
  assert.equal(made.at(9_500).arousal, 0.7);
  assert.equal(made.at(9_000 - GAP_MS - 1), null);
});

test("an hour of states keeps a bounded number of points", () => {
  const made = new Curves();
  for (let ts = 0; ts < 3_600_000; ts += 200) made.take(state({ ts: ts + 1 }));
  assert.ok(made.points.length <= 31 * 60 * 5 + 501, `${made.points.length}`);
});

test("lanes carry the thresholds in force, and a band of the person's own only when there is one", () => {
  const session = view({ thresholds: { risk: 0.5, crisis_pause: 0.6, crisis_immediate: 0.9 } });
  session.curves.take(state({ ts: 1_000 }));
  const lanes = lanesOf(session, { from: 0, to: 2_000 });
  assert.deepEqual(lanes.crisis.lines.map(({ value }) => value), [0.6, 0.9]);
  assert.deepEqual(lanes.risk.bands, [{ from: 0.5, to: 1, tone: "warn" }]);
  assert.deepEqual([lanes.arousal.bands, lanes.attention.bands], [[], []]);
  session.summary.baseline = { sureness: 1, arousal: { mean: 0.2, deviation: 0.1 } };
  const [band] = lanesOf(session, { from: 0, to: 2_000 }).arousal.bands;
  assert.deepEqual([band.from, band.to].map((value) => value.toFixed(2)), ["0.00", "0.40"]);
});

test("the ticks of the time axis are round and few", () => {
  for (const minutes of [2, 10, 30]) {
    const step = tickStep(minutes * 60_000, 6);
    assert.ok((minutes * 60_000) / step <= 6);
    assert.equal(step % 5_000, 0);
  }
});
