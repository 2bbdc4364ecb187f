// In: a test's wish. Out: a clock that only the test moves, a socket that it answers, messages as the service sends them.

import { decode, encode } from "../../emdr_stream/browser/client/msgpack.js";

/** Lets everything that waits for a promise go on. */
export async function settled() {
  for (let i = 0; i < 20; i += 1) await Promise.resolve();
}

export class FakeClock {
  time = 1_000;
  skew = 1_795_000_000_000;
  #timers = new Map();
  #next = 0;

  now() {
    return this.time;
  }

  wall() {
    return this.time + this.skew;
  }

  setTimeout(callback, ms) {
    const id = (this.#next += 1);
    this.#timers.set(id, { callback, due: this.time + Math.max(0, ms) });
    return id;
  }

  clearTimeout(id) {
    this.#timers.delete(id);
  }

  /** Lets `ms` pass, with every timer at its own time. */
  async advance(ms) {
    const end = this.time + ms;
    for (;;) {
      const [id, first] = [...this.#timers].sort(([, a], [, b]) => a.due - b.due)[0] ?? [];
      if (!first || first.due > end) break;
      this.time = Math.max(this.time, first.due);
      this.#timers.delete(id);
      first.callback();
      await settled();
    }
    this.time = end;
    await settled();
  }

  /** Time passes and no timer runs: the page was frozen, or its timers are slowed down. */
  freeze(ms) {
    this.time += ms;
  }

  get waiting() {
    return this.#timers.size;
  }

  /** Milliseconds until each timer, the nearest first. */
  get due() {
    return [...this.#timers.values()].map(({ due }) => due - this.time).sort((a, b) => a - b);
  }
}

/** The class is made anew for each test, so that its list of sockets is the test's own. */
export function fakeSockets() {
  return class FakeSocket {
    static all = [];

    static get newest() {
      return this.all[this.all.length - 1];
    }

    readyState = 0;
    bufferedAmount = 0;
    closedWith = null;
    sent = [];

    constructor(url, protocols) {
      this.url = url;
      this.protocols = protocols;
      FakeSocket.all.push(this);
    }

    get binary() {
      return this.protocols[0] === "emdr.v1.msgpack";
    }

    send(data) {
      if (this.readyState !== 1) throw new Error("not open");
      this.sent.push(this.binary ? decode(data) : JSON.parse(data));
    }

    close(code) {
      this.closedWith = code ?? 1005;
      this.readyState = 3;
    }

    of(type) {
      return this.sent.filter((message) => message.type === type);
    }

    accept() {
      this.readyState = 1;
      this.onopen?.();
    }

    receive(type, fields = {}) {
      const message = { type, ...fields };
      this.onmessage?.({ data: this.binary ? encode(message).buffer : JSON.stringify(message) });
    }

    drop(code = 1006, reason = "") {
      this.readyState = 3;
      this.onclose?.({ code, reason });
    }
  };
}

export function welcome({ snapshot = {}, ...fields } = {}) {
  return {
    protocol: "emdr.v1", session_id: "s1", resume_token: "r1", epoch: 1, seq: 0, resumed: false,
    heartbeat_ms: 500, timeout_ms: 2_000, grace_s: 60, server_ts: 1_795_000_001_000,
    limits: { fps: 30, message_bytes: 262_144, pixels: [1280, 720], rate_hz: 60 },
    thresholds: { risk: 0.6, crisis_pause: 0.7, crisis_immediate: 0.8 }, models: [],
    snapshot: {
      status: "running", control_epoch: 0, config: { pattern_type: "horizontal", speed: 1 }, phase: null, set_no: null,
      ...snapshot,
    },
    ...fields,
  };
}

export function pause(fields = {}) {
  return { seq: 1, epoch: 1, control_epoch: 1, mode: "hard", reason: "therapist", resume_requires: "therapist", ...fields };
}

export function resume(fields = {}) {
  return { seq: 2, epoch: 1, control_epoch: 2, by: "t1", ...fields };
}

export function result(fields = {}) {
  const none = { valence: null, arousal: null, attention: null };
  return {
    re: null, ts: 1, emotions: {}, dimensions: none, state: { label: "unknown", confidence: 0 }, predicted_changes: null,
    recommendations: [], signal: { status: "ok", quality: 1, age_ms: 0 }, timing: null,
    safety: {
      risk_level: null, crisis_probability: null, should_pause_session: false, warning_signs: [], protective_factors: [],
      next_check_in: 60,
    },
    ...fields,
  };
}

/** A JWT as far as a browser reads it. */
export function token(claims) {
  return `h.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.s`;
}

/** Every event of these names, in order. */
export function recorded(emitter, ...names) {
  const events = [];
  for (const name of names) emitter.on(name, (detail) => events.push({ name, ...detail }));
  return events;
}
