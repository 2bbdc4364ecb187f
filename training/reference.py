"""In: a version of `emotion_safety` and simulated clients. Out: `reference.json`, the bins that drift is told against.

Half of the sessions make the bins. The other half, drawn in groups as large as a service must have seen before it says
anything, tells how far such a group strays by chance alone: the limit below which nothing is called drift. The sessions
are among those that the probabilities were calibrated on, of persons that training never saw.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from emdr_stream.inference.drift import OUTPUTS, Binned, Bins, Limits, Reference, bins_of
from emdr_stream.inference.manifest import MANIFEST
from emdr_stream.pipeline.features import FEATURE_NAMES
from training.config import CohortConfig, TrainingConfig
from training.dataset import VALIDATION, training_cohort
from training.replay import Model, Rows, run_sessions
from training.swift import swift_rows

Table = NDArray[np.float64]

FILE: Final = "reference.json"
ROW_EVERY_MS: Final = 1_000
"""As the service looks: a row a second of each session."""
SESSIONS: Final = 30
"""A service says nothing of drift before it has seen so many begin."""
_MOST: Final = 800
"""Sessions that are looked at: as many as version 5's reference has; more cost time, and groups have thirty."""
_GROUPS: Final = 200
_CHANCE: Final = 95.0


def looked_at(config: TrainingConfig) -> CohortConfig:
    """The cohort whose validation is the sessions that are looked at: the first of them where there are many."""
    cohort = config.cohort
    return replace(cohort, validation_sessions=min(cohort.validation_sessions, _MOST))


def make_reference(
    model: Model, config: TrainingConfig, command: str, progress: Callable[[int], None] | None = None
) -> Reference:
    """Simulate, score and bin. Raises ValueError when there are too few sessions to draw groups from."""
    rows = [
        swift_rows(session, ROW_EVERY_MS)
        for session in training_cohort(looked_at(config), config.seed, VALIDATION, progress)
    ]
    sessions = [each.features for each in rows if len(each.features)]
    if len(sessions) < 4:
        raise ValueError("fewer than 4 sessions have rows: raise `validation_sessions`")
    outputs = outputs_of(model, [(each.times_ms, each.features) for each in rows if len(each.features)])
    half = len(sessions) // 2
    inputs = _bins(np.concatenate(sessions[:half]), FEATURE_NAMES)
    said = _bins(np.concatenate(outputs[:half]), OUTPUTS)
    limits = Limits(
        sessions=SESSIONS,
        inputs=_by_chance(inputs, FEATURE_NAMES, sessions[half:], np.mean),
        outputs=_by_chance(said, OUTPUTS, outputs[half:], np.max),
    )
    return Reference(
        command=command,
        data=f"simulated: {half} sessions for the bins, {len(sessions) - half} for the limits, of untrained persons",
        rows=sum(map(len, sessions[:half])),
        sessions=half,
        limits=limits,
        inputs=inputs,
        outputs=said,
    )


def write_reference(version_dir: Path, reference: Reference) -> None:
    """Write the file, and have the manifest vouch for it."""
    data = msgspec.json.encode(reference) + b"\n"
    (version_dir / FILE).write_bytes(data)
    path = version_dir / MANIFEST
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest |= {"reference": FILE, "reference_sha256": hashlib.sha256(data).hexdigest()}
    path.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def outputs_of(model: Model, sessions: Sequence[Rows]) -> list[Table]:
    """What the model says along sessions, of each [n, len(OUTPUTS)] in their order."""
    said = run_sessions(model, sessions)
    return [np.column_stack([one.risk, one.crisis, one.states, one.change]).astype(np.float64) for one in said]


def _bins(rows: NDArray[np.floating], names: Sequence[str]) -> dict[str, Bins]:
    """Of each figure that varies; the edges to six places, so that the file is small and the same everywhere."""
    table: Table = np.round(np.array(rows, dtype=np.float64), 6).astype(np.float64)
    made = {name: bins_of(table[:, index]) for index, name in enumerate(names)}
    return {name: bins for name, bins in made.items() if bins is not None}


def _by_chance(
    bins: dict[str, Bins],
    names: Sequence[str],
    sessions: Sequence[NDArray[np.floating]],
    summary: Callable[[Table], Table],
) -> float:
    """What groups of sessions of the same population come to, 95 times of 100."""
    rng = np.random.default_rng(0)
    counted = []
    for rows in sessions:
        binned = Binned(bins, names)
        binned.add(rows)
        counted.append(binned.counts)
    counts = np.array(counted)
    found = []
    for _ in range(_GROUPS):
        group = Binned(bins, names)
        group.counts += counts[rng.integers(0, len(counts), SESSIONS)].sum(axis=0)
        found.append(float(summary(group.drift())))
    return round(float(np.percentile(found, _CHANCE)), 4)
