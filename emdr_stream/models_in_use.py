"""Settings in; the models that score now out: the one that decides, its shadow, its drift. Taken up anew on a signal.

A version that is put in use while the service runs replaces the one before between two batches, in every session at
once: what was withdrawn says nothing more, and all that was said since has one name. No socket closes for it.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

from emdr_stream.clock import wall_ms
from emdr_stream.domain import Scores, Source
from emdr_stream.endpoints.cameras import FRAME_MODEL, LandmarksReader, face_models
from emdr_stream.errors import ModelRefused
from emdr_stream.evaluation.gates import missed
from emdr_stream.inference.batch import BATCH_ROWS, BatchPredictor, Onlooker
from emdr_stream.inference.choice import Choice
from emdr_stream.inference.drift import DriftWatch, Reference, read_reference
from emdr_stream.inference.lives import Trial, read_history, read_trials, whose_decision
from emdr_stream.inference.manifest import default_models_dir, read_manifest
from emdr_stream.inference.manifest import read_reference as reference_bytes
from emdr_stream.inference.models import LoadedModel, load_current, load_model
from emdr_stream.inference.promotion import wanted_of
from emdr_stream.inference.shadow import ShadowScorer
from emdr_stream.pipeline.classify import Scored
from emdr_stream.pipeline.features import FEATURE_NAMES
from emdr_stream.session.ports import RecordSink
from emdr_stream.session.registry import SessionRegistry
from emdr_stream.session.runner import SessionRunner
from emdr_stream.settings import ServiceSettings
from emdr_stream.store.base import Record, RecordKind
from emdr_stream.telemetry.model_metrics import ModelMetrics
from emdr_stream.vision.browser import load_shared_faces
from emdr_stream.wire.values import ModelRef

_LOG: Final = logging.getLogger(__name__)
_NOTE_EVERY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class LoadedVersions:
    """What a models folder says is in use, loaded. `told`: what an operator must know of it, empty when all is well."""

    model: LoadedModel
    shadow: LoadedModel | None
    reference: Reference | None
    faces: Mapping[Source, Choice]
    told: str


def load_versions(settings: ServiceSettings) -> LoadedVersions:
    """Blocking, a second. Raises ModelRefused for what decides; a shadow or a reference that is unfit is left out."""
    models_dir = settings.model_dir or default_models_dir()
    model = load_current(models_dir, feature_names=FEATURE_NAMES, batch_rows=BATCH_ROWS)
    told = [_targets_told(models_dir, model)]
    shadow, reference = None, None
    try:
        named = read_trials(models_dir).get(model.name, Trial()).shadow
        if named is not None and named != model.version:
            folder = models_dir / model.name / named
            shadow = load_model(folder, feature_names=FEATURE_NAMES, batch_rows=BATCH_ROWS)
    except ModelRefused as refused:
        told.append(f"the shadow is left out: {refused}")
    try:
        folder = models_dir / model.name / model.version
        data = reference_bytes(folder, read_manifest(folder))
        reference = None if data is None else read_reference(data, FEATURE_NAMES)
    except ModelRefused as refused:
        told.append(f"drift is not watched: {refused}")
    return LoadedVersions(model, shadow, reference, face_models(models_dir), "; ".join(filter(None, told)))


def _targets_told(models_dir: Path, model: LoadedModel) -> str:
    """Which targets the version in use misses, and who has accepted that."""
    metrics = read_manifest(models_dir / model.name / model.version).metrics
    names = [result.name for result in missed(metrics, wanted_of(model.name))]
    whose = whose_decision(read_history(models_dir), model.name, model.version)
    if not names:
        return f"{model.name} {model.version}: {whose}" if whose.startswith("put in use by hand") else ""
    return f"{model.name} {model.version} misses {len(names)} targets ({whose}): {', '.join(names)}"


class ModelsInUse:
    """The models of one worker. `registry`: whose sessions they score."""

    def __init__(
        self,
        settings: ServiceSettings,
        versions: LoadedVersions,
        predictor: BatchPredictor,
        metrics: ModelMetrics,
        records: RecordSink,
        owner: str,
    ) -> None:
        self._settings = settings
        self._predictor = predictor
        self._metrics = metrics
        self._records = records
        self._owner = owner
        self._shadow: ScoredShadow | None = None
        self._drift: DriftWatch | None = None
        self._counted_s = self._noted_s = 0.0
        self._taking = asyncio.Lock()
        self.refused = ""
        """Why what was put in use last is not; empty when it is."""
        self.versions = versions
        self._look_on()

    @property
    def references(self) -> tuple[ModelRef, ...]:
        return (self.versions.model.reference,)

    @property
    def current(self) -> LoadedModel:
        """The version that decides now."""
        return self.versions.model

    @property
    def told(self) -> str:
        return "; ".join(filter(None, (self.refused, self.versions.told)))

    async def take_up(self, registry: SessionRegistry) -> LandmarksReader | None:
        """Load what the models folder names now, and have it score from the next batch on.

        Gives the reader of browsers' face scores. Raises ModelRefused when the present ones stay.
        """
        async with self._taking:
            try:
                versions = await asyncio.to_thread(load_versions, self._settings)
                models_dir = self._settings.model_dir or default_models_dir()
                reader = await asyncio.to_thread(load_shared_faces, models_dir)
                bound = versions.model.graph.bound(BATCH_ROWS)
            except ModelRefused as refused:
                self.refused = f"what was put in use cannot be: {refused}"
                self._metrics.refused()
                _LOG.error("the models put in use are refused: the present ones go on", extra={"problem": str(refused)})
                raise
            self.refused = ""
            self.versions = self._with_present_frames(versions)
            self._predictor.use(bound)
            self._look_on()
            registry.use_models(self.references, self.versions.faces)
            now = self.versions.model
            _LOG.info("the models put in use are taken up", extra={"model": now.name, "version": now.version})
            return reader

    def tick(self, now_s: float) -> None:
        """About once a second: count what was seen, and write it down once a minute."""
        shadow, drift = self._shadow, self._drift
        if shadow is not None:
            self._metrics.shadowed(shadow.rows, shadow.scorer.failures)
        if drift is None:
            return
        drift.count(max(0.0, now_s - self._counted_s))
        self._counted_s = now_s
        found, model = drift.drift(), self.versions.model
        self._metrics.drift(
            model.name,
            outputs=found.outputs,
            inputs=found.inputs,
            limits=(found.outputs_limit, found.inputs_limit),
            sessions=found.sessions,
        )
        if now_s - self._noted_s >= _NOTE_EVERY_S and found.rows:
            self._noted_s = now_s
            fields = {**msgspec.to_builtins(found), "model": model.name, "version": model.version}
            fields |= {"event": "drift", "sha256": model.sha256, "worker": self._owner}
            self._records.offer(Record(RecordKind.MODEL, "", "", 0, wall_ms(), fields))

    # within -------------------------------------------------------------------------------------------------------

    def _look_on(self) -> None:
        """Have the shadow and the drift watched of what is in use now."""
        versions = self.versions
        onlookers: list[Onlooker] = []
        self._shadow = self._drift = None
        if versions.shadow is not None:
            self._shadow = ScoredShadow(versions.model.reference, versions.shadow)
            onlookers.append(self._shadow.scorer)
        self._metrics.drift_unknown()
        if versions.reference is not None:
            self._drift = DriftWatch(versions.reference, FEATURE_NAMES)
            onlookers.append(self._drift)
        self._predictor.use(onlookers=onlookers)
        refs = (versions.model.reference, *(ref for choice in versions.faces.values() for ref in choice.all))
        self._metrics.in_use((ref.name, ref.version, ref.sha256) for ref in refs)

    def _with_present_frames(self, versions: LoadedVersions) -> LoadedVersions:
        """Pictures are read in processes of their own, which keep their model until they are restarted."""
        present, coming = self.versions.faces.get(Source.FRAME), versions.faces.get(Source.FRAME)
        if present == coming:
            return versions
        faces: dict[Source, Choice] = dict(versions.faces)
        faces.pop(Source.FRAME, None)
        if present is not None:
            faces[Source.FRAME] = present
        told = f"{FRAME_MODEL}: another version is put in use, and read when the service is restarted (SIGHUP)"
        return replace(versions, faces=faces, told="; ".join(filter(None, (versions.told, told))))


class ScoredShadow:
    """A version that looks on, and how much it has seen."""

    def __init__(self, beside: ModelRef, model: LoadedModel) -> None:
        """`beside`: the version that decides."""
        self._versions = beside, model.reference
        self.rows = 0
        self.scorer = ShadowScorer(model.graph.bound(BATCH_ROWS), self._tell)

    def _tell(self, asker: Scored, live: Scores, other: Scores | None) -> None:
        self.rows += 1
        if isinstance(asker, SessionRunner) and not asker.fenced:
            asker.outlets.shadowed(live, other, self._versions, asker.now_ms())
