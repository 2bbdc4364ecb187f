/** In: a session on a fake socket and the engine. Out: that they obey each other, and that nothing begins by itself. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { attach } from "../../emdr_stream/browser/client/stimulation/attach.js";
import { settled, welcome } from "./fakes.mjs";
import { world as stimulation } from "./stimulation_world.mjs";
import { session } from "./world.mjs";

async function together(greeting) {
  const talk = await session({}, null);
  const stage = stimulation();
  const undo = attach(talk.peer, stage.engine);
  talk.socket.accept();
  talk.socket.receive("welcome", greeting ?? welcome());
  await settled();
  return { ...talk, talk, stage, undo, engine: stage.engine, said: (type) => talk.Socket.newest.sent.filter((message) => message.type === type) };
}

const PAUSE = { seq: 10, epoch: 1, control_epoch: 5, reason: "crisis", resume_requires: "therapist" };

test("a set is told to the service when it begins and when it ends", async () => {
  const { engine, stage, said } = await together();
  assert.equal(engine.start({ passes: 4 }), true);
  stage.seconds(6);
  await settled();
  assert.deepEqual(said("set").map(({ action, set_no }) => [action, set_no]), [["start", 1], ["end", 1]]);
});

// Its light moved on, while service and console had the person between two sets.
for (const code of ["not_ready", "internal"]) {
  test(`a set that the service refuses (${code}) ends at once, is told, and was none`, async () => {
    const { engine, stage, talk, said } = await together();
    engine.start({ seconds: 30 });
    stage.seconds(0.1);
    const refusal = { code, message: "why", retryable: false, fatal: false };
    talk.socket.receive("error", { re: said("set")[0].id, ...refusal });
    await settled();
    assert.equal(engine.state, "rest");
    assert.equal(talk.peer.paused, false);
    const told = talk.of("error").at(-1);
    assert.deepEqual([told.code, told.cause], ["set_refused", code]);
    assert.deepEqual(said("set").map(({ action }) => action), ["start"], "what was not begun has no end");
    engine.start({ seconds: 8 });
    const begun = said("set").at(-1);
    assert.deepEqual([begun.action, begun.set_no], ["start", 1]);
    talk.socket.receive("done", { re: begun.id });
    await settled();
    assert.equal(engine.state, "moving");
    engine.stop();
    assert.equal(said("set").at(-1).action, "end");
  });
}

test("a set without an answer ends when none is to be expected any more, and an older one says nothing of the next", async () => {
  const { engine, stage, talk, said } = await together(welcome({ timeout_ms: 1e9 }));
  engine.start({ seconds: 30 });
  engine.stop();
  await talk.clock.advance(6_000);
  engine.start({ seconds: 60 });
  stage.seconds(5);
  await talk.clock.advance(6_000);
  assert.equal(engine.state, "moving", "a slow line alone stops nothing");
  assert.equal(talk.of("error").length, 0);
  await talk.clock.advance(4_000);
  assert.equal(engine.state, "rest");
  assert.equal(talk.of("error")[0].cause, "no_answer");
  assert.deepEqual(said("set").map(({ action }) => action), ["start", "end", "start", "end"], "it may have been begun");
});

test("a set whose answer was lost with the connection is stopped by that, and by nothing else", async () => {
  const { engine, talk } = await together();
  engine.start({ seconds: 30 });
  talk.socket.drop();
  assert.equal(engine.state, "rest");
  await settled();
  assert.equal(talk.of("error").length, 0);
});

test("a pause that comes before the answer keeps its way of coming to rest", async () => {
  const { engine, stage, talk, said } = await together();
  engine.start({ seconds: 30 });
  stage.seconds(2);
  talk.socket.receive("control.pause", { ...PAUSE, mode: "ease_to_center" });
  talk.socket.receive("error", { re: said("set")[0].id, code: "paused", message: "", retryable: false, fatal: false });
  await settled();
  assert.equal(engine.state, "ending");
  assert.equal(talk.of("error").filter(({ code }) => code === "set_refused").length, 0);
});

test("a hard pause stops the light in the same turn, and is confirmed with the time of rest", async () => {
  const { engine, stage, talk, said } = await together();
  engine.start({ seconds: 30 });
  stage.seconds(4);
  talk.socket.receive("control.pause", { ...PAUSE, mode: "hard" });
  assert.equal(engine.state, "rest");
  await settled();
  const confirmed = said("applied").filter(({ control_epoch, stopped_ts }) => control_epoch === 5 && stopped_ts !== undefined);
  assert.equal(confirmed[0].stopped_ts, engine.stoppedTs);
  assert.deepEqual(said("set").map(({ action }) => action), ["start"], "the service has ended the set itself");
});

test("an easing pause is confirmed when the light has come to rest, and not before", async () => {
  const { engine, stage, talk, said } = await together();
  engine.start({ seconds: 30 });
  stage.seconds(4.2);
  talk.socket.receive("control.pause", { ...PAUSE, mode: "ease_to_center", reason: "dissociation" });
  await settled();
  assert.equal(engine.state, "ending");
  assert.ok(said("applied").every(({ stopped_ts }) => stopped_ts === undefined));
  stage.seconds(2.5);
  await settled();
  assert.equal(engine.state, "rest");
  assert.ok(said("applied").some(({ stopped_ts }) => stopped_ts === engine.stoppedTs));
});

test("the person's stop needs no network, and the light waits for nobody", async () => {
  const { engine, stage, talk } = await together();
  engine.start({ seconds: 30 });
  stage.seconds(4);
  talk.socket.readyState = 3;
  talk.peer.stop("key");
  assert.equal(engine.state, "rest");
});

test("silence of the service stops the light", async () => {
  const { engine, stage, clock } = await together();
  engine.start({ seconds: 30 });
  stage.seconds(1);
  await clock.advance(2_001);
  assert.equal(engine.state, "rest");
});

test("while paused no set begins, and the end of the pause begins none", async () => {
  const { engine, stage, talk } = await together();
  talk.socket.receive("control.pause", { ...PAUSE, mode: "hard" });
  assert.equal(engine.start(), false);
  talk.socket.receive("control.resume", { seq: 11, epoch: 1, control_epoch: 6, by: "therapist" });
  stage.seconds(2);
  assert.equal(engine.state, "rest");
  assert.equal(engine.start(), true);
});

test("an adaptation changes nothing while it waits for the next set, and the whole stimulus comes with the welcome", async () => {
  const greeting = welcome();
  greeting.snapshot.config = { pattern_type: "infinity", speed: 0.8, intensity: 0.5, duration: 30 };
  const { engine, stage, talk } = await together(greeting);
  assert.deepEqual([engine.stimulus.pattern, engine.stimulus.speedHz, engine.stimulus.seconds], ["infinity", 0.8, 30]);
  engine.start();
  stage.seconds(3);
  talk.socket.receive("pattern.adapt", { seq: 10, epoch: 1, adapt_id: "a1", config: { speed: 0.6 }, effective: "now", ramp_ms: 500, reasons: [] });
  talk.socket.receive("pattern.adapt", { seq: 11, epoch: 1, adapt_id: "a2", config: { duration: 20 }, effective: "next_set", ramp_ms: 0, reasons: [] });
  assert.deepEqual([engine.stimulus.speedHz, engine.stimulus.seconds, engine.state], [0.6, 30, "moving"]);
});

test("width, size and shape come from the therapist like everything else, and stay the page's own until then", async () => {
  const { engine, talk } = await together();
  assert.deepEqual([engine.stimulus.amplitudeDeg, engine.stimulus.sizeDeg, engine.stimulus.shape], [12, 1.6, "circle"]);
  const config = { amplitude_deg: 5, size_deg: 3, shape: "ring" };
  talk.socket.receive("pattern.adapt", { seq: 10, epoch: 1, adapt_id: "a1", config, effective: "now", ramp_ms: 500, reasons: [] });
  assert.deepEqual([engine.stimulus.amplitudeDeg, engine.stimulus.sizeDeg, engine.stimulus.shape], [5, 3, "ring"]);
});

test("a session that is over holds the light for good", async () => {
  const { engine, stage, talk } = await together();
  engine.start();
  stage.seconds(3);
  talk.socket.receive("ended", { seq: 10, epoch: 1, reason: "therapist", totals: {} });
  assert.equal(engine.state, "rest");
  assert.equal(engine.start(), false);
});
