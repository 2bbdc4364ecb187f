// A console's sessions: what holds now, how old it is, what is asked and not yet done, and what happened before.

import assert from "node:assert/strict";
import test from "node:test";
import { Model, SILENT_AFTER_MS } from "../../emdr_stream/browser/pages/console/model.js";
import { clientSees, pauseInWords, sightInWords, stateInWords } from "../../emdr_stream/browser/pages/console/summary.js";
import { alert, english, state, summary } from "./console_world.mjs";

const NOW = 50_000;

function opened(fields = {}) {
  const model = new Model();
  model.list([summary(fields)], NOW);
  return { model, view: model.find("s1"), take: (message, at = 0) => model.take({ session_id: "s1", ...message }, NOW, at) };
}

const pause = (fields = {}) => ({ type: "control", action: "pause", control_epoch: 1, mode: "hard", reason: "crisis", resume_requires: "therapist", ts: NOW, ...fields });

test("a session is silent until its first live state, and again when none comes", () => {
  const { view, take } = opened();
  assert.equal(view.isSilent(0), true);
  take(state(), 1_000);
  assert.equal(view.isSilent(1_000 + SILENT_AFTER_MS), false);
  assert.equal(view.isSilent(1_001 + SILENT_AFTER_MS), true);
  assert.equal(view.isNow(1_001 + SILENT_AFTER_MS), false);
});

test("the signal's age goes on growing while nothing comes", () => {
  const { view, take } = opened();
  take(state({ signal: { status: "ok", quality: 1, age_ms: 100 } }), 1_000);
  assert.equal(view.signalAge(3_000), 2_100);
  assert.match(sightInWords(english, view, 9_000), /last seen 8 s ago/);
});

test("a client that is away has no present readings at once, not only after a silence", () => {
  const { view, take } = opened();
  take(state(), 1_000);
  take({ type: "session.detached" }, 1_001);
  assert.equal(view.isNow(1_001), false);
  assert.equal(view.live, null);
  assert.match(clientSees(english, view, NOW)[0], /not connected/);
});

