// In: a page before its own scripts run. Out: its socket leads to `player`, a service of consoles that a test plays.
//
// It answers what a console must have answered, and tells of its sessions a few times a second for as long as it `beats`.

globalThis.player = (() => {
  const BEAT_MS = 300;
  const standing = {
    status: "running", control_epoch: 0, config: { pattern_type: "horizontal", speed: 1, intensity: 0.8, duration: 24 },
    thresholds: { risk: 0.6, crisis_pause: 0.7, crisis_immediate: 0.8 }, phase: null, set_no: null,
    signal: { status: "ok", quality: 1, age_ms: 40 }, baseline: { sureness: 1 },
  };
  const safety = {
    risk_level: 0.1, crisis_probability: 0.05, should_pause_session: false, warning_signs: [], protective_factors: [], next_check_in: 60,
  };
  /** Answers by the type of a message; a test may put others in their place. */
  const answers = {
    hello: () => ({
      type: "welcome", protocol: "emdr.v1", heartbeat_ms: 500, timeout_ms: 2_000, server_ts: Date.now(), user: player.user, role: "therapist",
    }),
    subscribe: ({ id, sessions: [first] }) => {
      const found = player.sessions.filter(({ session_id, hidden }) => (first === "*" ? !hidden : session_id === first));
      return found.length || first === "*" ? { type: "subscribed", re: id, sessions: found } : refusal(id, "unknown_session");
    },
    history: ({ id, session_id }) => ({ type: "history", re: id, session_id, complete: true, events: [], alerts: [], curve: {} }),
    ack: ({ id, alert_id }) => {
      setTimeout(() => player.step(alert_id, "acknowledged", { by: player.user }), 60);
      return { type: "done", re: id };
    },
  };
  const refusal = (re, code) => ({ type: "error", re, code, message: code, retryable: false, fatal: false });

  const player = {
    user: "dr", beats: true, answers, refusal, sessions: [], sent: [], sockets: [], alerts: new Map(),

    /** A session that is in the list from the next subscription on. */
    session(session_id, fields = {}) {
      player.sessions.push({ session_id, user: `u-${session_id}`, source: "emotion", started_ts: player.sessions.length, ...standing, ...fields });
    },

    /** What a session says of itself, each second at least. */
    state(session_id, fields = {}) {
      player.tell({
        type: "state", session_id, ts: Date.now(), ...standing, emotions: {}, dimensions: { valence: 0, arousal: 0.1, attention: 0.8 },
        state: { label: "calm", confidence: 0.9 }, safety, ...fields,
      });
    },

    alert(session_id, number, fields = {}) {
      const alert_id = `${session_id}.a${number}`;
      const ts = Date.now();
      const alert = { alert_id, session_id, kind: "crisis", severity: "critical", raised_ts: ts, evidence: [], ...fields };
      player.alerts.set(alert_id, alert);
      player.step(alert_id, "raised", { ts });
    },

    step(alert_id, state, fields = {}) {
      player.tell({ type: "alert", ...player.alerts.get(alert_id), cursor: `${alert_id}:${state}`, state, ts: Date.now(), ...fields });
    },

    tell(message) {
      const socket = player.sockets.at(-1);
      if (socket?.readyState === 1) socket.onmessage?.({ data: socket.codec.encode(message).buffer });
    },

    /** The service closes the connection. */
    drop(code = 1006) {
      const socket = player.sockets.at(-1);
      socket.readyState = 3;
      socket.onclose?.({ code, reason: "" });
    },

    of: (type) => player.sent.filter((message) => message.type === type),
  };

  globalThis.WebSocket = class {
    readyState = 0;
    bufferedAmount = 0;

    constructor() {
      player.sockets.push(this);
      const library = new URL("../../client/msgpack.js", document.querySelector("script[type=module]").src);
      import(library).then((codec) => {
        this.codec = codec;
        this.readyState = 1;
        this.onopen?.();
      });
    }

    send(data) {
      const message = this.codec.decode(data);
      player.sent.push(message);
      const answer = answers[message.type] ? answers[message.type](message) : message.id && { type: "done", re: message.id };
      if (answer) Promise.resolve().then(() => player.tell(answer));
    }

    close() {
      this.readyState = 3;
    }
  };

  setInterval(() => {
    if (!player.beats) return;
    player.tell({ type: "heartbeat", server_ts: Date.now() });
    for (const { session_id, hidden } of player.sessions) if (!hidden) player.state(session_id);
  }, BEAT_MS);
  return player;
})();
