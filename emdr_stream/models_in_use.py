"""Settings in; the models that score now out: the one that decides, its shadow, its drift. Taken up anew on a signal.

A version that is put in use while the service runs replaces the one before between two batches, in every session at
once: what was withdrawn says nothing more, and all that was said since has one name. No socket closes for it. What
reads pictures is loaded in every face worker first, while the version before it goes on.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

import msgspec

from emdr_stream.clock import wall_ms
from emdr_stream.domain import Scores, Source
from emdr_stream.endpoints.camera_desk import FRAME_MODEL
from emdr_stream.endpoints.cameras import LandmarksReader, face_models
from emdr_stream.errors import ModelRefused
from emdr_stream.evaluation.gates import missed
from emdr_stream.inference.batch import BATCH_ROWS, BatchPredictor, Onlooker
from emdr_stream.inference.choice import Choice, read_choice
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
from emdr_stream.session.standing import Standing
from emdr_stream.settings import ServiceSettings
from emdr_stream.store.base import Record, RecordKind
from emdr_stream.telemetry.model_metrics import ModelMetrics
from emdr_stream.vision.browser import load_shared_faces
from emdr_stream.wire.values import ModelRef

_LOG: Final = logging.getLogger(__name__)
_NOTE_EVERY_S: Final = 60.0
_LOOK_AGAIN_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class LoadedVersions:
    """What a models folder says is in use, loaded. `told`: what an operator must know of it, empty when all is well."""

    model: LoadedModel
    shadow: LoadedModel | None
    reference: Reference | None
    faces: Mapping[Source, Choice]
    told: str


class PictureReaders(Protocol):
    """The processes that read pictures."""

    async def load(self, readers: Sequence[ModelRef]) -> str | None:
        """Have all of them load these versions beside those in use. Why one cannot; None when all have."""

    def use(self, readers: Sequence[ModelRef]) -> None:
        """From now on these are in use, and no others stay in memory."""

    def refused(self, reader: ModelRef) -> str | None:
        """Why one of them has no such version; None when all have, as far as is known."""


def load_versions(
    settings: ServiceSettings, faces: Iterable[Source] = (Source.FRAME, Source.LANDMARKS)
) -> LoadedVersions:
    """Blocking, a second. `faces`: for which sources to look whose model reads their faces.

    Raises ModelRefused for what decides; a shadow or a reference that is unfit is left out.
    """
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
    return LoadedVersions(model, shadow, reference, face_models(models_dir, faces), "; ".join(filter(None, told)))


def _targets_told(models_dir: Path, model: LoadedModel) -> str:
    """Which targets the version in use misses, and who has accepted that."""
    metrics = read_manifest(models_dir / model.name / model.version).metrics
    names = [result.name for result in missed(metrics, wanted_of(model.name))]
    whose = whose_decision(read_history(models_dir), model.name, model.version)
    if not names:
        return f"{model.name} {model.version}: {whose}" if whose.startswith("put in use by hand") else ""
    targets = "target" if len(names) == 1 else "targets"
    return f"{model.name} {model.version} misses {len(names)} {targets} ({whose}): {', '.join(names)}"


class ModelsInUse:
    """The models of one worker. `registry`: whose sessions they score."""

    def __init__(
        self,
        settings: ServiceSettings,
        versions: LoadedVersions,
        predictor: BatchPredictor,
        pictures: PictureReaders,
        metrics: ModelMetrics,
        records: RecordSink,
        owner: str,
        standing: Standing,
    ) -> None:
        self._settings = settings
        self._models_dir = settings.model_dir or default_models_dir()
        self._predictor = predictor
        self._pictures = pictures
        self._metrics = metrics
        self._records = records
        self._owner = owner
        self._standing = standing
        self._shadow: ScoredShadow | None = None
        self._drift: DriftWatch | None = None
        self._watched: LoadedVersions | None = None
        self._counted_s = self._noted_s = 0.0
        self._taking = asyncio.Lock()
        self.refused = ""
        """Why what was put in use last is not; empty when it is."""
        self.taken_up = 0
        """How often the folder was to be read anew: who reads it when asked reads it anew, too."""
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
        """Load what the models folder names now, and have it score from the next batch on, and read the next pictures.

        Gives the reader of browsers' face scores. Raises ModelRefused when the present ones stay. What cannot read
        pictures keeps no other model back: of pictures, the present one stays.
        """
        async with self._taking:
            self.taken_up += 1
            try:
                versions = await asyncio.to_thread(load_versions, self._settings, (Source.LANDMARKS,))
                reader = await asyncio.to_thread(load_shared_faces, self._models_dir)
                bound = versions.model.graph.bound(BATCH_ROWS)
            except ModelRefused as refused:
                self._refuse(f"what was put in use cannot be: {refused}")
                raise
            self.refused = ""
            frames = await self._coming_frames()
            # What waits was read by the present versions, and has its answer before it is told of others. A worker that
            # has just stood still holds these answers back, too: what the present version remembers is not the next's.
            self._predictor.finish()
            while self._standing.held:
                await asyncio.sleep(_LOOK_AGAIN_S)  # the end of a doubt sets no event
                self._predictor.finish()
            # From the last of these on in one turn of the loop.
            self.versions = _with_frames(versions, frames)
            self._predictor.use(bound)
            self._pictures.use(() if frames is None else frames.all)
            self._tell(registry)
            return reader

    def check_pictures(self, registry: SessionRegistry) -> None:
        """About once a second: a share is over whose version a process that began since has not. Nobody is to be told
        the name of a version that does not read."""
        choice = self.versions.faces.get(Source.FRAME)
        if choice is None or choice.other is None or self._taking.locked() or self._standing.held:
            return
        problem = self._pictures.refused(choice.other)
        if problem is not None:
            self._refuse(f"{FRAME_MODEL} {choice.other.version} has no share: {problem}")
            self._predictor.finish()
            self.versions = _with_frames(self.versions, Choice(choice.current))
            self._pictures.use((choice.current,))
            self._tell(registry)

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

    async def _coming_frames(self) -> Choice | None:
        """Who is to read pictures, loaded by every process that does; the present one where that cannot be."""
        try:
            coming = await asyncio.to_thread(read_choice, self._models_dir, FRAME_MODEL)
            problem = await self._pictures.load(() if coming is None else coming.all)
        except ModelRefused as refused:
            coming, problem = None, str(refused)
        if problem is None:
            return coming
        self._refuse(f"{FRAME_MODEL}: what was put in use cannot be: {problem}")
        return self.versions.faces.get(Source.FRAME)

    def _refuse(self, why: str) -> None:
        self.refused = why
        self._metrics.refused()
        _LOG.error("models put in use are refused: the present ones go on", extra={"problem": why})

    def _tell(self, registry: SessionRegistry) -> None:
        """Every session of the versions that speak now."""
        self._look_on()
        registry.use_models(self.references, self.versions.faces)
        models = [*self.references, *(ref for choice in self.versions.faces.values() for ref in choice.all)]
        told = ", ".join(f"{model.name} {model.version}" for model in models)
        _LOG.info("the models put in use are taken up", extra={"models": told})

    def _look_on(self) -> None:
        """Have the shadow and the drift watched of what is in use now; what is the same as before goes on."""
        versions, before = self.versions, self._watched
        self._watched = versions
        if before is not None and before.model.reference != versions.model.reference:
            before = None
        if before is None or _named(before.shadow) != _named(versions.shadow):
            shadow = versions.shadow
            self._shadow = None if shadow is None else ScoredShadow(versions.model.reference, shadow)
        # A reference may be drawn anew for the same model (`python -m training reference`).
        if before is None or before.reference != versions.reference:
            self._metrics.drift_unknown()
            self._drift = None if versions.reference is None else DriftWatch(versions.reference, FEATURE_NAMES)
        onlookers: list[Onlooker] = [] if self._shadow is None else [self._shadow.scorer]
        if self._drift is not None:
            onlookers.append(self._drift)
        self._predictor.use(onlookers=onlookers)
        refs = (versions.model.reference, *(ref for choice in versions.faces.values() for ref in choice.all))
        self._metrics.in_use((ref.name, ref.version, ref.sha256) for ref in refs)


def _named(model: LoadedModel | None) -> ModelRef | None:
    return None if model is None else model.reference


def _with_frames(versions: LoadedVersions, frames: Choice | None) -> LoadedVersions:
    faces: dict[Source, Choice] = dict(versions.faces)
    faces.pop(Source.FRAME, None)
    if frames is not None:
        faces[Source.FRAME] = frames
    return replace(versions, faces=faces)


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
