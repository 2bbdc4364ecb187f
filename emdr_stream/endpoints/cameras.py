"""Pictures and browsers' face scores of all sockets in, desks and views out: what a worker has to look at faces with.

A worker may be without it: then sessions of other sources go on, and a `hello` that asks for it is told why.
"""

import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final, Protocol
from weakref import WeakSet

from emdr_stream.domain import Limits, Source
from emdr_stream.endpoints.camera_desk import FRAME_MODEL, CameraDesk
from emdr_stream.endpoints.camera_traffic import CameraTraffic
from emdr_stream.errors import CloseCode, ErrorCode, FatalProtocolError
from emdr_stream.inference.choice import Choice, read_choice
from emdr_stream.session.runner import SessionRunner
from emdr_stream.settings import ServiceSettings
from emdr_stream.telemetry.metrics import Metrics
from emdr_stream.vision.picture import picture_head
from emdr_stream.vision.pool import FacePool
from emdr_stream.vision.pool_settings import FaceSettings
from emdr_stream.wire.face import FaceView
from emdr_stream.wire.stream import Landmarks

LEAST_HZ: Final = 5.0
"""A camera that could not have this rate is not let in: below 3 Hz a signal is degraded."""

LANDMARKS_MODEL: Final = "face_landmarks_expression"


class LandmarksReader(Protocol):
    """Reads what a browser's own face model found."""

    def read(self, message: Landmarks, session_id: str) -> FaceView: ...


class Cameras:
    """Looks after the cameras of one worker; `look` is called about once a second."""

    def __init__(
        self,
        pool: FacePool,
        landmarks: LandmarksReader | None,
        limits: Limits,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._pool = pool
        self._landmarks = landmarks
        self._metrics = metrics
        self._clock = clock
        self._limits = limits
        self.traffic = CameraTraffic(limits.fps, pool.statistics().workers)
        self._looked_s = clock()
        self._desks: WeakSet[CameraDesk] = WeakSet()

    def check(self, source: Source, *, resumes: bool) -> None:
        """Raises FatalProtocolError when a session of this source cannot be taken. Who comes back finds room."""
        if source is Source.LANDMARKS and self._landmarks is None:
            raise _unavailable(source, "its model is not installed")
        if source is not Source.FRAME:
            return
        if self._pool.problem is not None:
            raise _unavailable(source, self._pool.problem)
        if not resumes and not self.traffic.has_room(LEAST_HZ):
            why = "no room for one more camera on this worker: come back later"
            raise FatalProtocolError(ErrorCode.OVERLOADED, why, CloseCode.OVERLOADED)

    def desk(self, runner: SessionRunner) -> CameraDesk | None:
        """A place for the session's pictures, where they may wait for a worker that is starting; None where it sends
        none."""
        if runner.core.facts.source is not Source.FRAME:
            return None
        seat = self._pool.open(runner.session_id)
        inspect = partial(picture_head, limits=self._limits)
        desk = CameraDesk(runner, seat, self.traffic, self._metrics, self._clock, inspect)
        self._desks.add(desk)
        return desk

    def read(self, message: Landmarks, session_id: str) -> FaceView | None:
        """None where the model is missing."""
        return None if self._landmarks is None else self._landmarks.read(message, session_id)

    def use_landmarks(self, reader: LandmarksReader | None) -> None:
        """Read browsers' face scores by these versions from now on."""
        self._landmarks = reader

    def look(self) -> None:
        """Share the workers' time anew, and bring the gauges up to date."""
        now = self._clock()
        passed_s, self._looked_s = now - self._looked_s, now
        seen, traffic = self._pool.statistics(), self.traffic
        # One that has just died comes back within moments: no reason to slow all cameras down.
        traffic.workers = seen.workers
        if passed_s > 0:
            traffic.look(passed_s)
        for desk in tuple(self._desks):
            desk.check(now)
        self._metrics.faces(
            workers=seen.ready,
            restarts=seen.restarts,
            depth=seen.waiting,
            busy_share=seen.busy_share,
            cameras=len(traffic.cameras),
            rate_hz=traffic.rate_hz,
        )


def face_models(models_dir: Path, sources: Iterable[Source] = (Source.FRAME, Source.LANDMARKS)) -> dict[Source, Choice]:
    """Whose model reads the faces of these sources, of those that are there. Raises ModelRefused."""
    names = {Source.FRAME: FRAME_MODEL, Source.LANDMARKS: LANDMARKS_MODEL}
    found = {source: read_choice(models_dir, names[source]) for source in sources}
    return {source: model for source, model in found.items() if model is not None}


def face_settings(settings: ServiceSettings) -> FaceSettings:
    """How a worker's face processes are started: by default they and the workers share the processors."""
    workers = settings.server.workers
    spare = ((os.cpu_count() or 1) - workers) // workers
    return FaceSettings(
        size=settings.face_workers or max(1, spare),
        limits=settings.session.limits,
        landmarker_file=settings.landmarker_file,
        models_dir=settings.model_dir,
    )


def _unavailable(source: Source, why: str) -> FatalProtocolError:
    return FatalProtocolError(
        ErrorCode.SOURCE_UNAVAILABLE,
        f"the source `{source}` is not available here ({why}): send `emotion` or `morphcast`",
        CloseCode.FORBIDDEN,
        param="source",
    )
