import assert from "node:assert/strict";
import { test } from "node:test";

import { PATTERNS, extent, patternNamed, peakRate, place } from "../../emdr_stream/browser/client/stimulation/paths.js";

const STEP = 0.003;
const SEEDS = [1, 2, 3, 99, 2 ** 31];

/** Each pattern; the random one with several seeds. */
const cases = PATTERNS.flatMap((pattern) => (pattern === "random" ? SEEDS : [1]).map((seed) => [pattern, seed]));

test("all twelve kinds of path are there", () => {
  assert.deepEqual(PATTERNS, ["horizontal", "vertical", "diagonal_up", "diagonal_down", "infinity", "butterfly", "circle",
    "spiral", "wave", "lissajous", "pendulum", "random"]);
  assert.equal(patternNamed("diagonal"), "diagonal_up");
  assert.equal(patternNamed("toString"), undefined);
});

for (const [pattern, seed] of cases) {
  test(`${pattern} (seed ${seed}) stays on the unit disc, on the side of the sine, and is no steeper than it says`, () => {
    let [x, y] = place(pattern, -10, seed), steepest = 0, far = 0;
    for (let phase = -10 + STEP; phase < 40; phase += STEP) {
      const [x1, y1] = place(pattern, phase, seed);
      far = Math.max(far, Math.hypot(x1, y1));
      steepest = Math.max(steepest, Math.hypot(x1 - x, y1 - y) / STEP);
      assert.ok(x1 * Math.sin(phase) >= -1e-9, `side at ${phase}`);
      assert.ok(Math.abs(x1) <= extent(pattern).x + 1e-6 && Math.abs(y1) <= extent(pattern).y + 1e-6);
      [x, y] = [x1, y1];
    }
    assert.ok(far <= 1 + 1e-9, `reaches ${far}`);
    assert.ok(steepest <= peakRate(pattern) * (1 + 1e-9), `${steepest} > ${peakRate(pattern)}`);
    assert.ok(steepest > 0.5, "it moves");
  });
}

test("no two patterns are the same path", () => {
  const drawn = PATTERNS.map((pattern) => [0.3, 1.1, 2.6, 4.4, 7.9].map((phase) => place(pattern, phase).map((v) => v.toFixed(3))).join());
  assert.equal(new Set(drawn).size, PATTERNS.length);
});

test("two seeds give two random paths, one seed the same path twice", () => {
  assert.notDeepEqual(place("random", 1.3, 1), place("random", 1.3, 2));
  assert.deepEqual(place("random", 1.3, 5), place("random", 1.3, 5));
});
