// The console's section about the models: rows of its tables, in both languages, as values without a page.

import assert from "node:assert/strict";
import test from "node:test";
import { decisionRows, latencyRows, versionRows } from "../../emdr_stream/browser/pages/console/models_view.js";
import { english, russian } from "./console_world.mjs";

const told = (fields = {}) => ({
  models: [{ name: "emotion_safety", version: "2", sha256: "c0b439db17781ce8" }, { name: "face_expression", version: "1", sha256: "ee2789744d634fb3" }],
  drift: [{ model: "emotion_safety", outputs: 0.31, outputs_limit: 0.25, inputs: 0.1, inputs_limit: 0.25, sessions: 41.6 }],
  latency: [{ stage: "queue", count: 1200, p50_ms: 0.5, p99_ms: 5 }, { stage: "infer", count: 0, p50_ms: null, p99_ms: null }],
  decisions: { crisis: 3, high_risk: 0, dissociation: 1 }, days: 30, sessions: 12, shadow_rows: 0, shadow_failures: 0, ...fields,
});

test("a model that drifts is told apart from one that does not, and both from one that nobody watches", () => {
  const [safety, face] = versionRows(english, told());
  assert.deepEqual(safety, ["emotion_safety", "2", "c0b439db1778", "0.31: DRIFT, limit 0.25", "0.10, within 0.25", "42"]);
  assert.deepEqual(face.slice(3), ["not watched", "not watched", "–"]);
});

test("before enough sessions were seen there is no number that could be taken for none", () => {
  const few = told({ drift: [{ model: "emotion_safety", outputs: null, outputs_limit: 0.25, inputs: null, inputs_limit: 0.25, sessions: 1 }] });
  assert.deepEqual(versionRows(english, few)[0].slice(3, 5), ["too few sessions yet", "too few sessions yet"]);
});

test("a time is an upper bound, and a stage without messages has none", () => {
  const [queue, infer] = latencyRows(english, told());
  assert.deepEqual(queue, ["waits for the batch", "1,200", "at most 0.5 ms", "at most 5.0 ms"]);
  assert.deepEqual(infer, ["features and models", "0", "–", "–"]);
});

test("decisions have the names that alerts have, in both languages", () => {
  assert.deepEqual(decisionRows(english, told()).map(([, count]) => count), ["3", "0", "1"]);
  for (const words of [english, russian]) {
    for (const [name] of decisionRows(words, told())) assert.doesNotMatch(name, /^kind\.|_/);
  }
});
