"""Thresholds: chosen on the monitor's own alarms, within a budget, and moved to where the service has its own."""

from dataclasses import replace
from math import log

import numpy as np
import pytest

from emdr_stream.evaluation.labels import Event, Truth
from training.config import Budget
from training.dataset import Dataset
from training.network import N_STATES
from training.replay import Scored
from training.thresholds import ValidationSession, chosen, moved, tried

BUDGET = Budget(false_alarms=1.0, calm_pauses=0.4, hard_pauses=0.8)
LENGTH_S = 600
ONSET_S = 300


def watched(crisis: bool) -> ValidationSession:
    """Ten minutes, with a crisis of forty seconds in the middle, or calm."""
    event = Event(kind="hyperarousal", onset_ms=ONSET_S * 1_000, end_ms=(ONSET_S + 40) * 1_000, observable=True)
    truth = Truth(
        recording="r.jsonl",
        person="p",
        family="panic",
        sensor="camera",
        from_ms=60_000,
        to_ms=LENGTH_S * 1_000,
        events=(event,) if crisis else (),
    )
    times = np.arange(60, LENGTH_S) * 1_000
    nothing = np.zeros((0, 1), dtype=np.float32)
    none = nothing[:, 0]
    ints = np.zeros(0, np.int64)
    empty = Dataset(ints, nothing.astype(np.float16), ints, none, none, none, none, none, nothing, none, ints, none)
    return ValidationSession(times, np.zeros((len(times), 1), np.float32), empty, truth)


def said(session: ValidationSession, quiet: float, loud: float, spike: float = 0.0) -> Scored:
    """Probabilities that are `loud` in the middle, `spike` for ten seconds before it, `quiet` elsewhere."""
    seconds = session.times_ms // 1_000
    crisis = np.full(len(seconds), quiet, dtype=np.float32)
    crisis[(seconds >= ONSET_S) & (seconds < ONSET_S + 40)] = loud
    crisis[(seconds >= 150) & (seconds < 160)] = spike
    return Scored(session.times_ms, np.zeros((len(seconds), N_STATES), np.float32), np.full_like(crisis, 0.01), crisis)


def test_a_crisis_that_stands_out_is_found_at_a_threshold_below_it() -> None:
    session = watched(crisis=True)
    choice = chosen([session], [said(session, 0.05, 0.4)], BUDGET)
    assert choice.sensitivity == 1.0 and choice.false_alarms == 0.0
    assert choice.crisis < log(0.4 / 0.6)


def test_false_alarms_drive_the_threshold_up() -> None:
    sessions = [watched(crisis=True), *[watched(crisis=False) for _ in range(5)]]
    scored = [said(sessions[0], 0.05, 0.85), *[said(one, 0.05, 0.05, spike=0.6) for one in sessions[1:]]]
    choice = chosen(sessions, scored, BUDGET)
    assert choice.sensitivity == 1.0 and choice.calm_pauses == 0.0
    assert log(0.6 / 0.4) - 0.3 < choice.crisis < log(0.85 / 0.15)


def test_what_cannot_be_kept_is_broken_least() -> None:
    session = watched(crisis=False)
    choice = chosen([session], [said(session, 0.02, 0.02, spike=0.999)], BUDGET)
    assert choice.false_alarms > BUDGET.false_alarms


def test_progress_is_told_of_every_figure_that_is_tried() -> None:
    told: list[int] = []
    session = watched(crisis=True)
    chosen([session], [said(session, 0.05, 0.4)], BUDGET, told.append)
    assert told == list(range(1, len(tried(BUDGET)) + 1))


@pytest.mark.parametrize("threshold", [0.6, 0.7])
def test_a_moved_line_gives_the_service_threshold_where_the_choice_was(threshold: float) -> None:
    slope, offset = 1.7, -0.4
    odds = -0.9
    z = (odds - offset) / slope
    line = moved((slope, offset), odds, threshold)
    assert 1.0 / (1.0 + np.exp(-(line[0] * z + line[1]))) == pytest.approx(threshold)


def test_thresholds_are_tried_as_finely_as_the_budget_says() -> None:
    coarse, fine = tried(BUDGET), tried(replace(BUDGET, odds_apart=0.1))
    assert coarse[:3] == (-1.2, -1.0, -0.8) and coarse[-1] == 2.2
    assert fine[::2] == coarse and len(fine) == 35
