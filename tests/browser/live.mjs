// A page without a screen, for the system tests: a session and a console of the real library on a real service.
// In: BASE CLIENT_TOKEN THERAPIST_TOKEN, then one JSON command a line. Out: every event as a JSON line.

import { createInterface } from "node:readline";
import { connect, samples, watch } from "../../emdr_stream/browser/client/index.js";

const [base, clientToken, therapistToken] = process.argv.slice(2);
const started = performance.now();

function say(who, event, detail) {
  process.stdout.write(`${JSON.stringify({ at_ms: performance.now() - started, who, event, ...detail })}\n`);
}

const source = samples();
const session = connect({ url: `${base}/v1/stream`, getToken: async () => clientToken, source });
const console_ = watch({ url: `${base}/v1/watch`, getToken: async () => therapistToken });

for (const event of ["welcome", "state", "resume", "adapt", "intervention", "error", "ended", "closed", "signal"]) {
  session.on(event, (detail) => say("session", event, detail));
}
for (const event of ["connection", "sessions", "alert", "error", "closed"]) {
  console_.on(event, (detail) => say("console", event, Array.isArray(detail) ? { list: detail } : detail));
}
session.on("pause", (pause) => {
  // What an engine does: at rest within the frame, then it says since when.
  say("session", "pause", { ...pause, silent_ms: session.silentForMs });
  session.confirmStopped(pause.controlEpoch);
});
let results = 0;
session.on("result", (result) => {
  results += 1;
  if (results % 10 === 1) say("session", "result", { results, label: result.state.label, signal: result.signal });
});

const streaming = setInterval(() => {
  source.push({
    dimensions: { valence: 0.1, arousal: -0.1, attention: 0.8 },
    emotions: { joy: 0.1, sadness: 0.1, anger: 0, fear: 0, surprise: 0.1, disgust: 0, neutral: 0.7 },
  });
}, 50);

const commands = {
  stop: ({ reason }) => { session.stop(reason); return { paused: session.paused }; },
  resume: () => session.requestResume(),
  set: ({ action }) => session.sendSet(action),
  rate: ({ sud }) => session.rate({ sud }),
  command: ({ name, ...fields }) => console_.command(session.sessionId, name, fields),
  acknowledge: ({ alert_id: alertId, note }) => console_.acknowledge(alertId, note),
  clock: () => ({ round_trip_ms: session.roundTripMs, offset_ms: session.serverNow() - Date.now() }),
  state: () => ({ status: session.status, paused: session.paused, config: session.config, sessions: console_.sessions.length }),
  end: () => { session.end(); return {}; },
  quit: () => { clearInterval(streaming); session.close(); console_.close(); lines.close(); return {}; },
};

const lines = createInterface({ input: process.stdin });
for await (const line of lines) {
  const { do: name, ...fields } = JSON.parse(line);
  say("page", "answer", { to: name, ...(await commands[name](fields)) });
}
process.exit(0);
