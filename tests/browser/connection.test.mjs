// Coming back: when, how soon, with which claim; tokens; clocks; what a close code means.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import { BASE_MS, Backoff, CAP_MS } from "../../emdr_stream/browser/client/backoff.js";
import { comesBack as decides } from "../../emdr_stream/browser/client/closing.js";
import { ClockOffset } from "../../emdr_stream/browser/client/offset.js";
import { socketAddress } from "../../emdr_stream/browser/client/page.js";
import { expiryOf, renewIn } from "../../emdr_stream/browser/client/token.js";
import { FakeClock, pause, settled, token, welcome } from "./fakes.mjs";
import { comesBack, dialled, session } from "./world.mjs";

const vectors = JSON.parse(readFileSync(new URL("vectors.json", import.meta.url), "utf-8"));

test("the service's own table of close codes decides whether to come back", () => {
  for (const [code, client] of Object.entries(vectors.close_codes)) {
    assert.equal(decides(Number(code)), /reconnects|resumes/.test(client), `${code}: ${client}`);
  }
  assert.equal(decides(1006), true);
  assert.equal(decides(4449), true);
  assert.equal(decides(4599), false);
});

test("waits double up to a cap, and the jitter is of the whole wait", () => {
  for (const [random, part] of [[() => 0, 0], [() => 0.5, 0.5], [() => 0.999_999, 0.999_999]]) {
    const backoff = new Backoff(random);
    for (let failures = 0; failures < 20; failures += 1) {
      assert.equal(backoff.next(), part * Math.min(CAP_MS, BASE_MS * 2 ** failures));
    }
    backoff.reset();
    assert.ok(backoff.next() <= BASE_MS);
  }
});

test("a hint is waited for at least, and jitter comes on top", () => {
  const backoff = new Backoff(() => 0.5);
  assert.equal(backoff.next(5_000), 5_000 + 0.5 * BASE_MS);
});

test("hello says the token, the source and the wish; nothing is sent before", async () => {
  const { socket } = await session({ config: { speed: 0.8 }, source: { kind: "frame", start() {}, stop() {} } }, null);
  assert.deepEqual(socket.protocols, ["emdr.v1.msgpack"]);
  assert.deepEqual(socket.sent, []);
  socket.accept();
  assert.deepEqual(socket.sent, [
    { type: "hello", token: "token", source: "frame", result_rate_hz: 10, config: { speed: 0.8 } },
  ]);
});

test("who comes back claims the session with token, epoch and the newest seq, and wishes nothing anew", async () => {
  const world = await session({ config: { speed: 0.8 } }, welcome({ epoch: 7, resume_token: "r7" }));
  world.socket.receive("control.pause", pause({ seq: 12, epoch: 7 }));
  await comesBack(world, welcome({ epoch: 8, resumed: true, resume_token: "r8", seq: 13, snapshot: { status: "paused", control_epoch: 2 } }));
  const [hello] = world.socket.of("hello");
  assert.deepEqual(hello.resume, { resume_token: "r7", epoch: 7, last_seq: 12 });
  assert.deepEqual([hello.session_id, hello.config], ["s1", undefined]);
  await comesBack(world, welcome({ epoch: 8, resumed: true }));
  assert.deepEqual(world.socket.of("hello")[0].resume, { resume_token: "r8", epoch: 8, last_seq: 12 });
});

test("final codes end it, and the light stops", async () => {
  for (const code of [1000, 1008, 4409, 4500, 4503, 4504]) {
    const { clock, Socket, of, peer, socket } = await session();
    socket.drop(code, "why");
    await clock.advance(120_000);
    assert.equal(Socket.all.length, 1, String(code));
    assert.deepEqual(of("closed"), [{ name: "closed", code, reason: "why" }]);
    assert.equal(peer.paused, true);
    assert.equal(clock.waiting, 0, "no timer is left");
    assert.equal(peer.status, code === 4504 ? "ended" : "detached");
  }
});

test("tries are further and further apart while nobody answers", async () => {
  const { clock, Socket } = await session({ random: () => 0.999 }, null);
  const at = [];
  for (let i = 0; i < 8; i += 1) {
    Socket.newest.drop();
    const before = Socket.all.length;
    const from = clock.now();
    while (Socket.all.length === before) await clock.advance(10);
    at.push(clock.now() - from);
  }
  assert.deepEqual(at.map((ms) => Math.round(ms / 500)), [1, 2, 4, 8, 16, 30, 30, 30]);
});

test("a handshake that hangs is given up", async () => {
  const { clock, Socket } = await session({}, null);
  await clock.advance(9_000);
  assert.equal(Socket.all.length, 2);
  assert.notEqual(Socket.all[0].closedWith, null);
});

