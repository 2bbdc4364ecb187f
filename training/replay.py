"""In: sessions and a model. Out: the alarms that the service's own perception, model and safety monitor would give.

After a pause somebody looks, and resumes 30 s later: the monitor is told so, as the service tells it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emdr_stream.domain import MODEL_STATES, AlertKind, StateLabel, Thresholds
from emdr_stream.pipeline.features import Features
from emdr_stream.pipeline.safety import SafetyMonitor
from emdr_stream.settings import SafetySettings
from emdr_stream.simulation import CRISES, SimulatedSession
from training.graph import BATCH
from training.rows import rows_of
from training.scoring import Course, TrueEvent

RESUME_AFTER_MS: Final = 30_000
ROW_EVERY_MS: Final = 200
LONGEST_STEP_MS: Final = 2_000
"""Time between two rows beyond this is time in which the service did not see the client."""
HYPOAROUSAL: Final = MODEL_STATES.index(StateLabel.HYPOAROUSAL)

Outputs = tuple[Features, Features, Features, Features]
Model = Callable[[Features], Outputs]
"""Batch (BATCH, N_FEATURES) to states (BATCH, 5), risk (BATCH,), crisis (BATCH,), change (BATCH, 3)."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Probabilities along a session: `times_ms` (n,), `states` (n, 5), `risk`, `crisis` (n,)."""

    times_ms: NDArray[np.int64]
    states: Features
    risk: Features
    crisis: Features


@dataclass(frozen=True, slots=True)
class Alarms:
    """When the monitor wanted something, in seconds: pauses, and advice to the therapist."""

    pauses_s: tuple[float, ...]
    advice_s: tuple[float, ...]


def run_model(model: Model, times_ms: NDArray[np.int64], features: Features) -> Scored:
    """Score any number of rows (n, N_FEATURES) in batches filled up with zeros, as the service does."""
    n = len(features)
    padded = np.zeros((-(-max(n, 1) // BATCH) * BATCH, features.shape[1]), dtype=np.float32)
    padded[:n] = features
    results = [model(padded[start : start + BATCH]) for start in range(0, len(padded), BATCH)]
    states, risk, crisis, _ = (np.concatenate(parts)[:n] for parts in zip(*results, strict=True))
    return Scored(times_ms, states, risk, crisis)


def monitor(scored: Scored, settings: SafetySettings | None = None, thresholds: Thresholds | None = None) -> Alarms:
    """Run the safety monitor over the probabilities of one session."""
    safety = SafetyMonitor(settings or SafetySettings(), thresholds or Thresholds())
    pauses, advice = [], []
    resume_ms: int | None = None
    hypoarousal = scored.states[:, HYPOAROUSAL].tolist()
    stream = zip(scored.risk.tolist(), scored.crisis.tolist(), hypoarousal, scored.times_ms.tolist(), strict=True)
    for risk, crisis, hypo, at_ms in stream:
        if resume_ms is not None and at_ms >= resume_ms:
            safety.resumed(at_ms)
            resume_ms = None
        for decision in safety.update(risk, crisis, hypo, at_ms):
            if decision.over:
                continue
            if decision.kind is AlertKind.HIGH_RISK:
                advice.append(at_ms / 1_000)
            elif resume_ms is None:
                pauses.append(at_ms / 1_000)
                resume_ms = at_ms + RESUME_AFTER_MS
    return Alarms(tuple(pauses), tuple(advice))


def monitored_s(times_ms: NDArray[np.int64]) -> float:
    """Seconds in which the models were heard."""
    return float(np.minimum(np.diff(times_ms), LONGEST_STEP_MS).sum() / 1_000)


@dataclass(frozen=True, slots=True)
class Replayed:
    """One session after its replay, twice: scored by the pauses alone, and by pauses and advice."""

    session: SimulatedSession
    scored: Scored
    pauses: Course
    alarms: Course


def replay(model: Model, sessions: Iterable[SimulatedSession], every_ms: int = ROW_EVERY_MS) -> Iterable[Replayed]:
    """Replay sessions one by one."""
    for session in sessions:
        rows = rows_of(session, every_ms)
        scored = run_model(model, rows.times_ms, rows.features)
        yield replayed(session, scored)


def replayed(session: SimulatedSession, scored: Scored) -> Replayed:
    alarms = monitor(scored)
    both = tuple(sorted((*alarms.pauses_s, *alarms.advice_s)))
    return Replayed(session, scored, _course(session, scored, alarms.pauses_s), _course(session, scored, both))


def _course(session: SimulatedSession, scored: Scored, alarms_s: tuple[float, ...]) -> Course:
    events = tuple(
        TrueEvent(event.onset_s, event.offset_s, event.observable) for event in session.events if event.kind in CRISES
    )
    return Course(session.person_id, session.family, alarms_s, events, monitored_s(scored.times_ms))
