"""In: cohorts of simulated sessions. Out: of each session its feature rows in their order, and their targets."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from emdr_stream.simulation import (
    TEST_DURATION_S,
    TEST_MIXTURE,
    Family,
    Parameters,
    SimulatedSession,
    draw_person,
    simulate_session,
)
from emdr_stream.simulation.scenario import Course
from training.config import CohortConfig
from training.listening import Listening, listened_late
from training.network import compressed
from training.rows import SessionRows
from training.swift import swift_rows
from training.targets import targets_of
from training.wandering import WANDERING

Floats = NDArray[np.float32]
Halves = NDArray[np.float16]
"""Half the room: what is lost is a hundredth of the noise that training adds."""

Made = TypeVar("Made")

VALIDATION_ROW_EVERY_MS: Final = 1_000
CHANGE_AFTER_MS: Final = 10_000
_CHANGE_SLACK_MS: Final = 2_500
_CHUNK: Final = 16
TRAINING, VALIDATION = 0, 1
"""Numbers of the cohorts; each has its own seed and so its own persons. Tests are drawn by `training.evaluation`."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """n rows of a session in their order, or of several: `times_ms` (n,); `inputs` (n, N_FEATURES), the features as the
    network compresses them; the targets as in `Targets`; `change` (n, 3) over 10 s with its weight; stretches as in
    `Parts`.

    What counts nothing is there all the same, with weights of 0: it is remembered like the rest.
    """

    times_ms: NDArray[np.int64]
    inputs: Halves
    state: NDArray[np.int64]
    state_weight: Floats
    soft_risk: Floats
    risk: Floats
    crisis: Floats
    safety_weight: Floats
    change: Floats
    change_weight: Floats
    stretch: NDArray[np.int64]
    stretch_worth: Floats

    def __len__(self) -> int:
        return len(self.times_ms)


def cohort_seed(seed: int, cohort: int) -> int:
    """Persons are named and drawn by this number: different cohorts never share one."""
    return seed * 10 + cohort


def training_cohort(
    config: CohortConfig, seed: int, cohort: int, progress: Callable[[int], None] | None = None
) -> Iterator[SimulatedSession]:
    """Sessions for training or validation, in order, each of another person."""
    n = config.training_sessions if cohort == TRAINING else config.validation_sessions
    for index in range(n):
        yield cohort_session(config, seed, cohort, index)
        if progress is not None:
            progress(index + 1)


def cohort_session(config: CohortConfig, seed: int, cohort: int, index: int) -> SimulatedSession:
    """One of them; it depends on the arguments alone. Nobody presses stop: what follows a press trains nothing."""
    number, parameters, training = cohort_seed(seed, cohort), Parameters(), cohort == TRAINING
    person = draw_person(np.random.default_rng([number, 0, index]), f"person-{number}-{index}", parameters)
    rng = np.random.default_rng([number, 1, index])
    mixture = config.weights if training else TEST_MIXTURE
    families, weights = tuple(mixture), np.array([*mixture.values()])
    family: Family | Course = families[int(rng.choice(len(families), p=weights / weights.sum()))]
    length_s = float(rng.uniform(*(config.duration_s if training else TEST_DURATION_S)))
    randomise = training and bool(rng.random() < config.randomised_share)
    if training and np.random.default_rng([number, 3, index]).random() < config.wandering_share:
        family = WANDERING
    return simulate_session(
        rng, family, person=person, duration_s=length_s, randomise=randomise, stop_presses=False, parameters=parameters
    )


@dataclass(frozen=True, slots=True)
class SessionTask:
    """What a process is told of a session: enough to simulate it and take its rows."""

    config: CohortConfig
    seed: int
    cohort: int
    index: int
    drop_sets_share: float

    def rows(self) -> tuple[SimulatedSession, SessionRows]:
        """The session and its rows; a share of those in training is listened to late, or never told of its sets."""
        session = cohort_session(self.config, self.seed, self.cohort, self.index)
        listening = self._listening(session)
        every_ms = self.config.row_every_ms if self.cohort == TRAINING else VALIDATION_ROW_EVERY_MS
        rows = swift_rows(
            session, every_ms, listening.settings, tell_sets=listening.tell_sets, from_ms=listening.from_ms
        )
        return session, rows

    def _listening(self, session: SimulatedSession) -> Listening:
        number = cohort_seed(self.seed, self.cohort)
        whole = Listening(tell_sets=np.random.default_rng([number, 2, self.index]).random() >= self.drop_sets_share)
        rng = np.random.default_rng([number, 4, self.index])
        if self.cohort != TRAINING or rng.random() >= self.config.late_share:
            return whole
        return listened_late(rng, session) or whole

    def __call__(self) -> Dataset:
        return session_dataset(*self.rows())


def tasks_of(config: CohortConfig, seed: int, cohort: int, drop_sets_share: float = 0.0) -> list[SessionTask]:
    """All sessions of a cohort."""
    n = config.training_sessions if cohort == TRAINING else config.validation_sessions
    return [SessionTask(config, seed, cohort, index, drop_sets_share) for index in range(n)]


def run_tasks(tasks: Sequence[Callable[[], Made]], processes: int, progress: Callable[[int], None]) -> list[Made]:
    """What the tasks give, in their order, made by several processes; the same for any number of them."""
    made: list[Made] = []
    with _workers(processes if len(tasks) >= 2 * _CHUNK else 1) as pool:
        for one in map(_call, tasks) if pool is None else pool.map(_call, tasks, chunksize=_CHUNK):
            made.append(one)
            progress(len(made))
    return made


@contextmanager
def _workers(processes: int) -> Iterator[ProcessPoolExecutor | None]:
    if processes <= 1:
        yield None
        return
    # Started afresh rather than forked: the parent may hold threads of numpy or the runtime.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        yield pool


def _call(task: Callable[[], Made]) -> Made:
    return task()


def joined(parts: Sequence[Dataset]) -> Dataset:
    """All rows in one. Raises ValueError where there is none."""
    if not any(len(part) for part in parts):
        raise ValueError("no session was simulated: raise the number of sessions")
    return Dataset(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Dataset)))


def session_dataset(session: SimulatedSession, rows: SessionRows) -> Dataset:
    """Targets joined to the rows of one session by their second."""
    targets = targets_of(session)
    second = np.minimum(rows.times_ms // 1_000, len(targets.state) - 1)
    change, change_weight = changes(rows)
    state_weight = targets.state_weight[second].astype(np.float32)
    change_weight[state_weight == 0.0] = 0.0
    if session.stop_press_ms is not None:
        change_weight[rows.times_ms + CHANGE_AFTER_MS > session.stop_press_ms] = 0.0
    return Dataset(
        times_ms=rows.times_ms,
        inputs=compressed(rows.features).astype(np.float16),
        state=np.maximum(targets.state[second], 0),
        state_weight=state_weight,
        soft_risk=targets.soft_risk[second].astype(np.float32),
        risk=targets.risk[second].astype(np.float32),
        crisis=targets.crisis[second].astype(np.float32),
        safety_weight=targets.safety_weight[second].astype(np.float32),
        change=change.astype(np.float32),
        change_weight=change_weight.astype(np.float32),
        stretch=targets.parts.stretch[second],
        stretch_worth=targets.parts.worth[second].astype(np.float32),
    )


def changes(rows: SessionRows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Difference of the 5-s levels 10 s later and now (n, 3); weight 0 where either is not known."""
    times = rows.times_ms
    if len(times) == 0:
        return np.zeros((0, 3)), np.zeros(0)
    later = np.minimum(np.searchsorted(times, times + CHANGE_AFTER_MS), len(times) - 1)
    change = rows.levels[later] - rows.levels
    near = np.abs(times[later] - times - CHANGE_AFTER_MS) < _CHANGE_SLACK_MS
    known = near & np.isfinite(change).all(axis=1)
    return np.where(known[:, None], change, 0.0), known.astype(np.float64)