test("what a socket says after it was given up is not heard", async () => {
  const { clock, Socket, of } = await session({}, null);
  await clock.advance(9_000);
  Socket.all[0].accept();
  Socket.all[0].receive("welcome", welcome());
  assert.equal(of("welcome").length, 0);
  assert.deepEqual(Socket.all[0].sent, []);
});

test("the service's hint is waited for", async () => {
  const { clock, Socket, socket } = await session();
  socket.receive("error", { code: "overloaded", message: "", retryable: true, fatal: true, retry_after_ms: 5_000 });
  socket.drop(1013);
  await clock.advance(4_999);
  assert.equal(Socket.all.length, 1);
  await clock.advance(501);
  assert.equal(Socket.all.length, 2);
});

test("a page that is shown again, or online again, tries at once", async () => {
  const listeners = {};
  const on = (name, handler) => { listeners[name] = handler; };
  globalThis.document = { visibilityState: "visible", addEventListener: on, removeEventListener() {}, baseURI: "http://h/" };
  globalThis.addEventListener = on;
  globalThis.removeEventListener = () => {};
  try {
    for (const event of ["visibilitychange", "online", "pageshow", "resume"]) {
      const { Socket, socket, peer } = await session();
      socket.drop();
      listeners[event]();
      await settled();
      assert.equal(Socket.all.length, 2, event);
      peer.close();
    }
  } finally {
    delete globalThis.document;
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
  }
});

test("a token that cannot be had is told, and asked for again", async () => {
  let calls = 0;
  const getToken = async () => {
    calls += 1;
    if (calls === 1) throw new Error("offline");
    return "later";
  };
  const { clock, of, socket, Socket } = await session({ getToken }, null);
  assert.equal(socket, undefined);
  assert.equal(of("error")[0].code, "no_token");
  await clock.advance(1_000);
  Socket.newest.accept();
  assert.equal(Socket.newest.of("hello")[0].token, "later");
});

test("a token is renewed on the open socket before it expires", async () => {
  const clock = new FakeClock();
  const tokens = [];
  const getToken = async (why) => {
    const expires = (1_795_000_001_000 + (tokens.length + 1) * 600_000) / 1_000;
    tokens.push({ why, text: token({ exp: expires }) });
    return tokens.at(-1).text;
  };
  const { socket } = await session({ clock, getToken });
  for (let s = 0; s < 500; s += 1) {
    await clock.advance(1_000);
    socket.receive("heartbeat", { server_ts: clock.wall() });
  }
  assert.equal(tokens.length, 2);
  assert.deepEqual([tokens[0].why, tokens[1].why], [{ refresh: false }, { refresh: true }]);
  assert.equal(socket.of("auth")[0].token, tokens[1].text);
});

// It was scheduled when the socket opened, before the service had told its clock: a computer that was an hour behind asked an
// hour too late, and the session was stopped in the middle of a set.
for (const minutes of [-90, -10, 0, 10, 90]) {
  test(`a token is renewed in good time on a computer whose clock is ${minutes} minutes off`, async () => {
    const clock = new FakeClock();
    const since = clock.now();
    const serverNow = () => 1_795_000_001_000 + clock.now() - since;
    clock.skew += minutes * 60_000;
    const asked = [];
    const getToken = async ({ refresh }) => {
      asked.push([refresh, Math.round((clock.now() - since) / 1_000)]);
      return token({ exp: (serverNow() + 3_600_000) / 1_000 });
    };
    const { socket } = await session({ clock, getToken }, welcome({ server_ts: serverNow(), timeout_ms: 1e9 }));
    for (let s = 0; s < 3_600; s += 60) {
      await clock.advance(60_000);
      for (const { id } of socket.of("auth")) socket.receive("done", { re: id });
    }
    assert.deepEqual(asked, [[false, 0], [true, 2_880]]);
    assert.equal(socket.of("auth").length, 1);
  });
}

test("a renewal that was not taken is tried again: the same token without an answer, another one where it was refused", async () => {
  const clock = new FakeClock();
  let made = 0;
  const getToken = async () => token({ exp: (clock.wall() + 600_000) / 1_000, jti: (made += 1) });
  const { socket } = await session({ clock, getToken }, welcome({ timeout_ms: 1e9 }));
  await clock.advance(481_000);
  await clock.advance(16_000); // nobody waits longer than ten seconds for an answer
  const [first, again] = socket.of("auth");
  assert.equal(again.token, first.token);
  socket.receive("error", { re: again.id, code: "token_expired", message: "", retryable: true, fatal: false });
  await settled();
  await clock.advance(6_000);
  const newer = socket.of("auth")[2];
  assert.notEqual(newer.token, first.token);
  socket.receive("done", { re: newer.id });
  await clock.advance(60_000);
  assert.equal(socket.of("auth").length, 3);
});

