import assert from "node:assert/strict";
import { test } from "node:test";

import { OneClock } from "../../emdr_stream/browser/client/stimulation/one_clock.js";
import { world } from "./stimulation_world.mjs";

const { abs, max } = Math;

/** When (performance, seconds) the light was drawn at the ends of its path, from the places of two frames around each. */
function playsTenMinutes(audio) {
  const { engine, card, processor, frame } = world({ audio, frameMs: 1000 / 60 });
  engine.configure({ sound: "tone", amplitude_deg: 12 });
  const crossings = [], frameS = 1 / 60;
  let last = null, worstLight = 0;
  const look = () => {
    frame();
    const seenAt = processor.seconds + frameS; // what is drawn in this frame is on the glass with the next refresh
    const { x } = engine.position();
    if (last && Math.sign(last.x) !== Math.sign(x) && last.x !== 0 && engine.state !== "rest") {
      crossings.push(last.seenAt + (seenAt - last.seenAt) * (abs(last.x) / (abs(last.x) + abs(x))));
    }
    if (last && engine.state !== "rest") worstLight = max(worstLight, abs(x - last.x) / (engine.pace * frameS || Infinity));
    last = { x, seenAt };
  };
  for (let minute = 0; minute < 10; ) {
    if (engine.state === "rest") engine.start({ seconds: 60 });
    look();
    minute = (processor.seconds - 100) / 60;
  }
  const heard = card.started.filter(({ kind }) => kind === "oscillator").map(({ startsAt }) => card.heardAt(startsAt));
  return { crossings, heard, worstLight };
}

for (const audio of [
  { skew: 0 },
  { skew: 0.0004, latency: 0.12 },
  { skew: -0.0004, latency: 0.03 },
  { skew: 0.0002, latency: 0.05, timestamps: false },
]) {
  test(`sound and light stay within 10 ms over ten minutes: ${JSON.stringify(audio)}`, (t) => {
    const { crossings, heard, worstLight } = playsTenMinutes(audio);
    assert.ok(heard.length > 1000 && crossings.length > 1000, `${heard.length} tones, ${crossings.length} crossings`);
    // A tone belongs half way between two crossings of the middle.
    let worst = 0, matched = 0;
    for (const time of heard) {
      const n = crossings.findIndex((crossing) => crossing > time);
      if (n < 1 || abs(crossings[n] - crossings[n - 1] - 0.5) > 0.01) continue; // the set begins or ends
      matched += 1;
      worst = max(worst, abs(time - (crossings[n] + crossings[n - 1]) / 2));
    }
    assert.ok(matched > 1000, `${matched} matched`);
    t.diagnostic(`simulated: ${matched} tones, at most ${(worst * 1000).toFixed(2)} ms from the light`);
    assert.ok(worst < 0.01, `${(worst * 1000).toFixed(2)} ms apart`);
    assert.ok(worstLight < 1.05, `the light went ${worstLight} times its pace`);
  });
}

test("two clocks that nobody maps would be a quarter of a second apart by then", () => {
  assert.ok(abs(600 * 0.0004) > 0.2);
});

test("stimulus time goes on without a jump when the sound card begins, is suspended, leaps and goes", () => {
  let ms = 5000;
  const card = { state: "suspended", currentTime: 0, outputLatency: 0.02 };
  const clock = new OneClock(() => ms);
  let before = clock.time(), leaps = 0;
  const go = (frames, each = () => {}) => {
    for (let n = 0; n < frames; n += 1) {
      ms += 16;
      if (card.state === "running") card.currentTime += 0.016;
      each();
      leaps += clock.read() ? 1 : 0;
      const time = clock.time();
      assert.ok(abs(time - before - 0.016) < 0.002, `${time - before} at ${ms}`);
      before = time;
    }
  };
  go(50);
  clock.follow(card);
  go(50);
  assert.equal(clock.cardTime(before), null);
  card.state = "running";
  go(200);
  assert.ok(abs(clock.cardTime(before) - (card.currentTime - 0.02)) < 0.002);
  card.currentTime += 3;
  go(200);
  assert.equal(leaps, 2, "sound is ordered anew when the card begins and when it leaps");
  card.state = "suspended";
  go(50);
  card.state = "running";
  go(50);
  clock.follow(null);
  go(50);
});
