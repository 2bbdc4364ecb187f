// Silence: the stimulus is told to stop in time, whatever the timers do, and nothing but the service lets it go on.

import assert from "node:assert/strict";
import test from "node:test";
import { Deadman } from "../../emdr_stream/browser/client/deadman.js";
import { FakeClock, settled, welcome } from "./fakes.mjs";
import { comesBack, session } from "./world.mjs";

test("after timeout_ms of silence the page is paused, not a moment later", async () => {
  const { clock, of, peer, socket } = await session();
  await clock.advance(1_999);
  assert.equal(of("pause").length, 0);
  await clock.advance(1);
  const [pause] = of("pause");
  assert.deepEqual([pause.local, pause.cause, pause.mode], [true, "connection_lost", "hard"]);
  assert.equal(peer.paused, true);
  assert.equal(peer.status, "detached");
  assert.notEqual(socket.closedWith, null);
});

test("each message begins the time anew, a heartbeat as well as a result", async () => {
  const { clock, of, socket } = await session();
  for (let i = 0; i < 20; i += 1) {
    await clock.advance(500);
    socket.receive("heartbeat", { server_ts: 1 });
  }
  assert.equal(of("pause").length, 0);
  await clock.advance(2_000);
  assert.equal(of("pause").length, 1);
});

test("another timeout_ms of the welcome counts", async () => {
  const { clock, of } = await session({}, welcome({ timeout_ms: 1_000 }));
  await clock.advance(1_000);
  assert.equal(of("pause").length, 1);
});

test("a socket that is closed pauses at once", async () => {
  const { of, socket } = await session();
  socket.drop(1006);
  assert.equal(of("pause")[0].cause, "connection_lost");
});

test("a page whose timers never ran finds out at the next frame it paints", async () => {
  const clock = new FakeClock();
  const frames = [];
  globalThis.requestAnimationFrame = (callback) => frames.push(callback);
  globalThis.cancelAnimationFrame = () => {};
  try {
    const { of } = await session({ clock });
    clock.freeze(2_000); // the timers are slowed down, time is not
    assert.equal(of("pause").length, 0);
    frames.at(-1)();
    assert.equal(of("pause")[0].cause, "connection_lost");
  } finally {
    delete globalThis.requestAnimationFrame;
    delete globalThis.cancelAnimationFrame;
  }
});

test("an engine that asks at each of its own frames is told at once", async () => {
  const { clock, of, peer } = await session();
  clock.freeze(1_999);
  assert.equal(peer.check(), true);
  clock.freeze(1);
  assert.equal(peer.check(), false);
  assert.equal(of("pause").length, 1);
});

test("what arrives after too long a silence does not count as having come in time", async () => {
  const { clock, of, socket } = await session();
  clock.freeze(30_000); // the page was frozen; messages piled up meanwhile
  for (let seq = 8; seq < 10; seq += 1) {
    socket.receive("control.resume", { seq, epoch: 1, control_epoch: seq, by: "t1" });
    assert.equal(of("pause")[0].cause, "connection_lost");
    assert.equal(of("resume").length, 0);
  }
});

test("a connection that never was cannot be lost", async () => {
  const { clock, of, Socket } = await session({}, null);
  Socket.newest.drop();
  await clock.advance(30_000);
  assert.ok(Socket.all.length > 2);
  assert.equal(of("pause").length, 0);
});

test("noise is no sign of life", async () => {
  const { clock, of, socket } = await session();
  await clock.advance(1_900);
  socket.onmessage({ data: new Uint8Array([0xc1]).buffer });
  assert.equal(of("pause")[0].cause, "connection_lost");
  assert.equal(of("error")[0].code, "bad_message");
});

test("coming back does not set the light in motion: only a control.resume does", async () => {
  const world = await session();
  const { clock, of, peer } = world;
  await clock.advance(2_000);
  await comesBack(world, welcome({
    epoch: 1, seq: 1, resumed: true, resume_token: "r2",
    snapshot: { status: "paused", control_epoch: 1, reason: "client_disconnected", mode: "hard", resume_requires: "client" },
  }));
  assert.equal(peer.connected, true);
  assert.equal(peer.paused, true);
  assert.equal(of("resume").length, 0);
  world.socket.receive("control.resume", { seq: 2, epoch: 1, control_epoch: 2, by: "client" });
  assert.equal(of("resume").length, 1);
  assert.equal(peer.status, "running");
});

test("a welcome that says running lets nothing go that this page holds", async () => {
  const world = await session();
  await world.clock.advance(2_000);
  await comesBack(world, welcome({ resumed: true, snapshot: { status: "running", control_epoch: 4 } }));
  assert.equal(world.peer.paused, true);
  assert.equal(world.peer.status, "paused");
});

test("the switch acts once, and again after it was armed again", async () => {
  const clock = new FakeClock();
  const trips = [];
  const deadman = new Deadman(clock, (silent) => trips.push(silent));
  deadman.arm(2_000);
  await clock.advance(10_000);
  assert.deepEqual(trips, [2_000]);
  deadman.arm(500);
  await clock.advance(499);
  assert.equal(deadman.heard(), true);
  await clock.advance(499);
  assert.equal(trips.length, 1);
  await clock.advance(1);
  assert.equal(trips.length, 2);
  deadman.disarm();
  await clock.advance(10_000);
  assert.equal(trips.length, 2);
});

test("a handler that throws keeps the pause from nobody", async () => {
  const { clock, peer, of } = await session();
  const errors = [];
  globalThis.reportError = (problem) => errors.push(problem);
  try {
    const order = [];
    peer.on("pause", () => { order.push("first"); throw new Error("a page's fault"); });
    peer.on("pause", () => order.push("second"));
    await clock.advance(2_000);
    assert.deepEqual(order, ["first", "second"]);
    assert.equal(errors.length, 1);
    assert.equal(of("state").at(-1).status, "detached");
  } finally {
    delete globalThis.reportError;
  }
});

test("a stop without any connection pauses at once and is told when there is one", async () => {
  const { peer, of, socket } = await session({}, null);
  let stopped = false;
  peer.on("pause", () => { stopped = true; });
  peer.stop("I need a break");
  assert.equal(stopped, true);
  assert.equal(of("pause")[0].cause, "client_stop");
  socket.accept();
  assert.equal(socket.of("stop").length, 0);
  socket.receive("welcome", welcome());
  await settled();
  assert.equal(socket.of("stop")[0].reason, "I need a break");
  assert.equal(peer.paused, true);
});
