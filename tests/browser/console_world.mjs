// In: what differs. Out: summaries, states and alerts as the service says them; a session as the console has it; the words.

import { SessionView } from "../../emdr_stream/browser/pages/console/model.js";
import { en } from "../../emdr_stream/browser/pages/console/words/en.js";
import { ru } from "../../emdr_stream/browser/pages/console/words/ru.js";
import { Words } from "../../emdr_stream/browser/pages/shared/words.js";

export const dictionaries = { en, ru };
export const english = new Words(dictionaries, "en");
export const russian = new Words(dictionaries, "ru");

export const summary = (fields = {}) => ({
  session_id: "s1", user: "u-17", source: "emotion", started_ts: 0, status: "running", control_epoch: 0,
  config: { pattern_type: "horizontal", speed: 1, intensity: 0.8, duration: 24 },
  thresholds: { risk: 0.6, crisis_pause: 0.7, crisis_immediate: 0.8 }, phase: null, set_no: null,
  signal: { status: "ok", quality: 1, age_ms: 40 }, baseline: { sureness: 1 }, ...fields,
});

export const state = (fields = {}) => {
  const { source, started_ts, ...standing } = summary();
  return {
    type: "state", ts: 1_000, ...standing, emotions: {}, dimensions: { valence: 0, arousal: 0.1, attention: 0.8 },
    state: { label: "calm", confidence: 0.9 },
    safety: { risk_level: 0.1, crisis_probability: 0.05, should_pause_session: false, warning_signs: [], protective_factors: [], next_check_in: 60 },
    ...fields,
  };
};

export const alert = (fields = {}) => ({
  type: "alert", cursor: "c1", alert_id: "s1.a1", session_id: "s1", kind: "crisis", severity: "critical", state: "raised",
  raised_ts: 1_000, ts: 1_000, evidence: [], ...fields,
});

export const view = (fields = {}) => new SessionView(summary(fields), 0);