test("a token that came after the connection that asked for it was lost renews the one that came since", async () => {
  const clock = new FakeClock();
  let give;
  const short = token({ exp: (clock.wall() + 20_000) / 1_000 });
  const getToken = ({ refresh }) => (refresh ? new Promise((settle) => { give = () => settle("newer"); }) : Promise.resolve(short));
  const world = await session({ clock, getToken }, welcome({ timeout_ms: 1e9 }));
  await clock.advance(11_000);
  await comesBack(world, welcome({ resumed: true, timeout_ms: 1e9 }));
  give();
  await settled();
  assert.deepEqual(world.socket.of("auth").map((auth) => auth.token), ["newer"]);
});

test("after 4401 a fresh token is asked for", async () => {
  const asked = [];
  const world = await session({ getToken: async (why) => { asked.push(why.refresh); return "t"; } });
  await comesBack(world, welcome({ resumed: true }), 4401);
  assert.deepEqual(asked, [false, true]);
});

test("a fresh token is asked for once, though it comes too late for the try that asked, or the next try fails", async () => {
  const asked = [];
  let give;
  const getToken = ({ refresh }) => {
    asked.push(refresh);
    return refresh ? new Promise((settle) => { give = () => settle("newer"); }) : Promise.resolve(asked.length === 1 ? "old" : "newer");
  };
  const world = await session({ getToken });
  const { clock, Socket } = world;
  world.socket.drop(4401);
  await clock.advance(600); // half of the longest first wait is 250 ms: it asks for a token now
  assert.deepEqual(asked, [false, true]);
  await clock.advance(8_001); // nobody waits longer for one try
  assert.equal(Socket.all.length, 1, "the try that asked was given up");
  give();
  await settled();
  assert.equal(Socket.all.length, 2, "a person who was slow waits no longer");
  Socket.newest.drop(1006);
  await dialled(world);
  Socket.newest.accept();
  assert.deepEqual(asked, [false, true, false, false]);
  assert.equal(Socket.newest.of("hello")[0].token, "newer");
});

test("where a person types the token, a wrong one is asked for again and loses nothing", async () => {
  const asked = [];
  const getToken = async (why) => { asked.push(why.refresh); return "typed"; };
  const world = await session({ getToken, onBadToken: "ask" });
  const { of, peer } = world;
  const claim = { resume_token: "r1", epoch: 1, last_seq: 0 };
  for (const [code, error] of [[4500, "unauthorized"], [4503, "forbidden"]]) {
    world.socket.receive("error", { code: error, message: "", retryable: false, fatal: true });
    world.socket.drop(code);
    assert.deepEqual([peer.paused, of("closed").length], [true, 0]);
    await world.clock.advance(499);
    assert.equal(asked.length, world.Socket.all.length, "nobody is asked without end");
    await dialled(world);
    world.socket.accept();
    assert.deepEqual(world.socket.of("hello")[0].resume, claim);
  }
  assert.deepEqual(asked, [false, true, true]);
  world.socket.receive("error", { code: "resume_denied", message: "", retryable: false, fatal: true });
  world.socket.drop(4503);
  assert.equal(of("closed")[0].code, 4503, "that is not the token's fault");
});

test("a token that was refused before there was a session is final, also where a person types it", async () => {
  const { of, socket } = await session({ onBadToken: "ask" }, null);
  socket.accept();
  socket.drop(4500);
  assert.equal(of("closed")[0].code, 4500);
});

test("a token that was asked for in good time and comes after the old one has ended is used, and not asked for again", async () => {
  const clock = new FakeClock();
  const asked = [];
  let give;
  const short = token({ exp: (clock.wall() + 20_000) / 1_000 });
  const getToken = ({ refresh }) => {
    asked.push(refresh);
    return refresh ? new Promise((settle) => { give = () => settle("newer"); }) : Promise.resolve(asked.length === 1 ? short : "newer");
  };
  const world = await session({ clock, getToken });
  for (let s = 0; s < 12; s += 1) {
    world.socket.receive("heartbeat", { server_ts: clock.wall() });
    await clock.advance(1_000);
  }
  assert.deepEqual(asked, [false, true]);
  world.socket.drop(4401);
  give(); // before the next try has begun
  await dialled(world);
  world.Socket.newest.accept();
  assert.deepEqual(asked, [false, true, false]);
  assert.equal(world.Socket.newest.of("hello")[0].token, "newer");
});

