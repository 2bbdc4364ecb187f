// A console: nothing old is shown as new, no alert is lost or told twice, no command goes late.

import assert from "node:assert/strict";
import test from "node:test";
import { settled } from "./fakes.mjs";
import { console_, dialled } from "./world.mjs";

const summary = (id, fields = {}) => ({
  session_id: id, user: "u1", source: "emotion", started_ts: 1, status: "running", control_epoch: 0, config: {}, thresholds: {},
  phase: null, set_no: null, signal: { status: "ok", quality: 1, age_ms: 0 }, ...fields,
});
const alert = (cursor, fields = {}) => ({
  cursor, alert_id: `${cursor}.a`, session_id: "s1", kind: "crisis", severity: "critical", state: "raised", raised_ts: 1,
  evidence: [], ...fields,
});

test("it subscribes at once, and again after a break, with the newest cursor", async () => {
  const world = await console_({ subscribe: { sessions: ["s1"], rate_hz: 5 } });
  assert.deepEqual(world.socket.of("hello")[0], { type: "hello", token: "token" });
  const [{ id, ...subscribe }] = world.socket.of("subscribe");
  assert.deepEqual(subscribe, { type: "subscribe", sessions: ["s1"], rate_hz: 5 });
  world.socket.receive("alert", alert("c1"));
  world.socket.receive("alert", alert("c2"));
  world.socket.drop();
  await dialled(world);
  world.socket.accept();
  assert.equal(world.socket.of("hello")[0].resume_after, "c2");
});

test("an alert that is repeated is told once; each step of its life is one of its own", async () => {
  const { of, socket } = await console_();
  socket.receive("alert", alert("c1"));
  socket.receive("alert", alert("c1"));
  socket.receive("alert", alert("c2", { alert_id: "c1.a", state: "acknowledged" }));
  assert.deepEqual(of("alert").map(({ state }) => state), ["raised", "acknowledged"]);
});

test("repeats are known for long, and the memory of them is bounded", async () => {
  const { of, socket, peer } = await console_();
  for (let n = 0; n < 6_000; n += 1) socket.receive("alert", alert(`c${n}`));
  socket.receive("alert", alert("c5999"));
  socket.receive("alert", alert("c2000"));
  assert.equal(of("alert").length, 6_000);
  assert.equal(peer.cursor, "c5999");
});

test("what was taken is confirmed about once a second, and only when there is something new", async () => {
  const { clock, socket } = await console_();
  socket.receive("alert", alert("c1"));
  for (let i = 0; i < 5; i += 1) {
    await clock.advance(1_000);
    socket.receive("heartbeat", { server_ts: 1 });
  }
  assert.deepEqual(socket.of("received"), [{ type: "received", cursor: "c1" }]);
});

test("silence is told within timeout_ms, the return when it is there", async () => {
  const world = await console_();
  assert.deepEqual(world.of("connection"), [{ name: "connection", connected: true, silentForMs: 0 }]);
  await world.clock.advance(2_000);
  const last = world.of("connection").at(-1);
  assert.deepEqual([last.connected, last.silentForMs, last.cause], [false, 2_000, "connection_lost"]);
  await dialled(world);
  world.socket.accept();
  world.socket.receive("welcome", { heartbeat_ms: 500, timeout_ms: 2_000, server_ts: 1, user: "t", role: "therapist" });
  assert.equal(world.of("connection").at(-1).connected, true);
});

test("the list of sessions follows what is told of them", async () => {
  const { peer, socket, of } = await console_();
  const re = socket.of("subscribe")[0].id;
  socket.receive("subscribed", { re, sessions: [summary("s1"), summary("s2")] });
  socket.receive("state", { session_id: "s1", status: "running", config: { speed: 1 }, phase: "closure", set_no: 3, signal: {}, sud: 4 });
  socket.receive("control", { session_id: "s1", action: "pause", control_epoch: 2, reason: "crisis", resume_requires: "therapist" });
  socket.receive("control", { session_id: "s1", action: "resume", control_epoch: 1 });
  socket.receive("session.detached", { session_id: "s2", user: "u1" });
  socket.receive("session.opened", { session_id: "s3", user: "u1", session: summary("s3") });
  const [one, two, three] = peer.sessions;
  assert.deepEqual([one.status, one.resume_requires, one.phase, one.set_no, one.sud], ["paused", "therapist", "closure", 3, 4]);
  assert.equal(two.status, "detached");
  assert.equal(three.session_id, "s3");
  socket.receive("session.closed", { session_id: "s3", user: "u1", reason: "bye" });
  assert.deepEqual(of("sessions").at(-1)[1].session_id, "s2");
  assert.equal(peer.sessions.length, 2);
});

