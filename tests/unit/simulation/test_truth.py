"""From a simulated session to its line in `labels.jsonl`, and its recording through the service's own core."""

import json
from pathlib import Path

import numpy as np
import pytest

from emdr_stream.evaluation.labels import label_line, read_labels
from emdr_stream.recording.reading import read_recording
from emdr_stream.recording.replay import replay_recording
from emdr_stream.recording.simulated import write_sessions
from emdr_stream.simulation import Family, LatentState, SimulatedSession, prevalence, simulate_session, truth_of


@pytest.fixture(scope="module")
def panic() -> SimulatedSession:
    return next(
        session
        for seed in range(50)
        if (session := simulate_session(np.random.default_rng(seed), Family.PANIC, duration_s=300)).stop_press_ms
    )


def test_the_truth_survives_its_line(panic: SimulatedSession) -> None:
    truth = truth_of(panic, "panic.jsonl")
    assert read_labels([label_line(truth)]) == [truth]


def test_the_truth_says_what_the_session_knows(panic: SimulatedSession) -> None:
    truth = truth_of(panic, "panic.jsonl")
    assert (truth.family, truth.person, truth.sensor) == ("panic", panic.person_id, panic.sensor_profile.name)
    assert (truth.from_ms, truth.to_ms) == (60_000, 300_000)
    assert [(event.onset_ms, event.end_ms) for event in truth.events] == [
        (event.onset_s * 1_000, event.offset_s * 1_000) for event in panic.crises
    ]
    assert "stop pressed" in truth.events[0].note and "momentary SD" in truth.events[0].note
    assert truth.groups["stop_pressed"] == "yes"
    assert truth.seconds is not None
    assert truth.seconds.state.count("hyperarousal") == (panic.labels.felt == LatentState.HYPERAROUSAL).sum()
    assert len(truth.sud) == len(panic.sud)


def test_hard_negatives_keep_away_from_crises() -> None:
    calm = truth_of(simulate_session(np.random.default_rng(3), Family.ABREACTION), "a.jsonl")
    assert {"abreaction", "talking"} <= {negative.kind for negative in calm.hard_negatives}
    for seed in range(5):
        truth = truth_of(simulate_session(np.random.default_rng(seed), Family.PANIC), "a.jsonl")
        for event in truth.events:
            assert not any(
                negative.onset_ms < event.end_ms and negative.end_ms > event.onset_ms
                for negative in truth.hard_negatives
            )


def test_prevalence_counts_the_time_after_the_baseline(panic: SimulatedSession) -> None:
    found = prevalence([panic])
    assert found.hours == pytest.approx(240 / 3600)
    outside = sum(event.offset_s - event.onset_s for event in panic.crises)
    assert found.share_of_time == pytest.approx(outside / 240)
    assert "1 sessions" in str(found)


def test_what_is_written_replays_through_the_core(tmp_path: Path) -> None:
    session = simulate_session(np.random.default_rng(4), Family.SHUTDOWN, duration_s=180)
    [(path, truth)] = write_sessions(tmp_path, [session], seed=4)
    recording = read_recording(path.read_bytes().splitlines())
    told = [json.loads(line) for line in replay_recording(recording, model=None)]
    results = [line for line in told if line["msg"]["type"] == "result"]
    assert len(results) > 100
    assert told[-1]["msg"]["type"] == "ended"
    assert truth.recording == path.name
