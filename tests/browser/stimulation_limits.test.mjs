import assert from "node:assert/strict";
import { test } from "node:test";

import { CHANGE_S, Fade, colourOf, contrast, luminance } from "../../emdr_stream/browser/client/stimulation/colours.js";
import { AMBIENTS, DEFAULTS, LIMITS, MOTIONS, SHAPES, SOUNDS, peakSpeed, withinLimits } from "../../emdr_stream/browser/client/stimulation/limits.js";
import { PATTERNS } from "../../emdr_stream/browser/client/stimulation/paths.js";
import { VisualAngle } from "../../emdr_stream/browser/client/stimulation/visual_angle.js";
import { wishOf } from "../../emdr_stream/browser/client/stimulation/wish.js";
import { chance } from "./stimulation_world.mjs";

const only = (wish, before) => withinLimits(wish, before);

test("the defaults are within the limits and warn of nothing", () => {
  const { stimulus, notes } = only({});
  assert.deepEqual([stimulus, notes], [{ ...DEFAULTS }, []]);
});

for (const [field, [least, most]] of Object.entries(LIMITS).filter(([, limit]) => Array.isArray(limit))) {
  test(`${field} below ${least} and above ${most} is brought to the limit, and the reason is told`, () => {
    for (const [asked, used, code] of [[least - 0.1, least, "below"], [most + 0.1, most, "above"], [1e9, most, "above"]]) {
      const { granted, notes } = only({ [field]: asked });
      assert.equal(granted[field], used);
      const note = notes.find((one) => one.field === field && one.code === code);
      assert.ok(note?.reason.includes(field) && note.asked === asked && note.used === used);
    }
    assert.equal(only({ [field]: most }).granted[field], most);
  });

  test(`${field} that is no number leaves what was in force`, () => {
    const before = { ...DEFAULTS, [field]: most };
    for (const asked of [NaN, Infinity, "1", true, {}]) {
      const { granted, notes } = only({ [field]: asked }, before);
      assert.equal(granted[field], most);
      assert.ok(notes.some((one) => one.code === "not_a_number"));
    }
  });
}

test("what is not known leaves what was in force, and is told", () => {
  for (const field of ["pattern", "shape", "sound", "ambient", "motion", "target", "background"]) {
    const { granted, notes } = only({ [field]: "hologram" });
    assert.equal(granted[field], DEFAULTS[field]);
    assert.deepEqual(notes.map(({ field: where, code }) => [where, code]), [[field, "unknown"]]);
  }
});

test("a target faster than 120 degrees a second is allowed with a warning", () => {
  const { stimulus, notes } = only({ speedHz: 1.6, amplitudeDeg: 12.5 });
  assert.ok(peakSpeed(stimulus) > 120 && peakSpeed(stimulus) < 130);
  assert.deepEqual(notes.map(({ code, used }) => [code, used]), [["fast", 126]]);
  assert.deepEqual(only({ speedHz: 1.5, amplitudeDeg: 12.5 }).notes, []);
});

test("gentle motion is slow and small, and what was granted before comes back with full motion", () => {
  const gentle = only({ motion: "gentle", speedHz: 1.2, amplitudeDeg: 15 });
  assert.deepEqual([gentle.stimulus.speedHz, gentle.stimulus.amplitudeDeg], [0.5, 5]);
  assert.deepEqual(gentle.notes.map(({ code }) => code), ["gentle_motion", "gentle_motion"]);
  const full = only({ motion: "full" }, gentle.granted);
  assert.deepEqual([full.stimulus.speedHz, full.stimulus.amplitudeDeg], [1.2, 15]);
});

test("the target never leaves the screen, whichever pattern it follows", () => {
  const screen = { halfWidthDeg: 8, halfHeightDeg: 4 };
  for (const pattern of PATTERNS) {
    const { stimulus, notes } = withinLimits({ pattern, amplitudeDeg: 20, sizeDeg: 1 }, DEFAULTS, screen);
    assert.ok(stimulus.amplitudeDeg < 14.5, pattern);
    assert.equal(notes[0].code, "screen");
  }
  assert.equal(withinLimits({ pattern: "horizontal", amplitudeDeg: 20, sizeDeg: 1 }, DEFAULTS, screen).stimulus.amplitudeDeg, 7.5);
});

