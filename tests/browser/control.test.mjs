// Pauses and resumes: which is newer, what this page holds by itself, and how both are confirmed.

import assert from "node:assert/strict";
import test from "node:test";
import { pause, resume, result, settled, welcome } from "./fakes.mjs";
import { comesBack, session } from "./world.mjs";

const done = (socket) => socket.receive("done", { re: socket.of("stop").at(-1).id });

test("a pause is told to the engine before its receipt is confirmed, and its rest with the true time", async () => {
  const { peer, socket, of } = await session();
  let heardBefore = null;
  peer.on("pause", () => { heardBefore = socket.of("applied").length; });
  socket.receive("control.pause", pause({ mode: "ease_to_center", alert_id: "s1.a1" }));
  const [event] = of("pause");
  assert.equal(heardBefore, 0);
  assert.deepEqual(
    [event.local, event.cause, event.mode, event.controlEpoch, event.resumeRequires, event.alertId],
    [false, "therapist", "ease_to_center", 1, "therapist", "s1.a1"],
  );
  assert.deepEqual(socket.of("applied"), [{ type: "applied", control_epoch: 1 }]);
  peer.confirmStopped(event.controlEpoch, 1_795_000_002_345);
  assert.deepEqual(socket.of("applied")[1], { type: "applied", control_epoch: 1, stopped_ts: 1_795_000_002_345 });
  assert.equal(peer.status, "paused");
});

test("a pause that is sent again is confirmed again, with the rest where it is known, and told once", async () => {
  const { peer, socket, of } = await session();
  socket.receive("control.pause", pause());
  peer.confirmStopped(1, 1_795_000_002_000);
  socket.receive("control.pause", pause());
  assert.equal(of("pause").length, 1);
  assert.deepEqual(socket.of("applied").at(-1), { type: "applied", control_epoch: 1, stopped_ts: 1_795_000_002_000 });
});

test("a resume ends a pause, and is confirmed", async () => {
  const { peer, socket, of } = await session();
  socket.receive("control.pause", pause());
  socket.receive("control.resume", resume());
  assert.deepEqual(of("resume"), [{ name: "resume", controlEpoch: 2, by: "t1" }]);
  assert.equal(peer.status, "running");
  assert.deepEqual(socket.of("applied").at(-1), { type: "applied", control_epoch: 2 });
});

test("an older control never undoes a newer pause: by control_epoch", async () => {
  const { peer, socket, of } = await session();
  socket.receive("control.pause", pause({ seq: 5, control_epoch: 5 }));
  socket.receive("control.resume", resume({ seq: 4, control_epoch: 4 }));
  socket.receive("control.resume", resume({ seq: 6, control_epoch: 5 }));
  assert.equal(of("resume").length, 0);
  assert.equal(peer.paused, true);
});

test("an older control never undoes a newer pause: by the owner's epoch", async () => {
  const { peer, socket, of } = await session({}, welcome({ epoch: 3 }));
  socket.receive("control.pause", pause({ epoch: 4, seq: 1 }));
  socket.receive("control.resume", resume({ epoch: 3, seq: 9, control_epoch: 9 }));
  assert.equal(of("resume").length, 0);
  assert.equal(peer.paused, true);
});

test("in any order of delivery, what holds at the end is the newest control", async () => {
  const messages = [
    ["control.pause", pause({ seq: 1, control_epoch: 1 })],
    ["control.resume", resume({ seq: 2, control_epoch: 2 })],
    ["control.pause", pause({ seq: 3, control_epoch: 3, reason: "crisis" })],
  ];
  for (const order of [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]) {
    const { peer, socket } = await session();
    for (const at of order) socket.receive(...messages[at]);
    assert.equal(peer.paused, true, String(order));
  }
});

test("pressing stop pauses before the call returns, and tells the service", async () => {
  const { peer, socket, of } = await session();
  peer.stop("too much");
  assert.deepEqual([of("pause").length, of("pause")[0].local, peer.status], [1, true, "paused"]);
  assert.equal(socket.of("stop")[0].reason, "too much");
});

