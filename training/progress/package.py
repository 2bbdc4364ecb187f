"""In: priors and figures. Out: `models/progress/<version>/` that the service loads, and its place in `current.json`."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final, cast

import msgspec

from emdr_stream.inference.progress_priors import PROGRESS, STORED, LoadedPriors, answers
from emdr_stream.progress.measures import Measure
from emdr_stream.progress.prior import GrowthPrior
from training.package import Json, encoded, put_in_use

_AHEAD: Final = 6
_COURSES: Final[tuple[tuple[str, list[int], list[float]], ...]] = (
    ("pcl5", [0, 1, 2, 3], [52.0, 47.0, 44.0, 25.0]),
    ("pcl5", [0, 4, 8], [40.0, 58.0, 57.0]),
    ("sud", [1, 2, 4], [8.0, 6.0, 3.0]),
    ("sud", [0, 1], [10.0, 0.0]),
    ("voc", [0, 1, 2], [2.0, 3.0, 6.0]),
)

_TARGETS: Final[Json] = [
    {"name": "simulated.pcl5.start.r2", "must": 0.15, "at_least": True},
    {"name": "simulated.pcl5.mid_course.r2", "must": 0.55, "at_least": True},
    {"name": "simulated.pcl5.coverage.inside90", "must": 0.85, "at_least": True},
    {"name": "simulated.pcl5.coverage.outside90", "must": 0.05, "at_least": True},
]


def write_version(
    models: Path, version: str, priors: Mapping[Measure, GrowthPrior], command: str, metrics: dict[str, Json], card: str
) -> Path:
    """Write the version's folder and put it in use; the same arguments give the same bytes."""
    folder = models / PROGRESS / version
    folder.mkdir(parents=True, exist_ok=True)
    table = {measure.value: msgspec.to_builtins(priors[measure]) for measure in Measure}
    data = encoded(cast(dict[str, Json], table))
    sha256 = hashlib.sha256(data).hexdigest()
    vectors = encoded(_vectors(LoadedPriors(version, sha256, priors)), indent=None)
    manifest: dict[str, Json] = {
        "name": PROGRESS,
        "version": version,
        "file": "priors.json",
        "sha256": sha256,
        "vectors": "vectors.json",
        "vectors_sha256": hashlib.sha256(vectors).hexdigest(),
        "inputs": {"measure": [None], "sessions": [None, None], "values": [None, None]},
        "outputs": {"trajectory": [None, _AHEAD, len(STORED)]},
        "training": {"command": command, "data": "simulated courses (training/progress/simulator.py)"},
        "metrics": metrics,
        "targets": _TARGETS,
    }
    (folder / "priors.json").write_bytes(data)
    (folder / "vectors.json").write_bytes(vectors)
    (folder / "manifest.json").write_bytes(encoded(manifest))
    (folder / "CARD.md").write_text(card, encoding="utf-8")
    put_in_use(models, version, PROGRESS)
    return folder


def _vectors(loaded: LoadedPriors) -> dict[str, Json]:
    said = [answers(loaded, measure, sessions, values, _AHEAD).tolist() for measure, sessions, values in _COURSES]
    columns = {
        "measure": [course[0] for course in _COURSES],
        "sessions": [course[1] for course in _COURSES],
        "values": [course[2] for course in _COURSES],
    }
    whole = {"inputs": columns, "outputs": {"trajectory": said}, "tolerance": 1e-4}
    return cast(dict[str, Json], json.loads(json.dumps(whole)))
