"""In: the service's settings and folders. Out: a new version, registered as a candidate, or a word why there is none.

A safety model is never deployed from here: a person promotes it. Another model is deployed where its targets hold and
it is better by more than 5 % on the same people, surely not worse.
"""

import json
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from emdr_stream.cli.model_list import read_drift
from emdr_stream.cli.model_steps import Registry
from emdr_stream.clock import wall_ms
from emdr_stream.environment import Environment, data_dir_of
from emdr_stream.evaluation.gates import gates
from emdr_stream.inference.lives import Step
from emdr_stream.inference.manifest import MANIFEST, current_versions, default_models_dir, read_manifest, versions_of
from emdr_stream.inference.promotion import Deviation, PromotionRefused, is_safety, wanted_of
from emdr_stream.lines import open_own, try_lock
from training.config import DEFAULT_PATH, load_config
from training.dataset import Dataset
from training.evaluation.command import write_beside
from training.evaluation.pages import card
from training.evaluation.plan import QUICK, Plan
from training.evaluation.protocol import Protocol
from training.package import NAME, Record
from training.retrain.config import RetrainConfig
from training.retrain.improvement import improvement
from training.retrain.recorded import consented, recorded_datasets
from training.retrain.trigger import Remembered, Seen, read_remembered, reasons, write_remembered
from training.run import Progress, Silence, train

_REMEMBERED: Final = "retrain.json"
_LOCK: Final = "retrain.lock"


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where a retraining finds and leaves things. `training_config`: of the training itself; `data`: folder of real
    recordings for the evaluation's controls, which count as not measured without it."""

    environment: Environment
    config: RetrainConfig
    recordings: Path | None = None
    data: Path | None = None
    training_config: Path = DEFAULT_PATH
    quick: bool = False

    @property
    def models_dir(self) -> Path:
        return self.environment.model_dir or default_models_dir()

    @property
    def data_dir(self) -> Path:
        return data_dir_of(self.environment)

    @property
    def registry(self) -> Registry:
        return Registry(self.models_dir, self.environment)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it, as the task's result has it."""

    model: str
    reasons: tuple[str, ...]
    version: str | None = None
    missed: tuple[str, ...] = ()
    deployed: bool = False
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Recipe(typing.Protocol):
    """How one model is trained anew, and told from the version in use."""

    @property
    def name(self) -> str: ...

    def train(self, workplace: Workplace, version: str, progress: Progress) -> None:
        """Write the version's folder, with its metrics; put nothing in use."""

    def by_person(self, workplace: Workplace, version: str) -> Mapping[str, float]:
        """A figure for each person that no training saw, larger being better; empty where there is none to compare."""


@dataclass(frozen=True, slots=True)
class EmotionSafety:
    """The model of the hot path, on the simulator and on labelled recordings of consenting clients."""

    name: str = NAME

    def train(self, workplace: Workplace, version: str, progress: Progress) -> None:
        config = load_config(workplace.training_config, quick=workplace.quick)
        extra: list[Dataset] = []
        if workplace.recordings is not None:
            truths = consented(workplace.recordings)
            progress.begin("replaying recordings", len(truths))
            extra = recorded_datasets(workplace.recordings, truths, progress.reach)
        record = Record(version, "python -m training retrain", config.seed, "")
        folder = train(config, workplace.models_dir, record, progress, extra=extra, use=False)
        self._evaluate(workplace, folder, progress)

    def _evaluate(self, workplace: Workplace, folder: Path, progress: Progress) -> None:
        """On the test sets of the release, in this process: a worker's own may have no children."""
        count = workplace.config.test_sessions
        plan = QUICK if workplace.quick else Plan(ablation_sessions=0, constant_sessions=0).of(count)
        plan = replace(plan, processes=1)
        evaluation = Protocol(folder, plan, progress).run(workplace.data).evaluation
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        how = "--quick" if workplace.quick else f"--sessions {count}"
        command = f"python -m training evaluate --version {folder.name} {how}"
        write_beside(folder, manifest, evaluation, card(manifest, evaluation, command, plan.resume_after_s))

    def by_person(self, workplace: Workplace, version: str) -> Mapping[str, float]:
        return {}


