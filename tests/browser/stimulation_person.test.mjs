/** In: keys, wishes for less movement, cards. Out: what a person can always do, and what they are shown. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { BREATHS, GROUNDING, breathAt, cardFor } from "../../emdr_stream/browser/client/stimulation/calming.js";
import { motionChoice } from "../../emdr_stream/browser/client/stimulation/motion_choice.js";
import { bindStopKeys } from "../../emdr_stream/browser/client/stimulation/stop_key.js";

class Keyboard extends EventTarget {
  document = Object.assign(new EventTarget(), { fullscreenElement: null });
  press(key, more = {}, type = "keydown") {
    const event = Object.assign(new Event(type, { cancelable: true }), { key, ...more });
    this.dispatchEvent(event);
    return event;
  }
}

function keyboard() {
  const target = new Keyboard();
  const stops = [];
  const state = { active: true };
  const undo = bindStopKeys({ target, active: () => state.active, stop: (by) => { stops.push(by); state.active = false; } });
  return { target, stops, state, undo };
}

test("space and escape stop, with any modifier, and no other handler hears of them", () => {
  for (const [key, more] of [[" ", {}], ["Escape", {}], [" ", { ctrlKey: true }], ["Escape", { shiftKey: true, repeat: true }]]) {
    const { target, stops } = keyboard();
    let heard = 0;
    target.addEventListener("keydown", () => { heard += 1; });
    const event = target.press(key, more);
    assert.deepEqual([stops, heard, event.defaultPrevented], [["key"], 0, true]);
  }
});

test("the key that stopped presses no button when it is let go or held down, and is a key again afterwards", () => {
  const { target, stops } = keyboard();
  target.press(" ");
  assert.ok(target.press(" ", { repeat: true }).defaultPrevented);
  assert.ok(target.press(" ", {}, "keyup").defaultPrevented);
  assert.ok(!target.press(" ").defaultPrevented);
  assert.deepEqual(stops, ["key"]);
});

test("leaving full screen stops, since the browser keeps that escape for itself", () => {
  const { target, stops } = keyboard();
  target.document.fullscreenElement = {};
  target.document.dispatchEvent(new Event("fullscreenchange"));
  assert.deepEqual(stops, []);
  target.document.fullscreenElement = null;
  target.document.dispatchEvent(new Event("fullscreenchange"));
  assert.deepEqual(stops, ["full_screen"]);
});

test("other keys, and both keys at rest, are left alone", () => {
  const { target, stops, state, undo } = keyboard();
  assert.ok(!target.press("a").defaultPrevented);
  state.active = false;
  assert.ok(!target.press(" ").defaultPrevented);
  state.active = true;
  undo();
  target.press(" ");
  assert.deepEqual(stops, []);
});

test("a device that asks for less movement is asked about, and offered stillness first", () => {
  assert.deepEqual(motionChoice(true), { motion: "still", ask: true, offers: ["still", "gentle", "full"] });
  assert.deepEqual(motionChoice(true, "gentle"), { motion: "gentle", ask: false, offers: ["still", "gentle", "full"] });
  assert.equal(motionChoice(true, "full").motion, "full");
  assert.deepEqual(motionChoice(false).motion, "full");
  assert.equal(motionChoice(true, "wild").ask, true);
});

for (const kind of Object.keys(BREATHS)) {
  test(`${kind} breathing swells slowly and never jumps`, () => {
    let before = breathAt(kind, 0);
    for (let time = 0.02; time < 60; time += 0.02) {
      const now = breathAt(kind, time);
      assert.ok(Math.abs(now.fullness - before.fullness) < 0.02, `${time}`);
      assert.ok(now.secondsLeft >= 1 && now.secondsLeft <= 6 && now.breath >= before.breath);
      before = now;
    }
    assert.ok(before.breath >= 3);
  });
}

test("the breath out of the paced kind is the longer one", () => {
  assert.deepEqual([breathAt("paced", 1).part, breathAt("paced", 5).part, breathAt("paced", 10.1).part], ["in", "out", "in"]);
  assert.deepEqual(["in", "hold", "out", "rest"], [1, 5, 9, 13].map((time) => breathAt("box", time).part));
});

test("five senses, five to one, and an emergency contact is nothing that a page offers to a client", () => {
  assert.deepEqual(GROUNDING.map(({ count }) => count), [5, 4, 3, 2, 1]);
  assert.deepEqual(
    [{ type: "breathing", priority: "medium" }, { type: "breathing", priority: "high" }, { type: "grounding" }, { type: "emergency_contact" }, null].map(cardFor),
    ["paced", "box", "grounding", "grounding", "grounding"],
  );
});
