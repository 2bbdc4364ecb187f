"""In: probabilities along a session. Out: the alarms that the service's own safety monitor would give of them.

For choosing thresholds on validation, where a thousand of them are tried on the same probabilities. What is reported
comes from the whole service (`training/evaluation/`). After a pause somebody looks, and resumes 30 s later.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emdr_stream.domain import MEMORY_UNITS, MODEL_STATES, AlertKind, StateLabel, Thresholds
from emdr_stream.inference.batch import Said
from emdr_stream.pipeline.features import Features
from emdr_stream.pipeline.memory import Memory
from emdr_stream.pipeline.safety import SafetyMonitor
from emdr_stream.settings import SafetySettings
from training.graph import BATCH

RESUME_AFTER_MS: Final = 30_000
HYPOAROUSAL: Final = MODEL_STATES.index(StateLabel.HYPOAROUSAL)

Model = Callable[[Features, Features], Said]
"""Features (BATCH, N_FEATURES) and what is remembered (BATCH, MEMORY_UNITS) to what it says of them."""
Rows = tuple[NDArray[np.int64], Features]
"""Of a session: times (n,) and features (n, N_FEATURES)."""


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
    """Score the rows (n, N_FEATURES) of one session."""
    (said,) = run_sessions(model, [(times_ms, features)])
    return Scored(times_ms, said.states, said.risk, said.crisis)


def run_sessions(model: Model, sessions: Sequence[Rows]) -> list[Said]:
    """What a model says along sessions, without what it remembers, which is kept as the service keeps it.

    The sessions go side by side, in batches filled up with zeros.
    """
    found: list[Said] = []
    for start in range(0, len(sessions), BATCH):
        found += _side_by_side(model, sessions[start : start + BATCH])
    return found


def _side_by_side(model: Model, sessions: Sequence[Rows]) -> list[Said]:
    """At most BATCH sessions."""
    # One step at least: its answers have the shapes where no session has a row.
    longest = max(1, *(len(times_ms) for times_ms, _ in sessions))
    features = np.zeros((longest, BATCH, sessions[0][1].shape[1]), dtype=np.float32)
    for place, (_, rows) in enumerate(sessions):
        features[: len(rows), place] = rows
    remembered = np.zeros((BATCH, MEMORY_UNITS), dtype=np.float32)
    memories = [Memory(partial(np.copyto, remembered[place], casting="same_kind")) for place in range(len(sessions))]
    times = [times_ms.tolist() for times_ms, _ in sessions]
    said: list[Said] = []
    for number in range(longest):
        due = [(place, at[number]) for place, at in enumerate(times) if number < len(at)]
        due = [(place, at_ms) for place, at_ms in due if memories[place].mark(at_ms)]
        one = model(features[number], remembered)
        for place, at_ms in due:
            memories[place].step(b"" if one.memory is None else one.memory[place].tobytes(), at_ms)
        said.append(Said(*(part.copy() for part in one[:4])))
    together = [np.stack(parts) for parts in zip(*(each[:4] for each in said), strict=True)]
    return [Said(*(part[: len(at), place] for part in together)) for place, at in enumerate(times)]


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