def look(
    workplace: Workplace,
    recipe: Recipe | None = None,
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> Outcome:
    """Train anew where there is a reason to. At most one at a time: a second one says so and does nothing."""
    chosen = recipe or EmotionSafety()
    workplace.data_dir.mkdir(parents=True, exist_ok=True)
    descriptor = open_own(workplace.data_dir / _LOCK)
    with open(descriptor, "rb"):
        if not try_lock(descriptor):
            return Outcome(chosen.name, (), why="another retraining runs")
        return _look(workplace, chosen, force, progress or Silence())


def _look(workplace: Workplace, recipe: Recipe, force: bool, progress: Progress) -> Outcome:
    path = workplace.data_dir / _REMEMBERED
    remembered, seen = read_remembered(path), _seen(workplace, recipe.name)
    found = reasons(workplace.config, seen, remembered)
    if force:
        found.append("somebody asked for it")
    if not found:
        return Outcome(recipe.name, (), why="no reason to train anew")
    version = _next_version(workplace.models_dir, recipe.name)
    recipe.train(workplace, version, progress)
    outcome = _register(workplace, recipe, version, found)
    drift = seen.version if any("drifted" in why for why in found) else remembered.drifted
    write_remembered(path, Remembered(recordings=tuple(sorted(seen.recordings)), drifted=drift))
    return outcome


def _register(workplace: Workplace, recipe: Recipe, version: str, found: list[str]) -> Outcome:
    """Note the candidate, and deploy it where a program may."""
    registry = workplace.registry
    manifest = read_manifest(workplace.models_dir / recipe.name / version)
    current = current_versions(workplace.models_dir).get(recipe.name)
    present = None if current is None else read_manifest(workplace.models_dir / recipe.name / current)
    wanted = wanted_of(recipe.name, present, manifest)
    missed = tuple(result.name for result in gates(manifest.metrics, wanted) if not result.passed)
    registry.register(
        Step(
            ts_ms=wall_ms(),
            action="register",
            model=recipe.name,
            version=version,
            former=current,
            sha256=manifest.sha256,
            by="retraining",
            reason="; ".join(found)[:500],
            missed=missed,
        )
    )
    if is_safety(recipe.name):
        why = "a safety model: a candidate until a person promotes it (`emdr-stream models promote`)"
        return Outcome(recipe.name, tuple(found), version, missed, deployed=False, why=why)
    deployed, why = _deploy(workplace, recipe, version, current)
    return Outcome(recipe.name, tuple(found), version, missed, deployed, why)


def _deploy(workplace: Workplace, recipe: Recipe, version: str, current: str | None) -> tuple[bool, str]:
    if current is not None:
        try:
            better = improvement(recipe.by_person(workplace, current), recipe.by_person(workplace, version))
        except ValueError as problem:
            return False, f"not deployed: {problem}"
        if not better.suffices(workplace.config.improvement):
            return False, f"not deployed: {better}, more than {workplace.config.improvement:.0%} asked, surely above 0"
        why = f"deployed: {better}"
    else:
        why = "deployed: there was none before"
    try:
        workplace.registry.promote(recipe.name, version, Deviation(), None)
    except PromotionRefused as refused:
        return False, f"not deployed: {'; '.join(refused.reasons)}"
    return True, why


def _seen(workplace: Workplace, name: str) -> Seen:
    recordings = [] if workplace.recordings is None else consented(workplace.recordings)
    version = current_versions(workplace.models_dir).get(name, "")
    row = (read_drift(workplace.environment) or {}).get((name, version))
    return Seen([truth.recording for truth in recordings], version, None if row is None else row.fields)


def _next_version(models_dir: Path, name: str) -> str:
    """One more than the highest number there is, taken or not."""
    numbers = [int(version) for version in versions_of(models_dir, name) if version.isdigit()]
    return str(max(numbers, default=0) + 1)
