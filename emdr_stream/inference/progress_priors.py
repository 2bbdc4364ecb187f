"""A folder of the model `progress` goes in, priors that were checked and tried on stored courses come out.

The model is a table of numbers and no graph: what stands in `priors.json` is what `emdr_stream.progress` starts from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from emdr_stream.errors import ModelRefused
from emdr_stream.inference.manifest import CURRENT, current_versions, read_graph_vectors, read_manifest, read_model
from emdr_stream.progress.course import Course
from emdr_stream.progress.forecast import Forecast, NotEnoughData, forecast
from emdr_stream.progress.measures import SCALES, Floats, Measure
from emdr_stream.progress.prior import GrowthPrior

PROGRESS: Final = "progress"
STORED: Final = ("low90", "low50", "median", "high50", "high90")
"""What the stored answers hold of each session ahead."""


@dataclass(frozen=True, slots=True)
class LoadedPriors:
    """Priors that may be used, with the identity that is told beside each forecast."""

    version: str
    sha256: str
    priors: Mapping[Measure, GrowthPrior]

    def forecast(self, course: Course, horizon: int) -> Forecast | NotEnoughData:
        """As emdr_stream.progress.forecast, with this version's prior."""
        return forecast(course, SCALES[course.measure], self.priors[course.measure], horizon)


def load_current_priors(models_dir: Path) -> LoadedPriors:
    """The version that `current.json` names. Raises ModelRefused, as load_priors does."""
    version = current_versions(models_dir).get(PROGRESS)
    if version is None:
        raise ModelRefused(f'{models_dir / CURRENT} names no version of {PROGRESS}: add "{PROGRESS}": "<version>"')
    return load_priors(models_dir / PROGRESS / version)


def load_priors(version_dir: Path) -> LoadedPriors:
    """Check, read and try one version. Raises ModelRefused, which names the file and the mend."""
    manifest = read_manifest(version_dir)
    path = version_dir / manifest.file
    try:
        priors = msgspec.json.decode(read_model(version_dir, manifest), type=dict[Measure, GrowthPrior])
    except (msgspec.DecodeError, UnicodeError) as problem:
        raise ModelRefused(f"{path} is malformed ({problem}): restore it from the release") from None
    missing = [measure.value for measure in Measure if measure not in priors]
    if missing:
        raise ModelRefused(f"{path} has no prior of {', '.join(missing)}: write it anew (python -m training progress)")
    loaded = LoadedPriors(manifest.version, manifest.sha256, priors)
    vectors = read_graph_vectors(version_dir, manifest)
    _try(version_dir / manifest.vectors, loaded, vectors.inputs, vectors.outputs, vectors.tolerance)
    return loaded


def answers(loaded: LoadedPriors, measure: str, sessions: list[int], values: list[float], horizon: int) -> Floats:
    """What is stored of one course (horizon, len(STORED))."""
    course = Course(Measure(measure), "", tuple(sessions), tuple(values))
    said = loaded.forecast(course, horizon)
    if isinstance(said, NotEnoughData):
        raise ValueError(said.detail)
    return np.array([[getattr(ahead, name) for name in STORED] for ahead in said.trajectory])


def _try(
    path: Path, loaded: LoadedPriors, inputs: dict[str, list[Any]], outputs: dict[str, list[Any]], tolerance: float
) -> None:
    try:
        rows = zip(inputs["measure"], inputs["sessions"], inputs["values"], outputs["trajectory"], strict=True)
        for measure, sessions, values, wanted in rows:
            stored = np.array(wanted, np.float64)
            said = answers(loaded, measure, sessions, values, len(stored))
            difference = float(np.abs(said - stored).max())
            if not difference <= tolerance:
                raise ModelRefused(
                    f"{path}: `trajectory` differs from what is stored by {difference:.2g}, more than {tolerance:g}: "
                    "these priors are not those of this version of the service; use the model that came with it"
                )
    except (KeyError, ValueError, TypeError, IndexError):
        raise ModelRefused(f"{path} is no table of courses and trajectories: write it anew") from None