test("commands go as the protocol has them, and their answers come back", async () => {
  const { peer, socket } = await console_();
  const pause = peer.command("s1", "pause", { reason: "look", mode: "finish_pass" });
  const config = peer.command("s1", "config.set", { thresholds: { risk: 0.5 } });
  const ack = peer.acknowledge("s1.a1", "called");
  await settled();
  const [sent] = socket.of("control.pause");
  assert.deepEqual(sent, { type: "control.pause", id: sent.id, session_id: "s1", reason: "look", mode: "finish_pass" });
  socket.receive("done", { re: sent.id });
  socket.receive("error", { re: socket.of("config.set")[0].id, code: "forbidden", message: "not yours", retryable: false, fatal: false });
  socket.receive("done", { re: socket.of("ack")[0].id });
  assert.equal((await pause).ok, true);
  assert.deepEqual(await config, { ok: false, code: "forbidden", message: "not yours" });
  assert.equal((await ack).ok, true);
  await assert.rejects(peer.command("s1", "explode"), TypeError);
});

test("a command that cannot go now is told so and is not sent later", async () => {
  const world = await console_();
  world.socket.drop();
  assert.equal((await world.peer.command("s1", "pause", { reason: "x" })).code, "not_connected");
  await dialled(world);
  world.socket.accept();
  world.socket.receive("welcome", { heartbeat_ms: 500, timeout_ms: 2_000, server_ts: 1, user: "t", role: "therapist" });
  assert.equal(world.socket.of("control.pause").length, 0);
});

test("a command that nobody answers is told so", async () => {
  const { peer, socket, clock } = await console_();
  const asked = peer.command("s1", "resume", { reason: "x" });
  for (let i = 0; i < 11; i += 1) {
    await clock.advance(1_000);
    socket.receive("heartbeat", { server_ts: 1 });
  }
  assert.equal((await asked).code, "no_answer");
});

test("a therapist who leaves is not called back", async () => {
  const { peer, clock, Socket, of } = await console_();
  peer.close();
  await clock.advance(60_000);
  assert.equal(Socket.all.length, 1);
  assert.equal(of("connection").at(-1).connected, false);
  assert.equal(clock.waiting, 0);
});

test("one session is followed more closely, the list stays whole, and a break changes neither", async () => {
  const world = await console_({ subscribe: { sessions: ["*"], rate_hz: 2 } });
  world.peer.on("listed", (sessions) => world.events.push({ name: "listed", count: sessions.length }));
  const [all] = world.socket.of("subscribe");
  world.socket.receive("subscribed", { re: all.id, sessions: [summary("s1"), summary("s2")] });
  world.peer.focus("s2");
  const [, close] = world.socket.of("subscribe");
  assert.deepEqual([close.sessions, close.rate_hz], [["s2"], 5]);
  world.socket.receive("subscribed", { re: close.id, sessions: [summary("s2")] });
  assert.deepEqual(world.peer.sessions.map(({ session_id }) => session_id), ["s1", "s2"]);
  world.peer.focus("s1", 10);
  assert.deepEqual(world.socket.of("subscribe").slice(2).map(({ sessions, rate_hz }) => [sessions[0], rate_hz]), [["s2", 2], ["s1", 10]]);
  world.socket.drop();
  await dialled(world);
  world.socket.accept();
  world.socket.receive("welcome", { protocol: "emdr.v1", heartbeat_ms: 500, timeout_ms: 2_000, server_ts: 1, user: "t1", role: "therapist" });
  await settled();
  assert.deepEqual(world.socket.of("subscribe").map(({ sessions }) => sessions[0]), ["*", "s1"]);
  assert.deepEqual(world.of("listed").map(({ count }) => count), [2]);
});

test("the records and the presence are asked for by the messages of the protocol", async () => {
  const world = await console_();
  const past = world.peer.history("s1", 120);
  const [{ id, ...asked }] = world.socket.of("history");
  assert.deepEqual(asked, { type: "history", session_id: "s1", curve_s: 120 });
  world.socket.receive("history", { re: id, session_id: "s1", complete: true, events: [], alerts: [], curve: {} });
  assert.equal((await past).message.complete, true);
  const there = world.peer.attend("s1");
  world.socket.receive("done", { re: world.socket.of("attend")[0].id });
  assert.deepEqual([world.socket.of("attend")[0].session_id, (await there).ok], ["s1", true]);
});

test("a session that the list lacks is asked after by its id, and joins the list where it is found", async () => {
  const { peer, socket } = await console_({ subscribe: { sessions: ["*"], rate_hz: 2 } });
  socket.receive("subscribed", { re: socket.of("subscribe")[0].id, sessions: [summary("s1")] });
  const elsewhere = peer.find("s2");
  const gone = peer.find("s3");
  const [, second, third] = socket.of("subscribe");
  assert.deepEqual([second.sessions, second.rate_hz, third.sessions], [["s2"], 2, ["s3"]]);
  socket.receive("subscribed", { re: second.id, sessions: [summary("s2")] });
  socket.receive("error", { re: third.id, code: "unknown_session", message: "none", retryable: false, fatal: false });
  assert.equal((await elsewhere).message.sessions[0].session_id, "s2");
  assert.equal((await gone).code, "unknown_session");
  assert.deepEqual(peer.sessions.map(({ session_id }) => session_id), ["s1", "s2"]);
});
