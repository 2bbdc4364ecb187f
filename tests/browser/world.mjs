// In: options. Out: a session or a console on a fake socket and a fake clock, welcomed unless told otherwise.

import { connect } from "../../emdr_stream/browser/client/session.js";
import { watch } from "../../emdr_stream/browser/client/watch.js";
import { FakeClock, fakeSockets, settled, welcome } from "./fakes.mjs";

const ALL = [
  "welcome", "state", "pause", "resume", "adapt", "config", "result", "signal", "skipped", "intervention", "limits", "error",
  "goaway", "ended", "closed", "source", "sessions", "alert", "connection", "ack", "control", "resume_requested", "lag",
];

async function opened(open, options) {
  const clock = options.clock ?? new FakeClock();
  const Socket = fakeSockets();
  const events = [];
  const peer = open({
    url: "ws://service.test/v1/stream", getToken: async () => "token", clock, WebSocket: Socket, random: () => 0.5, ...options,
  });
  for (const name of ALL) peer.on(name, (detail) => events.push({ name, ...detail }));
  await settled();
  return {
    clock, Socket, peer, events,
    get socket() {
      return Socket.newest;
    },
    of: (name) => events.filter((event) => event.name === name),
  };
}

export async function session(options = {}, greeting = welcome()) {
  const world = await opened(connect, options);
  if (greeting) {
    world.socket.accept();
    world.socket.receive("welcome", greeting);
    await settled();
  }
  return world;
}

export async function console_(options = {}) {
  const world = await opened(watch, { url: "ws://service.test/v1/watch", ...options });
  world.socket.accept();
  world.socket.receive("welcome", {
    protocol: "emdr.v1", heartbeat_ms: 500, timeout_ms: 2_000, server_ts: 1_795_000_001_000, user: "t1", role: "therapist",
  });
  await settled();
  return world;
}

/** Lets time pass until the next socket is opened; fails when a minute brings none. */
export async function dialled({ clock, Socket }) {
  const before = Socket.all.length;
  for (let ms = 0; Socket.all.length === before; ms += 50) {
    if (ms > 60_000) throw new Error("no socket was opened within a minute");
    await clock.advance(50);
  }
}

/** The connection breaks; the next one is tried, and welcomed. */
export async function comesBack(world, greeting, code = 1006) {
  world.socket.drop(code);
  await dialled(world);
  world.socket.accept();
  world.socket.receive("welcome", greeting);
  await settled();
}
