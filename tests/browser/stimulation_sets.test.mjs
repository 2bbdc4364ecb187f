import assert from "node:assert/strict";
import { test } from "node:test";

import { noiseLoop } from "../../emdr_stream/browser/client/stimulation/noise.js";
import { AMBIENTS } from "../../emdr_stream/browser/client/stimulation/limits.js";
import { SetPlan } from "../../emdr_stream/browser/client/stimulation/sets.js";
import { SoundPlan, pulseMs } from "../../emdr_stream/browser/client/stimulation/sound_plan.js";

/** Plays a plan at a steady speed and gives the pass after which it ends. */
function endOf(plan, speedHz) {
  let last = plan.end;
  for (let pass = 1; last === null || pass <= last; pass += 1) {
    last = plan.passed(pass, 10 + pass / speedHz, 1 / speedHz) ?? last;
  }
  return last;
}

test("a set by passes has as many, one by seconds the nearest whole number of passes", () => {
  assert.equal(endOf(new SetPlan({ passes: 24, seconds: 24 }, 10), 1), 24);
  assert.equal(endOf(new SetPlan({ passes: null, seconds: 24 }, 10), 1), 24);
  assert.equal(endOf(new SetPlan({ passes: null, seconds: 24.4 }, 10), 1), 24);
  assert.equal(endOf(new SetPlan({ passes: null, seconds: 24.6 }, 10), 1), 25);
  assert.equal(endOf(new SetPlan({ passes: null, seconds: 30 }, 10), 0.7), 21);
});

test("no set lasts longer than 90 seconds, whatever was wished", () => {
  for (const speed of [0.2, 0.45, 1, 2]) {
    for (const wish of [{ passes: 90, seconds: 24 }, { passes: null, seconds: 90 }]) {
      const passes = endOf(new SetPlan(wish, 10), speed);
      assert.ok(passes / speed <= 90.001, `${JSON.stringify(wish)} at ${speed} Hz: ${passes / speed} s`);
      assert.ok(passes / speed > (wish.passes === 90 && speed === 2 ? 44 : 80));
    }
  }
});

test("what is left is counted down and never below nothing", () => {
  const passes = new SetPlan({ passes: 12, seconds: 24 }, 10);
  passes.passed(5, 15, 1);
  assert.deepEqual(passes.left(15), { passes: 7, seconds: null });
  const seconds = new SetPlan({ passes: null, seconds: 24 }, 10);
  assert.deepEqual([seconds.left(10).seconds, seconds.left(15.5).seconds, seconds.left(99).seconds], [24, 19, 0]);
});

const edge = (time, side) => ({ kind: "edge", time, side });
const loud = { sound: "tone", spatial: true, intensity: 1 };

test("each end of the path has one tone, on its own side, however often the plan is asked", () => {
  const plan = new SoundPlan();
  const ahead = [edge(1, "right"), { kind: "midline", time: 1.25 }, edge(1.5, "left")];
  const first = plan.order(ahead, loud, 0.9);
  assert.deepEqual(first, [{ time: 1, pan: 0.9, loudness: 1 }, { time: 1.5, pan: -0.9, loudness: 1 }]);
  assert.deepEqual(plan.order(ahead, loud, 0.95), []);
  plan.callOff(1.2);
  assert.deepEqual(plan.order(ahead, loud, 1.2).map(({ time }) => time), [1.5]);
});

test("a tone that would be late is left out; without sound none is ordered; in the middle when it is not spatial", () => {
  assert.deepEqual(new SoundPlan().order([edge(1, "left")], loud, 1.05), []);
  assert.deepEqual(new SoundPlan().order([edge(1, "left")], { ...loud, sound: "off" }, 0.9), []);
  assert.equal(new SoundPlan().order([edge(1, "left")], { ...loud, spatial: false }, 0.9)[0].pan, 0);
});

test("a touch lasts longer with more intensity, never as long as a tenth of a second", () => {
  assert.ok(pulseMs(0) < pulseMs(1) && pulseMs(1) < 100 && pulseMs(0) > 10 && pulseMs(9) === pulseMs(1));
});

for (const kind of AMBIENTS.filter((name) => name !== "off")) {
  test(`${kind} is a loop of even loudness, without clipping, a click at its seam, or a constant part`, () => {
    const samples = noiseLoop(kind, 16_000);
    const rms = Math.sqrt(samples.reduce((sum, s) => sum + s * s, 0) / samples.length);
    const mean = samples.reduce((sum, s) => sum + s, 0) / samples.length;
    assert.ok(rms > 0.13 && rms < 0.17, `${rms}`);
    assert.ok(Math.abs(mean) < 0.01);
    assert.ok(samples.filter((s) => Math.abs(s) >= 1).length < samples.length / 1000);
    // The step over the seam is one like any other: within the largest of all steps inside.
    let largest = 0;
    for (let n = 1; n < samples.length; n += 1) largest = Math.max(largest, Math.abs(samples[n] - samples[n - 1]));
    assert.ok(Math.abs(samples[0] - samples.at(-1)) <= largest);
  });
}

test("low tones weigh more in brown noise than in pink, and more in pink than in white", () => {
  const low = (kind) => {
    const samples = noiseLoop(kind, 16_000);
    let slow = 0, power = 0, all = 0;
    for (const sample of samples) {
      slow += 0.1 * (sample - slow);
      power += slow * slow;
      all += sample * sample;
    }
    return power / all;
  };
  assert.ok(low("brown_noise") > low("pink_noise") + 0.1 && low("pink_noise") > low("white_noise") + 0.1);
});