test("a pause is asked, then received, then at rest, and each is said as what it is", () => {
  const { view, take } = opened();
  take(state({ set_started_ts: 40_000, set_no: 2 }));
  assert.match(clientSees(english, view, NOW)[0], /Set 2 has run for 0:10/);
  take(pause());
  assert.match(clientSees(english, view, NOW)[0], /has not confirmed it yet/);
  take({ type: "applied", control_epoch: 1, ts: NOW });
  assert.match(clientSees(english, view, NOW)[0], /coming to rest/);
  take({ type: "applied", control_epoch: 1, ts: NOW, stopped_ts: NOW - 5 });
  assert.match(clientSees(english, view, NOW)[0], /The client's light stopped at/);
  take({ type: "control", action: "resume", control_epoch: 2, by: "dr", ts: NOW });
  assert.equal(view.pause, null);
});

test("a pause for a client who is away is never said to have reached them", () => {
  const words = pauseInWords(english, { reason: "therapist", asked_ts: NOW, received: false }, true);
  assert.match(words[0], /is away and finds it on coming back/);
});

test("a live state alone is enough to know of a pause whose notice was lost, and of its end", () => {
  const { view, take } = opened();
  take(state({ status: "paused", control_epoch: 3, pause: { reason: "client_stop", mode: "hard", resume_requires: "client", asked_ts: 1, received: true, stopped_ts: 2 } }));
  assert.deepEqual([view.status, view.pause.stopped_ts], ["paused", 2]);
  take(state({ ts: 2_000, control_epoch: 4 }));
  assert.deepEqual([view.status, view.pause, view.summary.control_epoch], ["running", null, 4]);
});

test("confirmations and control messages of an earlier pause change nothing", () => {
  const { view, take } = opened();
  take(pause({ control_epoch: 3 }));
  take({ type: "applied", control_epoch: 2, ts: NOW, stopped_ts: NOW });
  take({ type: "control", action: "resume", control_epoch: 2, by: "client", ts: NOW });
  assert.deepEqual([view.status, view.pause.received], ["paused", false]);
});

test("what is heard of one session never changes another", () => {
  const model = new Model();
  model.list([summary(), summary({ session_id: "s2" })], NOW);
  model.take({ ...pause(), session_id: "s2" }, NOW, 0);
  model.take({ ...pause(), session_id: "s3" }, NOW, 0);
  assert.deepEqual(model.sessions.map((view) => [view.id, view.status]), [["s1", "running"], ["s2", "paused"]]);
});

test("a command is pending until it shows, a refused one says why, and an ended session has none", () => {
  const { view, take } = opened();
  const asked = view.pending.ask("pause", {}, NOW);
  take(pause());
  view.pending.answered(asked, { ok: true });
  view.pending.see(view.summary);
  assert.equal(view.pending.find("pause").state, "taken", "the client has not stopped yet");
  take({ type: "applied", control_epoch: 1, ts: NOW, stopped_ts: NOW });
  assert.equal(view.pending.find("pause"), null);
  const config = view.pending.ask("config", { speed: 0.8 }, NOW);
  view.pending.answered(config, { ok: true });
  take(state({ pending: { speed: 0.8 } }));
  assert.equal(view.pending.find("config").state, "taken");
  take(state({ ts: 2_000, config: { ...summary().config, speed: 0.8 } }));
  assert.equal(view.pending.find("config"), null);
  view.pending.answered(view.pending.ask("thresholds", { risk: 0.3 }, NOW), { ok: false, code: "invalid_field", message: "out of order" });
  take(state({ ts: 3_000 }));
  assert.deepEqual(view.pending.find("thresholds").problem, { code: "invalid_field", message: "out of order" });
  take({ type: "session.closed", reason: "bye" });
  assert.deepEqual(view.pending.all, []);
});

test("an answer to an earlier command says nothing of a newer one", () => {
  const { view } = opened();
  const first = view.pending.ask("pause", {}, 1);
  const second = view.pending.ask("pause", {}, 2);
  view.pending.answered(first, { ok: false, code: "internal" });
  assert.equal(view.pending.find("pause"), second);
  assert.equal(second.state, "asked");
});

test("after a reconnect everything is silent until it is heard anew, and the records are asked again", () => {
  const { model, view, take } = opened();
  take(state(), 1_000);
  view.history = "whole";
  model.list([], NOW);
  assert.deepEqual([view.isSilent(1_001), view.history, model.sessions.length], [true, "none", 1]);
});

test("a session that ended while the page was cut off is asked after, found over, and in the end forgotten", () => {
  // It stood in the list as silent for ever: nobody tells of an end twice.
  const model = new Model();
  const summaries = Array.from({ length: 10 }, (_, n) => summary({ session_id: `s${n}`, started_ts: n }));
  model.list(summaries, NOW);
  assert.deepEqual(model.unlisted, []);
  model.list(summaries.slice(0, 1), NOW);
  assert.equal(model.unlisted.length, 9);
  const [lost, elsewhere, over] = model.unlisted;
  model.found(lost, null, NOW);
  model.found(elsewhere, elsewhere.summary, NOW);
  model.found(over, { ...over.summary, status: "ended" }, NOW);
  assert.deepEqual([lost, elsewhere, over].map((view) => [view.status, view.endedUnseen]), [["ended", true], ["running", false], ["ended", true]]);
  assert.equal(model.unlisted.length, 6, "of these nobody knows it yet");
  for (const view of model.unlisted) model.take(state({ session_id: view.id }), NOW, 0);
  assert.deepEqual(model.unlisted, [], "who is heard needs no question");
  model.found(elsewhere, null, NOW);
  assert.equal(elsewhere.isOver, false, "an answer that comes late changes nothing");
  model.take(state({ session_id: lost.id }), NOW, 5_000);
  assert.deepEqual([lost.status, lost.isNow(5_000)], ["running", true], "what is heard lives, whatever was found");
});

test("what happened is told once, whether it came live, from the records, or both", () => {
  const { model, view, take } = opened();
  take({ type: "set", action: "start", set_no: 1, ts: 2_000 });
  take({ type: "rating", scale: "sud", value: 6, ts: 3_000 });
  take(pause({ ts: 4_000 }));
  model.take(alert({ raised_ts: 4_000 }), NOW, 0);
  model.remember(view, {
    complete: true, curve: {}, alerts: [alert({ state: "acknowledged", by: "dr", raised_ts: 4_000 })],
    events: [
      { kind: "set", ts: 1_000, fields: { action: "start", set_no: 0, at_ms: 1 } }, { kind: "set", ts: 1_500, fields: { action: "end", set_no: 0 } },
      { kind: "set", ts: 2_000, fields: { action: "start", set_no: 1 } }, { kind: "rating", ts: 3_000, fields: { scale: "sud", value: 6 } },
      { kind: "control", ts: 4_000, fields: { action: "pause", control_epoch: 1, reason: "crisis" } },
      { kind: "control", ts: 4_100, fields: { action: "applied", control_epoch: 1, stopped: true, stopped_ts: 4_050 } },
      { kind: "control", ts: 4_060, fields: { action: "applied", control_epoch: 1, stopped: false } },
      { kind: "adaptation", ts: 1_600, fields: { adapt_id: "s1.p1", config: { speed: 0.9 }, effective: "next_set", reasons: [] } },
    ],
  });
  take({ type: "applied", control_epoch: 1, ts: 4_100, stopped_ts: 4_050 });
  assert.deepEqual(view.timeline.entries.map(({ kind, ts }) => `${kind} ${ts}`), [
    "set 1000", "set 1500", "adapt 1600", "set 2000", "rating 3000", "alert 4000", "pause 4000", "applied 4050",
  ]);
  assert.equal(view.timeline.entries.find(({ kind }) => kind === "alert").facts.state, "acknowledged");
  assert.deepEqual(view.timeline.sets(9_000), [{ no: 0, from: 1_000, to: 1_500, running: false }, { no: 1, from: 2_000, to: 9_000, running: true }]);
  assert.deepEqual(view.timeline.pauses(9_000), [{ from: 4_000, to: 9_000, reason: "crisis" }]);
  assert.deepEqual(view.timeline.ratings("sud"), [{ ts: 3_000, value: 6 }]);
  assert.equal(view.history, "whole");
});

test("ended sessions come last, are kept a while, and an opened one comes back to life", () => {
  const model = new Model();
  model.list(Array.from({ length: 12 }, (_, n) => summary({ session_id: `s${n}`, started_ts: n })), NOW);
  for (let n = 0; n < 11; n += 1) model.take({ type: "session.closed", session_id: `s${n}`, reason: "bye" }, NOW, 0);
  assert.equal(model.sessions[0].id, "s11");
  assert.equal(model.sessions.length, 9);
  model.take({ type: "session.opened", session_id: "s11", session: summary({ session_id: "s11", status: "paused" }) }, NOW, 0);
  assert.equal(model.find("s11").status, "paused");
});

test("the state in words changes seldom: no number that moves with each reading is in it", () => {
  const { view, take } = opened();
  take(state(), 0);
  const before = stateInWords(english, view, 10);
  take(state({ ts: 2_000, dimensions: { arousal: 0.11, valence: 0.02, attention: 0.79 }, state: { label: "calm", confidence: 0.7 } }), 20);
  assert.equal(stateInWords(english, view, 30), before);
  take(state({ ts: 3_000, baseline: { sureness: 0.4 } }), 40);
  assert.match(stateInWords(english, view, 50), /own baseline forming/);
  assert.match(stateInWords(english, view, 50 + 3_000), /no live data/);
});
