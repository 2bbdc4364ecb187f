"""In: cohorts of simulated sessions. Out: arrays of feature rows and their targets, row by row."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emdr_stream.pipeline.features import N_FEATURES, Features
from emdr_stream.simulation import (
    Family,
    Parameters,
    SimulatedSession,
    draw_person,
    draw_sensor,
    simulate_session,
)
from training.config import CohortConfig
from training.rows import SessionRows, rows_of
from training.swift import swift_rows
from training.targets import targets_of

Floats = NDArray[np.float32]

CHANGE_AFTER_MS: Final = 10_000
_CHANGE_SLACK_MS: Final = 2_500
TRAINING, VALIDATION = 0, 1
"""Numbers of the cohorts; each has its own seed and so its own persons. Tests are drawn by `training.evaluation`."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """n rows: `features` (n, N_FEATURES); the targets as in `Targets`; `change` (n, 3) over 10 s with its weight."""

    features: Features
    state: NDArray[np.int64]
    state_weight: Floats
    soft_risk: Floats
    risk: Floats
    crisis: Floats
    safety_weight: Floats
    change: Floats
    change_weight: Floats

    def __len__(self) -> int:
        return len(self.features)


def cohort_seed(seed: int, cohort: int) -> int:
    """Persons are named and drawn by this number: different cohorts never share one."""
    return seed * 10 + cohort


def training_cohort(
    config: CohortConfig, seed: int, cohort: int, progress: Callable[[int], None] | None = None
) -> Iterator[SimulatedSession]:
    """Sessions for training or validation, two of each person, without the families and the sensor held out."""
    n = config.training_sessions if cohort == TRAINING else config.validation_sessions
    share = config.randomised_share if cohort == TRAINING else config.validation_randomised_share
    families, parameters, number = families_of(config), Parameters(), cohort_seed(seed, cohort)
    weights = np.array([config.weights[family] for family in families])
    for index in range(n):
        who = index // 2
        person = draw_person(np.random.default_rng([number, 0, who]), f"person-{number}-{who}", parameters)
        rng = np.random.default_rng([number, 1, index])
        family = families[int(rng.choice(len(families), p=weights / weights.sum()))]
        sensor = draw_sensor(rng, parameters)
        while sensor.name == config.held_out_sensor:
            sensor = draw_sensor(rng, parameters)
        length_s, randomise = float(rng.uniform(*config.duration_s)), bool(rng.random() < share)
        yield simulate_session(rng, family, person=person, sensor=sensor, duration_s=length_s, randomise=randomise)
        if progress is not None:
            progress(index + 1)


def build_dataset(
    sessions: Iterable[SimulatedSession], every_ms: int, seed: int, drop_sets_share: float = 0.0, *, exact: bool = True
) -> Dataset:
    """Rows of all sessions, from the service's own perception where `exact`, otherwise from its swift equal.

    A share of the clients never says when a set runs.
    """
    rng = np.random.default_rng([seed, 7])
    take = rows_of if exact else swift_rows
    parts = [session_dataset(s, take(s, every_ms, tell_sets=rng.random() >= drop_sets_share)) for s in sessions]
    if not parts:
        raise ValueError("no session was simulated: raise the number of sessions")
    return Dataset(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Dataset)))


def session_dataset(session: SimulatedSession, rows: SessionRows) -> Dataset:
    """Targets joined to the rows of one session by their second; rows without any use are left out."""
    targets = targets_of(session)
    second = np.minimum(rows.times_ms // 1_000, len(targets.state) - 1)
    change, change_weight = _changes(rows)
    counted = targets.state_weight[second] > 0.0
    if session.stop_press_ms is not None:
        change_weight[rows.times_ms + CHANGE_AFTER_MS > session.stop_press_ms] = 0.0
    second = second[counted]
    return Dataset(
        features=rows.features[counted].reshape(-1, N_FEATURES),
        state=targets.state[second],
        state_weight=targets.state_weight[second].astype(np.float32),
        soft_risk=targets.soft_risk[second].astype(np.float32),
        risk=targets.risk[second].astype(np.float32),
        crisis=targets.crisis[second].astype(np.float32),
        safety_weight=targets.safety_weight[second].astype(np.float32),
        change=change[counted].astype(np.float32),
        change_weight=change_weight[counted].astype(np.float32),
    )


def _changes(rows: SessionRows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Difference of the 5-s levels 10 s later and now (n, 3); weight 0 where either is not known."""
    times = rows.times_ms
    if len(times) == 0:
        return np.zeros((0, 3)), np.zeros(0)
    later = np.minimum(np.searchsorted(times, times + CHANGE_AFTER_MS), len(times) - 1)
    change = rows.levels[later] - rows.levels
    near = np.abs(times[later] - times - CHANGE_AFTER_MS) < _CHANGE_SLACK_MS
    known = near & np.isfinite(change).all(axis=1)
    return np.where(known[:, None], change, 0.0), known.astype(np.float64)


def families_of(config: CohortConfig) -> tuple[Family, ...]:
    """The families that training sees."""
    return tuple(family for family in config.weights if family not in config.held_out_families)