test("a second press says so again, and bothers the service once", async () => {
  const { peer, socket, of } = await session();
  peer.stop();
  peer.stop();
  assert.equal(of("pause").length, 2);
  assert.equal(socket.of("stop").length, 1);
});

test("a resume that was on its way when stop was pressed does not undo the stop", async () => {
  const { peer, socket, of } = await session();
  socket.receive("control.pause", pause());
  peer.stop();
  socket.receive("control.resume", resume());
  assert.equal(of("resume").length, 0);
  assert.equal(peer.paused, true);
  socket.receive("control.pause", pause({ seq: 3, control_epoch: 3, reason: "client_stop", resume_requires: "client" }));
  done(socket);
  socket.receive("control.resume", resume({ seq: 4, control_epoch: 4, by: "client" }));
  assert.equal(of("resume").length, 1);
  assert.equal(peer.paused, false);
});

test("a stop whose answer was lost with the connection is told again", async () => {
  const world = await session();
  world.peer.stop("enough");
  await comesBack(world, welcome({
    resumed: true, seq: 1, snapshot: { status: "paused", control_epoch: 1, reason: "client_disconnected", resume_requires: "client" },
  }));
  assert.equal(world.socket.of("stop")[0].reason, "enough");
  done(world.socket);
  await comesBack(world, welcome({ resumed: true, seq: 1, snapshot: { status: "paused", control_epoch: 1 } }));
  assert.equal(world.socket.of("stop").length, 0);
});

test("a stop that was refused is said again", async () => {
  const { peer, socket, clock } = await session();
  peer.stop();
  socket.receive("error", { re: socket.of("stop")[0].id, code: "rate_limited", message: "", retryable: true, fatal: false });
  await clock.advance(1_000);
  assert.equal(socket.of("stop").length, 2);
});

test("the rest of a local stop is told once the service's pause is there", async () => {
  const { peer, socket } = await session();
  peer.stop();
  peer.confirmStopped(null, 1_795_000_001_111);
  assert.equal(socket.of("applied").length, 0);
  socket.receive("control.pause", pause({ reason: "client_stop", resume_requires: "client" }));
  assert.deepEqual(socket.of("applied"), [{ type: "applied", control_epoch: 1, stopped_ts: 1_795_000_001_111 }]);
});

test("the rest of an earlier pause is not told of a later one", async () => {
  const { peer, socket } = await session();
  socket.receive("control.pause", pause());
  peer.confirmStopped(1, 1_795_000_001_111);
  socket.receive("control.resume", resume());
  socket.receive("control.pause", pause({ seq: 3, control_epoch: 3 }));
  assert.deepEqual(socket.of("applied").at(-1), { type: "applied", control_epoch: 3 });
});

test("asking to resume is granted by the control.resume itself", async () => {
  const { peer, socket, of } = await session();
  socket.receive("control.pause", pause({ resume_requires: "client" }));
  const asked = peer.requestResume();
  await settled();
  assert.equal(of("resume").length, 0);
  socket.receive("control.resume", resume({ by: "client" }));
  assert.equal((await asked).ok, true);
});

test("asking to resume is refused by the error with its id", async () => {
  const { peer, socket } = await session();
  socket.receive("control.pause", pause());
  const asked = peer.requestResume();
  await settled();
  const re = socket.of("resume_request")[0].id;
  socket.receive("error", { re, code: "resume_denied", message: "only a therapist", retryable: true, fatal: false });
  assert.deepEqual(await asked, { ok: false, code: "resume_denied", message: "only a therapist" });
  assert.equal(peer.paused, true);
});