test("no sequence of wishes gets out of the limits", () => {
  const random = chance(9);
  const pick = (list) => list[Math.floor(random() * list.length)];
  let before = DEFAULTS;
  for (let n = 0; n < 5000; n += 1) {
    const field = pick(Object.keys(DEFAULTS));
    const value = pick([random() * 4, random() * 200 - 100, NaN, null, undefined, "x", pick(PATTERNS), pick(MOTIONS), pick(SHAPES), pick(SOUNDS), "#fff"]);
    const { granted, stimulus } = withinLimits({ [field]: value }, before);
    for (const [name, limit] of Object.entries(LIMITS)) {
      if (!Array.isArray(limit) || (name === "beatHz" && granted[name] === 0) || (name === "passes" && granted[name] === null)) continue;
      assert.ok(stimulus[name] >= limit[0] && stimulus[name] <= limit[1], `${name} ${stimulus[name]}`);
    }
    assert.ok(PATTERNS.includes(granted.pattern) && AMBIENTS.includes(granted.ambient) && colourOf(granted.target));
    before = granted;
  }
});

test("a light that hardly stands out from its background is told", () => {
  assert.deepEqual(only({ target: "#888888", background: "#777777" }).notes.map(({ code }) => code), ["faint"]);
  assert.equal(Math.round(contrast("#000", "#ffffff")), 21);
});

/** Flashes of WCAG 2.3.1: pairs of opposing changes of at least a tenth of full luminance, the darker below 0.8. */
function flashesASecond(series) {
  const turns = [];
  let extreme = series[0].value, direction = 0;
  for (const { time, value } of series) {
    if (direction !== 0 && Math.sign(value - extreme) === direction) extreme = value;
    else if (Math.abs(value - extreme) >= 0.1 && Math.min(value, extreme) < 0.8) {
      if (direction !== Math.sign(value - extreme)) turns.push(time);
      direction = Math.sign(value - extreme);
      extreme = value;
    }
  }
  return Math.max(0, ...turns.map((time, n) => turns.slice(n).filter((other) => other < time + 1).length / 2));
}

test("whoever asks for black and white in turn, however fast, gets fewer than three flashes a second", () => {
  for (const every of [0.02, 0.05, 0.16, 0.3, 0.61, 0.7, 1]) {
    const fade = new Fade([0, 0, 0]);
    const series = [];
    for (let n = 0; n < 60 * 30; n += 1) {
      const time = n / 60;
      fade.ask(Math.floor(time / every) % 2 === 0 ? [255, 255, 255] : [0, 0, 0]);
      series.push({ time, value: luminance(fade.at(time)) });
    }
    assert.ok(flashesASecond(series) < 3, `every ${every} s: ${flashesASecond(series)}`);
  }
  const strobe = Array.from({ length: 600 }, (_, n) => ({ time: n / 60, value: Math.floor(n / 6) % 2 }));
  assert.ok(flashesASecond(strobe) >= 3, "the count can find a strobe");
});

test("a colour gets where it was asked to be", () => {
  const fade = new Fade([0, 10]);
  fade.ask([100, 20]);
  fade.at(5);
  assert.deepEqual(fade.at(5 + CHANGE_S / 2).map(Math.round), [50, 15]);
  assert.deepEqual(fade.at(5.01 + CHANGE_S), [100, 20]);
});

test("degrees of sight are pixels at the stated distance, and a measured screen overrules the assumption", () => {
  const assumed = new VisualAngle();
  assert.ok(Math.abs(assumed.pixels(12) - Math.tan((12 * Math.PI) / 180) * 60 * (96 / 2.54)) < 1e-9);
  assert.ok(Math.abs(assumed.degrees(assumed.pixels(-7)) + 7) < 1e-9);
  const near = new VisualAngle({ distanceCm: 30, pixelsPerCm: 50 });
  assert.ok(near.pixels(12) < assumed.pixels(12));
  assert.deepEqual([new VisualAngle({ distanceCm: 1 }).distanceCm, new VisualAngle({ distanceCm: NaN }).distanceCm], [25, 60]);
});

test("a configuration of the protocol is a wish, an audio_config a whole, null no wish", () => {
  assert.deepEqual(wishOf({ pattern_type: "wave", speed: 0.7, intensity: null, duration: 30, colors: { target: "#fff" } }),
    { pattern: "wave", speedHz: 0.7, seconds: 30, target: "#fff" });
  assert.deepEqual(wishOf({ audio_config: { asmr_type: "Pink noise" } }),
    { sound: "tone", volume: 0.5, spatial: true, beatHz: 0, ambient: "pink_noise" });
  assert.equal(wishOf({ audio_config: { volume: 0 } }).sound, "off");
  assert.deepEqual(wishOf({ amplitude_deg: 8, passes: null, safety_thresholds: { risk: 0.3 } }), { amplitudeDeg: 8, passes: null });
});