test("a token's end is read from it, whoever signed it, and never trusted for more", () => {
  assert.equal(expiryOf(token({ exp: 1_795_000_100 })), 1_795_000_100_000);
  for (const none of ["", "abc", "a.b.c", token({}), token({ exp: "soon" }), token(null)]) assert.equal(expiryOf(none), null);
  assert.equal(renewIn(3_600_000), 2_880_000);
  assert.equal(renewIn(60_000), 30_000);
  assert.equal(renewIn(-5), 0);
});

test("the service's clock is known from pings to half the round trip", () => {
  const clock = new FakeClock();
  const offset = new ClockOffset(clock);
  assert.equal(offset.now(), clock.wall());
  offset.heard(5_000_000);
  assert.equal(offset.now(), 5_000_000);
  // True offset 5,000,400; the way there takes 30 ms, the way back 50 ms.
  const t0 = clock.now();
  clock.freeze(80);
  offset.pong({ t0, t1: t0 + 30 + 5_000_400, t2: t0 + 30 + 5_000_400 });
  assert.ok(Math.abs(offset.now() - (clock.now() + 5_000_400)) <= 40);
  assert.equal(offset.roundTripMs, 80);
  // A slower one says less, and changes nothing.
  const before = offset.now();
  clock.freeze(900);
  offset.pong({ t0: clock.now() - 900, t1: 1, t2: 1 });
  assert.equal(offset.now(), before + 900);
  offset.pong({ t0: NaN, t1: 1, t2: 1 });
  assert.equal(offset.roundTripMs, 80);
});

test("pings go out soon after the welcome, and their pongs set the clock", async () => {
  const { clock, peer, socket } = await session();
  await clock.advance(0);
  const [ping] = socket.of("ping");
  clock.freeze(20);
  socket.receive("pong", { t0: ping.t0, t1: 1_795_000_500_000, t2: 1_795_000_500_000 });
  assert.equal(peer.roundTripMs, 20);
  assert.equal(peer.serverNow(), 1_795_000_500_010);
});

test("the service's clock is still known when the connection is lost, until the next one has told", async () => {
  const world = await session();
  const { clock, peer, socket } = world;
  clock.skew += 300_000; // this computer's clock is five minutes ahead
  const before = peer.serverNow();
  socket.drop();
  assert.equal(peer.serverNow(), before);
  await clock.advance(1_000);
  assert.equal(peer.serverNow(), before + 1_000);
  await comesBack(world, welcome({ resumed: true, server_ts: before + 60_000 }));
  assert.equal(peer.serverNow(), before + 60_000);
});

test("a page of another clock measures its deadlines by the monotonic one", async () => {
  const { clock, of, socket } = await session();
  clock.skew -= 3_600_000;
  await clock.advance(1_000);
  socket.receive("heartbeat", { server_ts: 1 });
  assert.equal(of("pause").length, 0);
});

test("addresses: relative ones are the page's, http becomes ws, others are refused", () => {
  assert.equal(socketAddress("https://h.test/v1/stream"), "wss://h.test/v1/stream");
  globalThis.document = { baseURI: "https://h.test/emdr/client" };
  try {
    assert.equal(socketAddress("v1/stream"), "wss://h.test/emdr/v1/stream");
    assert.equal(socketAddress("/v1/stream"), "wss://h.test/v1/stream");
  } finally {
    delete globalThis.document;
  }
  assert.throws(() => socketAddress("v1/stream"), TypeError);
  assert.throws(() => socketAddress("ftp://h.test/"), TypeError);
});

test("a question is answered, or told that it never will be", async () => {
  const { clock, peer, socket } = await session();
  const [first, second] = [peer.rate({ sud: 5 }), peer.rate({ voc: 3 })];
  await settled();
  socket.receive("done", { re: socket.of("rating")[0].id });
  assert.equal((await first).ok, true);
  assert.equal(clock.due.filter((ms) => ms === 10_000).length, 1, "an answered question waits no more");
  socket.drop();
  assert.equal((await second).code, "connection_lost");
  assert.equal((await peer.rate({ sud: 5 })).code, "not_connected");
  await assert.rejects(peer.rate({}), TypeError);
  await clock.advance(0);
});

test("options that cannot work are refused at once, by name", async () => {
  await assert.rejects(session({ getToken: undefined }), /getToken/);
  await assert.rejects(session({ codec: "xml" }), /codec/);
  await assert.rejects(session({ source: { kind: "frame" } }), /source/);
  await assert.rejects(session({ url: "mailto:x" }), /url/);
});

test("both codecs say the same", async () => {
  const { socket, of } = await session({ codec: "json" });
  assert.deepEqual(socket.protocols, ["emdr.v1.json"]);
  socket.receive("control.pause", pause());
  assert.equal(of("pause").length, 1);
});
