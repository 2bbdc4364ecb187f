"""In: one session of a cohort. Out: its seconds, with what no stream tells: the person and their true course."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emdr_stream.evaluation.course import Course, Watched
from emdr_stream.evaluation.labels import Truth
from emdr_stream.simulation import TEST_DURATION_S, TEST_MIXTURE, Parameters, SimulatedSession, truth_of
from emdr_stream.simulation.scenario import ACTIVATION, DISSOCIATION
from training.config import CohortConfig
from training.dataset import TRAINING, VALIDATION, VALIDATION_ROW_EVERY_MS, SessionTask, tasks_of
from training.network import compressed
from training.rows import SessionRows
from training.targets import targets_of

Floats = NDArray[np.float64]
Halves = NDArray[np.float16]

ASKED_SEED: Final = 88_113
"""Of the persons who are asked for; no training, validation or test set has it."""
RANDOMISED_SEED: Final = 88_114
CENTRED_S: Final = 3
"""The latents are a mean of 5 s about each second: they are known that much later."""
EDGES_AT: Final = 30
"""Where in `person` the window's upper and lower edge stand."""


@dataclass(frozen=True, slots=True)
class Followed:
    """n seconds in which the models would be heard.

    `inputs` (n, N_FEATURES): features, compressed as the network does. `state` (n,) indexes MODEL_STATES, -1 for an
    absent client; `state_weight`, `soft_risk`, `crisis`, `safety_weight` (n,) as in `Targets`. `latents` (n, 5): how
    the client truly is. `person` (P,): what stays the same for this person and sensor.
    """

    times_ms: NDArray[np.int64]
    inputs: Halves
    state: NDArray[np.int64]
    state_weight: Halves
    soft_risk: NDArray[np.float32]
    crisis: Halves
    safety_weight: Halves
    latents: Halves
    person: NDArray[np.float32]
    truth: Truth

    def closeness(self, upper: float, lower: float) -> Floats:
        """How near those edges of activation, or dissociation's, the client has come (n,), 1 at the nearest; known late
        by what the latents are smoothed over."""
        late = np.concatenate([np.repeat(self.latents[:1], CENTRED_S, axis=0), self.latents])[: len(self.latents)]
        activation, dissociation = (late[:, at].astype(np.float64) for at in (ACTIVATION, DISSOCIATION))
        edge = Parameters().dissociation_edge
        return np.asarray(np.maximum.reduce((activation / upper, -activation / lower, dissociation / edge)))

    def course(self, said: Floats) -> Course:
        """The session as the evaluation's sweep sees it, `said` (n,) being the crisis probability."""
        duration_ms = self.truth.to_ms or 0
        watched = Watched.of_length(duration_ms // 1_000)
        watched.crisis[np.minimum(self.times_ms // 1_000, len(watched.crisis) - 1)] = said
        return Course(self.truth, duration_ms, (), (), (), watched)


@dataclass(frozen=True, slots=True)
class FollowTask:
    """What a process is told to make one; see `SessionTask`."""

    session: SessionTask

    def __call__(self) -> Followed:
        session, rows = self.session.rows()
        return followed(session, rows, f"headroom-{self.session.index}.jsonl")


def to_learn_from(config: CohortConfig, seed: int, drop_sets_share: float) -> list[FollowTask]:
    """The very sessions of a training, a row a second, all listened to from the beginning as those asked about are."""
    return _each(replace(config, row_every_ms=VALIDATION_ROW_EVERY_MS, late_share=0.0), seed, TRAINING, drop_sets_share)


def asked(config: CohortConfig, count: int) -> list[FollowTask]:
    """Sessions as those of validation, of other persons."""
    return _each(replace(config, validation_sessions=count), ASKED_SEED, VALIDATION)


def asked_randomised(config: CohortConfig, count: int) -> list[FollowTask]:
    """The same mixture of families, every person and sensor moved as the domain randomisation of training does."""
    moved = replace(
        config,
        training_sessions=count,
        randomised_share=1.0,
        wandering_share=0.0,
        late_share=0.0,
        duration_s=TEST_DURATION_S,
        row_every_ms=VALIDATION_ROW_EVERY_MS,
        weights=dict(TEST_MIXTURE),
    )
    return _each(moved, RANDOMISED_SEED, TRAINING)


def _each(config: CohortConfig, seed: int, cohort: int, drop_sets_share: float = 0.0) -> list[FollowTask]:
    return [FollowTask(task) for task in tasks_of(config, seed, cohort, drop_sets_share)]


def followed(session: SimulatedSession, rows: SessionRows, recording: str) -> Followed:
    """Targets and truth joined to the rows of one session by their second."""
    targets = targets_of(session)
    second = np.minimum(rows.times_ms // 1_000, len(targets.state) - 1)
    return Followed(
        times_ms=rows.times_ms,
        inputs=compressed(rows.features).astype(np.float16),
        state=targets.state[second],
        state_weight=targets.state_weight[second].astype(np.float16),
        soft_risk=targets.soft_risk[second].astype(np.float32),
        crisis=targets.crisis[second].astype(np.float16),
        safety_weight=targets.safety_weight[second].astype(np.float16),
        latents=session.labels.latents[second].astype(np.float16),
        person=personal(session),
        truth=truth_of(session, recording),
    )


def personal(session: SimulatedSession) -> NDArray[np.float32]:
    """What stays the same for a session's person and sensor, on scales of about 1; from `EDGES_AT` on the two edges."""
    person, sensor = session.person, session.sensor_profile
    others = (
        person.window_edge,
        person.low_edge,
        np.log(person.expressivity),
        np.log(person.liveliness + 1e-3),
        person.mask,
        np.log(person.blink_per_min + 1e-3),
        person.eye_closure,
        np.log(person.head_motion + 1e-6),
        np.log(person.agitation + 1e-6),
        person.heart_per_min / 70.0,
        person.heart_gain / 10.0,
        float(person.has_heart_rate),
        person.glances_per_min,
        person.grimace,
        person.tears_closure,
        person.set_fade,
    )
    gains = (person.channel_gain * person.mask, person.channel_gain / max(person.expressivity, 1e-3))
    sensed = (sensor.noise, np.log(sensor.rate_hz), float(sensor.sent.sum()))
    return np.concatenate((*gains, person.rest, others, np.log(person.tau_s), sensed)).astype(np.float32)