test("what only this page holds is told to the service before it is asked to let go", async () => {
  const world = await session();
  await world.clock.advance(2_000);
  await comesBack(world, welcome({ resumed: true, snapshot: { status: "running", control_epoch: 1 } }));
  world.peer.requestResume();
  await settled();
  const kinds = world.socket.sent.map(({ type }) => type).filter((type) => type === "stop" || type === "resume_request");
  assert.deepEqual(kinds, ["stop", "resume_request"]);
});

test("missed messages that are played again change nothing that the welcome has said already", async () => {
  const world = await session();
  await comesBack(world, welcome({
    resumed: true, seq: 3,
    snapshot: { status: "paused", control_epoch: 4, reason: "client_disconnected", mode: "hard", resume_requires: "client" },
  }));
  for (const [type, message] of [
    ["control.pause", pause({ seq: 1, control_epoch: 1 })],
    ["control.resume", resume({ seq: 2, control_epoch: 2 })],
    ["intervention", { seq: 3, epoch: 1, intervention: { type: "breathing", instructions: "", duration: 60, priority: "low" } }],
    ["control.pause", pause({ seq: 4, control_epoch: 4, reason: "client_disconnected", resume_requires: "client" })],
  ]) world.socket.receive(type, message);
  assert.equal(world.of("resume").length, 0);
  assert.equal(world.of("intervention").length, 1);
  assert.equal(world.peer.paused, true);
  assert.ok(world.socket.of("applied").every(({ control_epoch: epoch }) => epoch === 4));
});

test("durable messages are taken once, whoever repeats them", async () => {
  const { socket, of, peer } = await session();
  const adapt = { seq: 1, epoch: 1, adapt_id: "a", config: { speed: 0.8 }, effective: "now", ramp_ms: 500, reasons: [] };
  socket.receive("pattern.adapt", adapt);
  socket.receive("pattern.adapt", adapt);
  assert.equal(of("adapt").length, 1);
  assert.deepEqual(peer.config, { pattern_type: "horizontal", speed: 0.8 });
  assert.deepEqual(of("config").at(-1).changed, { speed: 0.8 });
});

test("an adaptation neither carries nor ends a pause", async () => {
  const { socket, peer } = await session();
  socket.receive("control.pause", pause());
  socket.receive("pattern.adapt", { seq: 2, epoch: 1, adapt_id: "a", config: { speed: 1 }, effective: "now", ramp_ms: 0, reasons: [] });
  assert.equal(peer.paused, true);
});

test("no set starts while anything holds, and the service is not asked", async () => {
  const { peer, socket } = await session();
  peer.stop();
  assert.equal((await peer.sendSet("start")).code, "paused");
  assert.equal(socket.of("set").length, 0);
});

test("sets are numbered on from what the service knows", async () => {
  const { peer, socket } = await session({}, welcome({ snapshot: { set_no: 4 } }));
  peer.sendSet("begin");
  peer.sendSet("end");
  assert.deepEqual(socket.of("set").map(({ action, set_no: no }) => [action, no]), [["start", 5], ["end", 5]]);
});

test("the session's state is told when it changes, and only then", async () => {
  const { socket, of } = await session();
  socket.receive("result", result());
  socket.receive("result", result());
  socket.receive("result", result({ state: { label: "calm", confidence: 0.9 } }));
  socket.receive("signal", { status: "lost", age_ms: 8_000 });
  assert.deepEqual(of("state").map(({ status, signal, baseline }) => [status, signal, baseline]), [
    ["running", null, "learning"], ["running", "ok", "learning"], ["running", "ok", "ready"], ["running", "lost", "ready"],
  ]);
});

test("the end of a session stops the light", async () => {
  const { peer, socket, of } = await session();
  peer.end();
  assert.equal(socket.of("bye").length, 1);
  socket.receive("ended", { reason: "bye", totals: {}, seq: 1, epoch: 1 });
  socket.drop(1000, "the session has ended");
  assert.deepEqual([of("pause")[0].cause, of("ended").length, of("closed").length, peer.status], ["ended", 1, 1, "ended"]);
});
