import assert from "node:assert/strict";
import { test } from "node:test";

import { PATTERNS } from "../../emdr_stream/browser/client/stimulation/paths.js";
import { Trajectory } from "../../emdr_stream/browser/client/stimulation/trajectory.js";
import { chance } from "./stimulation_world.mjs";

const FRAME_S = 1 / 240;

const begun = (stimulus = {}, options = {}) => {
  const way = new Trajectory(options);
  way.steer({ pattern: "horizontal", speedHz: 1, amplitudeDeg: 12, ...stimulus });
  way.start();
  return way;
};

/** Moves on by one step and gives how far the target went and how far its pace allowed. */
function advance(way, seconds = FRAME_S) {
  const from = way.frontier, paceBefore = way.pace, [x, y] = way.at(from);
  way.advanceTo(from + seconds);
  const [x1, y1] = way.at(way.frontier);
  return { far: Math.hypot(x1 - x, y1 - y), allowed: Math.max(paceBefore, way.pace) * (way.frontier - from) };
}

test("over 10,000 random changes of speed, pattern and width the target never goes further than its pace allows", () => {
  const random = chance(42);
  const way = begun();
  const seen = new Set();
  let slowest = Infinity, moved = 0;
  for (let change = 0; change < 10_000; change += 1) {
    const pattern = PATTERNS[Math.floor(random() * PATTERNS.length)];
    seen.add(pattern);
    way.steer({ pattern, speedHz: 0.2 + 1.8 * random(), amplitudeDeg: 1 + 19 * random() }, random() < 0.2 ? 0 : 2 * random());
    for (let steps = Math.ceil(random() ** 8 * 240); steps > 0; steps -= 1) {
      const { far, allowed } = advance(way);
      assert.ok(far <= allowed + 1e-9, `change ${change}: ${far} > ${allowed}`);
      slowest = Math.min(slowest, allowed);
      moved += far;
    }
  }
  assert.equal(seen.size, PATTERNS.length);
  assert.ok(slowest > 0 && moved > 5_000, "it moved all the time");
});

test("a phase that is speed times time would not pass that test", () => {
  let worst = 0;
  for (let n = 1; n < 1000; n += 1) {
    const time = 20 + n * FRAME_S, before = n < 500 ? 1 : 1.2, after = n < 499 ? 1 : 1.2;
    const far = 12 * Math.abs(Math.sin(2 * Math.PI * after * (time + FRAME_S)) - Math.sin(2 * Math.PI * before * time));
    worst = Math.max(worst, far / (12 * 2 * Math.PI * 1.2 * FRAME_S));
  }
  assert.ok(worst > 10);
});

test("a blend ends on the new path, at its full width and speed", () => {
  const way = begun();
  way.advanceTo(10);
  way.steer({ pattern: "vertical", speedHz: 1, amplitudeDeg: 6 });
  way.advanceTo(14);
  let down = 0;
  for (let n = 0; n < 240; n += 1) {
    advance(way);
    const [x, y] = way.at(way.frontier);
    assert.ok(Math.abs(x) < 1e-9);
    down = Math.max(down, Math.abs(y));
  }
  assert.ok(Math.abs(down - 6) < 0.01);
});

test("the way does not depend on how often it is asked", () => {
  const [often, seldom] = [begun(), begun()];
  for (let time = 0; time < 20; time += 1 / 144) often.advanceTo(time);
  often.advanceTo(20);
  seldom.advanceTo(20);
  assert.deepEqual(often.at(20), seldom.at(20));
});

test("ten minutes at 1 Hz are 600 passes, to a millisecond", () => {
  const way = begun();
  way.advanceTo(600.5);
  const passes = way.happenings.filter(({ kind }) => kind === "pass");
  assert.equal(passes.length, 600);
  assert.ok(Math.abs(passes[599].time - 600) < 0.001, `${passes[599].time}`);
});

test("right and left ends take turns, with a crossing of the midline between them", () => {
  const way = begun();
  way.advanceTo(3.1);
  const told = way.happenings.map(({ kind, side }) => side ?? kind).slice(0, 10);
  assert.deepEqual(told, ["right", "midline", "left", "midline", "pass", "right", "midline", "left", "midline", "pass"]);
});

test("frozen, it is where it was shown, and nothing of what was foreseen happens", () => {
  const way = begun();
  way.advanceTo(7.4);
  const [x, y] = way.at(7.2);
  way.freeze(7.2);
  assert.deepEqual(way.at(7.2), [x, y]);
  way.advanceTo(9);
  assert.deepEqual(way.at(9), [x, y]);
  assert.ok(way.happenings.every(({ time }) => time <= 7.2));
  assert.equal(way.pace, 0);
});

test("it begins from where it rests, without a jump", () => {
  const way = begun({ amplitudeDeg: 20 });
  way.advanceTo(5.25);
  way.freeze(5.25);
  way.start();
  for (let n = 0; n < 1000; n += 1) {
    const { far, allowed } = advance(way);
    assert.ok(far <= allowed + 1e-9);
  }
});

for (const speedHz of [0.2, 1, 2]) {
  for (const pattern of PATTERNS) {
    test(`${pattern} at ${speedHz} Hz: eased to the centre within 2 s, its last pass finished within 1.08 of one`, () => {
      for (const phase of [0.1, 0.37, 0.6, 0.93]) {
        const eased = begun({ pattern, speedHz, amplitudeDeg: 20 });
        eased.advanceTo((2 + phase) / speedHz + 2);
        const at = eased.frontier;
        eased.easeToCentre();
        for (let n = 0; n < 2.01 * 240 && eased.moving; n += 1) {
          const { far, allowed } = advance(eased);
          assert.ok(far <= allowed + 1e-9);
        }
        assert.ok(!eased.moving && eased.frontier - at <= 2.01);
        assert.ok(Math.hypot(...eased.at(eased.frontier)) < 0.5, `${eased.at(eased.frontier)}`);

        const last = begun({ pattern, speedHz, amplitudeDeg: 20 });
        last.advanceTo((2 + phase) / speedHz + 2);
        const since = last.frontier;
        last.happenings.length = 0;
        last.finishAfter();
        while (last.moving) advance(last);
        assert.ok(last.frontier - since <= 1.08 / speedHz + 0.01, `${last.frontier - since}`);
        assert.deepEqual(last.happenings.slice(-2).map(({ kind }) => kind), ["pass", "rest"]);
      }
    });
  }
}

test("without a width it stays in the middle while its phase goes on: sound and touch need no light", () => {
  const way = begun({ amplitudeDeg: 0 });
  way.advanceTo(2.1);
  assert.deepEqual(way.at(1.25), [0, 0]);
  assert.equal(way.happenings.filter(({ kind }) => kind === "pass").length, 2);
});
