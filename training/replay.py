"""In: probabilities along a session. Out: the alarms that the service's own safety monitor would give of them.

For choosing thresholds on validation, where a thousand of them are tried on the same probabilities. What is reported
comes from the whole service (`training/evaluation/`). After a pause somebody looks, and resumes 30 s later.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emdr_stream.domain import MODEL_STATES, AlertKind, StateLabel, Thresholds
from emdr_stream.pipeline.features import Features
from emdr_stream.pipeline.safety import SafetyMonitor
from emdr_stream.settings import SafetySettings
from training.graph import BATCH

RESUME_AFTER_MS: Final = 30_000
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
