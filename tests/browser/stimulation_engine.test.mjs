/** In: the engine, frame by frame. Out: what it shows, sounds and touches, and that a stop is a stop. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { PATTERNS } from "../../emdr_stream/browser/client/stimulation/paths.js";
import { chance, world } from "./stimulation_world.mjs";

const placeDrawn = ({ canvas }) => canvas.drawn.at(-1);

test("the target moves on the canvas, as wide as the angle of sight says", () => {
  const stage = world();
  stage.engine.configure({ amplitude_deg: 10 });
  stage.engine.start({ seconds: 20 });
  stage.seconds(8);
  const widest = Math.max(...stage.canvas.drawn.map(([x]) => x));
  assert.ok(Math.abs(widest - stage.engine.angle.pixels(10)) < 1, `${widest}`);
  assert.ok(stage.canvas.drawn.every(([, y]) => Math.abs(y) < 1e-6));
});

for (const frameMs of [1000 / 144, 1000 / 60, 1000 / 30]) {
  test(`a hard stop is within one frame of ${frameMs.toFixed(1)} ms: nothing is drawn anywhere else after it`, async () => {
    const random = chance(5);
    for (let run = 0; run < 20; run += 1) {
      const stage = world({ frameMs, audio: run % 2 ? {} : null });
      stage.engine.configure({ pattern_type: PATTERNS[run % PATTERNS.length], sound: "tone", touch: true });
      stage.engine.start({ seconds: 60 });
      stage.seconds(2 + 5 * random());
      const before = placeDrawn(stage), drawn = stage.canvas.drawn.length;
      const ts = await stage.engine.stop();
      assert.equal(stage.engine.state, "rest");
      assert.ok(ts <= 1_700_000_000_000 + stage.processor.seconds * 1000 + 1);
      stage.seconds(1);
      assert.ok(stage.canvas.drawn.length > drawn, "it is still drawn");
      for (const place of stage.canvas.drawn.slice(drawn)) assert.deepEqual(place, before);
      const sounding = (stage.card?.started ?? []).filter(({ kind, startsAt }) => kind === "oscillator" && startsAt > stage.card.trueTime() - 1);
      assert.ok(sounding.every(({ cut }) => cut), "what was ordered ahead is called off");
      const touches = stage.pulses.filter(({ ms, at }) => ms > 0 && at > stage.processor.seconds - 0.99);
      assert.deepEqual(touches, []);
    }
  });
}

test("over random changes of everything, at random frame times, the drawn target never outruns its pace", () => {
  const random = chance(77);
  const stage = world({ audio: { skew: 0.0003 } });
  const { engine } = stage;
  let last = null, frames = 0, paces = [];
  for (let change = 0; change < 1500; change += 1) {
    if (engine.state === "rest") engine.start({ seconds: 8 + 82 * random() });
    engine.configure(
      { pattern_type: PATTERNS[Math.floor(random() * 12)], speed: 3 * random(), amplitude_deg: 25 * random(), size_deg: 6 * random() },
      { rampMs: 2000 * random(), when: ["now", "end_of_pass", "next_set"][Math.floor(random() * 3)] },
    );
    for (let n = Math.ceil(20 * random() ** 2); n > 0; n -= 1) {
      const ms = 4 + 200 * random() ** 6;
      stage.frame(ms);
      const { x, y } = engine.position();
      // The pace is told of the frontier, a sixth of a second ahead: what is shown now had one of the last ones.
      paces = [engine.pace, ...paces.slice(0, 60)];
      // The moment that is drawn is a frame ahead, and the mean length of a frame changes a little with each.
      const far = Math.hypot(x - (last?.x ?? x), y - (last?.y ?? y));
      assert.ok(far <= Math.max(...paces) * (ms + 6) / 1000 + 1e-9, `${far} of ${Math.max(...paces) * ms / 1000}`);
      last = { x, y };
      frames += 1;
    }
  }
  assert.ok(frames > 5_000);
});

test("a frame that comes late finds the light where it was", () => {
  const stage = world();
  stage.engine.start({ seconds: 60 });
  stage.seconds(3.1);
  const before = stage.engine.position();
  stage.frame(900);
  const after = stage.engine.position();
  assert.ok(Math.hypot(after.x - before.x, after.y - before.y) < stage.engine.pace * 0.04);
  assert.equal(stage.engine.state, "moving");
});

test("a set by passes tells each pass and ends after the last one, in the middle", () => {
  const stage = world();
  const told = [];
  stage.engine.on("pass", ({ pass, left }) => told.push([pass, left.passes]));
  stage.engine.on("set", ({ action, why, done }) => told.push([action, why, done]));
  stage.engine.start({ passes: 4 });
  stage.seconds(6);
  assert.deepEqual(told, [["start", "begun", undefined], [1, 3], [2, 2], [3, 1], [4, 0], ["end", "done", 4]]);
  assert.ok(Math.abs(stage.engine.position().x) < 1e-6);
  assert.equal(stage.engine.state, "rest");
});

test("no set outlasts the limit by more than its last pass, however it is slowed down meanwhile", () => {
  const stage = world();
  stage.engine.configure({ speed: 2 });
  stage.engine.start({ passes: 90, seconds: 90 });
  stage.seconds(30);
  stage.engine.configure({ speed: 0.2 }, { rampMs: 0 });
  let lasted = 30;
  while (stage.engine.state !== "rest") {
    stage.seconds(0.1);
    lasted += 0.1;
  }
  assert.ok(lasted < 94 && lasted > 80, `${lasted}`);
});

for (const [mode, most] of [["ease_to_center", 2.3], ["finish_pass", 1.25]]) {
  test(`${mode} comes to rest in the middle in time, and a hard stop overtakes it`, async () => {
    const stage = world();
    stage.engine.start({ seconds: 60 });
    stage.seconds(5.3);
    const rest = stage.engine.stop({ mode });
    assert.equal(stage.engine.state, "ending");
    const since = stage.processor.seconds;
    let at = null;
    rest.then((ts) => { at = ts; });
    while (stage.engine.state !== "rest") stage.frame();
    await rest;
    assert.ok(stage.processor.seconds - since < most);
    assert.equal(at, 1_700_000_000_000 + Math.round(stage.processor.seconds * 1000));
    assert.ok(Math.hypot(...Object.values(stage.engine.position())) < 0.5);

    stage.engine.start();
    stage.seconds(3.2);
    const first = stage.engine.stop({ mode });
    stage.frame();
    await stage.engine.stop({ mode: "hard" });
    await first;
    assert.equal(stage.engine.state, "rest");
  });
}

test("touch comes with each crossing of the midline, not later than one frame", () => {
  const stage = world();
  stage.engine.configure({ touch: true, intensity: 1 });
  stage.engine.start({ seconds: 30 });
  stage.seconds(10);
  const pulses = stage.pulses.filter(({ ms }) => ms > 0);
  assert.equal(pulses.length, 20);
  assert.ok(pulses.every(({ ms, at }, n) => ms === 70 && (n === 0 || Math.abs(at - pulses[n - 1].at - 0.5) < 0.02)));
});

test("a person's mute overrules every configuration", () => {
  const stage = world({ audio: {} });
  stage.engine.mute(true);
  stage.engine.configure({ audio_config: { volume: 0.7 } });
  stage.engine.start({ seconds: 20 });
  stage.engine.configure({ audio_config: { volume: 0.6, asmr_type: "rain" } });
  stage.seconds(5);
  assert.deepEqual(stage.card.started, []);
});

test("the volume never gets above the cap, and a silence lasts", () => {
  const stage = world({ audio: {} });
  stage.engine.configure({ audio_config: { volume: 1, asmr_type: "waves", binaural_frequency: 8 } });
  stage.engine.start({ seconds: 20 });
  stage.seconds(3);
  assert.equal(stage.engine.stimulus.volume, 0.7);
  assert.equal(stage.card.started.filter(({ kind }) => kind === "buffer").length, 1);
  stage.engine.stop();
  const count = stage.card.started.length;
  stage.seconds(2);
  assert.equal(stage.card.started.length, count);
  assert.ok(stage.card.started.every(({ stopsAt }) => stopsAt <= stage.card.trueTime()));
});

test("still motion leaves the light in the middle, while sound and touch go on", () => {
  const stage = world({ audio: {} });
  stage.engine.configure({ motion: "still", sound: "click", touch: true });
  stage.engine.start({ passes: 6 });
  stage.seconds(4);
  assert.ok(stage.canvas.drawn.every(([x, y]) => Math.hypot(x, y) < 1e-9));
  assert.ok(stage.card.started.length >= 7 && stage.pulses.length >= 7);
  stage.seconds(4);
  assert.equal(stage.engine.state, "rest");
});

test("what is asked for the end of the pass or the next set waits for it", () => {
  const stage = world();
  stage.engine.start({ passes: 8 });
  stage.seconds(2.2);
  stage.engine.configure({ speed: 0.5 }, { when: "end_of_pass" });
  stage.engine.configure({ pattern_type: "vertical" }, { when: "next_set" });
  assert.equal(stage.engine.stimulus.speedHz, 1);
  stage.seconds(1.2);
  assert.deepEqual([stage.engine.stimulus.speedHz, stage.engine.stimulus.pattern], [0.5, "horizontal"]);
  stage.seconds(15);
  stage.engine.start({ passes: 4 });
  assert.equal(stage.engine.stimulus.pattern, "vertical");
});

test("a page that is hidden stops the light", () => {
  const page = Object.assign(new EventTarget(), { visibilityState: "visible" });
  const stage = world({ page });
  stage.engine.start({ seconds: 20 });
  stage.seconds(3);
  page.visibilityState = "hidden";
  page.dispatchEvent(new Event("visibilitychange"));
  assert.equal(stage.engine.state, "rest");
});

test("limits are told with their reasons", () => {
  const stage = world();
  const told = [];
  stage.engine.on("limited", (notes) => told.push(...notes));
  const notes = stage.engine.configure({ speed: 5 });
  assert.deepEqual(notes, told);
  assert.deepEqual([notes[0].field, notes[0].code, notes[0].used], ["speedHz", "above", 2]);
});

// What waited for the next set came over whatever was said after it: a set began faster than the therapist had last asked for.
test("the newest word on a field counts, whatever waits for later, and the other fields that wait are kept", () => {
  const stage = world();
  const { engine } = stage;
  const inForce = () => [engine.stimulus.speedHz, engine.stimulus.intensity, engine.stimulus.target];
  const later = (config, when) => engine.configure(config, { when, rampMs: 0 });
  engine.start({ seconds: 60 });
  stage.seconds(3);
  later({ speed: 1.2, intensity: 0.4, colors: { target: "#ffffff" } }, "next_set");
  later({ speed: 0.6 }, "now");
  later({ intensity: 0.2 }, "end_of_pass");
  engine.stop();
  assert.deepEqual(inForce(), [0.6, 0.2, "#ffffff"], "at rest all that waited holds");
  later({ speed: 0.5 }, "now");
  engine.start({ seconds: 60 });
  assert.equal(engine.stimulus.speedHz, 0.5);
  stage.seconds(1);

  later({ speed: 0.4 }, "end_of_pass");
  later({ speed: 0.9 }, "next_set");
  stage.seconds(3);
  assert.equal(engine.stimulus.speedHz, 0.4, "a newer one for the next set leaves this set's alone");
  engine.stop();
  assert.equal(engine.stimulus.speedHz, 0.9);

  engine.start({ seconds: 60 });
  later({ speed: 0.7 }, "end_of_pass");
  later({ speed: 0.5 }, "now");
  stage.seconds(4);
  assert.equal(engine.stimulus.speedHz, 0.5);
  later({ speed: 0.7 }, "end_of_pass");
  later({ speed: 0.6 }, "next_set");
  engine.stop();
  assert.equal(engine.stimulus.speedHz, 0.6, "a pass that never ended comes before what was said after it");
});

test("what waited moves nothing when it comes to hold at the stop", async () => {
  const stage = world();
  stage.engine.start({ seconds: 60 });
  stage.seconds(3.3);
  stage.engine.configure({ pattern_type: "vertical", amplitude_deg: 3, speed: 0.4 }, { when: "next_set" });
  stage.frame();
  const before = placeDrawn(stage);
  await stage.engine.stop();
  assert.equal(stage.engine.stimulus.pattern, "vertical");
  stage.seconds(1);
  assert.deepEqual(placeDrawn(stage), before);
});
