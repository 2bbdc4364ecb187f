"""Checked readings in, each with its time, one observation of what is fresh out."""

from math import dist, exp, inf, pi
from typing import Final

from emdr_stream.domain import MISSING, N_SIGNALS, Observation
from emdr_stream.pipeline.morphcast.readings import NO_EMOTIONS

FIELD_AGE_MS: Final = 1_500.0
"""A field whose reading is older than this is missing: the SDK's modules fall silent when the face is lost."""

HALF_TURN_RAD: Final = pi / 2
_FRONTAL_RAD: Final = 0.35
_PROFILE_RAD: Final = 1.2
_PROFILE_QUALITY: Final = 0.2
# Assumed, no source: a head held still drifts by some 0.05 rad/s, restless turning passes 1 rad/s.
_FULL_MOTION_RAD_S: Final = 1.0
_MOTION_TAU_S: Final = 1.0
_MIN_POSE_STEP_MS: Final = 10.0

_NOTHING: Final = (MISSING,) * N_SIGNALS
VALENCE, AROUSAL, ATTENTION = range(3)

Pose = tuple[float, float, float]


class Fusion:
    """The newest reading of each field; a reading older than what is held changes nothing.

    Times are the client's clock in milliseconds, -inf where nothing was read.
    """

    __slots__ = (
        "_absent",
        "_back_ms",
        "_confidence",
        "_confidence_ms",
        "_crowd_ms",
        "_dimension_ms",
        "_dimensions",
        "_emotion_ms",
        "_emotion_quality",
        "_emotions",
        "_faces",
        "_faces_ms",
        "_motion",
        "_pose",
        "_pose_ms",
        "_pose_quality",
        "_tracked_ms",
    )

    def __init__(self) -> None:
        self._faces: int | None = None
        self._absent = False
        self._faces_ms = self._tracked_ms = self._crowd_ms = self._back_ms = self._confidence_ms = -inf
        self._confidence = 1.0
        self._forget()

    def _forget(self) -> None:
        self._dimensions = [MISSING, MISSING, MISSING]
        self._dimension_ms = [-inf, -inf, -inf]
        self._emotions: tuple[float, ...] = NO_EMOTIONS
        self._emotion_quality = self._pose_quality = 1.0
        self._pose: Pose | None = None
        self._motion = MISSING
        self._emotion_ms = self._pose_ms = -inf

    def observation(self, ts_ms: float) -> Observation:
        """What is fresh at `ts_ms`: nothing while the face is lost, and nothing that was read before it came back."""
        oldest = ts_ms - FIELD_AGE_MS
        faces: int | None = None
        if self._faces_ms >= oldest:
            faces = self._faces
            if faces == 0:
                return Observation(ts_ms, _NOTHING, False, 0, 0.0)
            oldest = max(oldest, self._back_ms)
        present = None if faces is None else True
        if self._crowd_ms >= oldest:
            faces = max(faces or 0, 2)
        motion, quality = MISSING, 1.0
        if self._pose_ms >= oldest:
            motion, quality = self._motion, self._pose_quality
        emotions = NO_EMOTIONS
        if self._emotion_ms >= oldest:
            emotions = self._emotions
            quality *= self._emotion_quality
        if self._confidence_ms >= oldest:
            quality *= self._confidence
        valence, arousal, attention = self._dimensions
        valence_ms, arousal_ms, attention_ms = self._dimension_ms
        values = (
            valence if valence_ms >= oldest else MISSING,
            arousal if arousal_ms >= oldest else MISSING,
            attention if attention_ms >= oldest else MISSING,
            *emotions,
            MISSING,
            MISSING,
            motion,
            MISSING,
        )
        return Observation(ts_ms, values, present, faces, quality)

    def track(self, faces: int | None, at_ms: float) -> None:
        """What the detector counts; None: it has no reading."""
        if at_ms >= self._tracked_ms:
            self._tracked_ms = -inf if faces is None else at_ms
        self._put_faces(faces, at_ms)

    def put_total(self, faces: int, at_ms: float) -> bool:
        """A count that lags behind the detector's, and never speaks against one that is fresh; whether it counts."""
        if self._tracks(at_ms):
            return False
        self._put_faces(faces, at_ms)
        return True

    def put_absence(self, at_ms: float, *, raised: bool) -> bool:
        """The no-face alarm; whether it counts. That it stays up for seconds does not speak against a detector that
        sees the face again."""
        rises, self._absent = raised and not self._absent, raised
        if not raised or (not rises and self._tracks(at_ms)):
            return False
        self._put_faces(0, at_ms)
        return True

    def _tracks(self, at_ms: float) -> bool:
        return self._tracked_ms >= at_ms - FIELD_AGE_MS

    def _put_faces(self, faces: int | None, at_ms: float) -> None:
        """Losing the face forgets all that was read of it."""
        if at_ms < self._faces_ms:
            return
        if faces == 0:
            self._forget()
        elif self._faces == 0:
            self._back_ms = at_ms
        self._faces, self._faces_ms = faces, at_ms

    def put_crowd(self, at_ms: float, *, raised: bool) -> None:
        """The more-faces alarm, kept apart from the detector, which counts to 1 unless the page asked for more."""
        if at_ms >= self._crowd_ms:
            self._crowd_ms = at_ms if raised else -inf

    def put_dimension(self, which: int, value: float, at_ms: float) -> None:
        times = self._dimension_ms
        if at_ms >= times[which]:
            times[which] = at_ms
            self._dimensions[which] = value

    def put_emotions(self, emotions: tuple[float, ...], quality: float, at_ms: float) -> None:
        if at_ms >= self._emotion_ms:
            self._emotions, self._emotion_quality, self._emotion_ms = emotions, quality, at_ms

    def put_confidence(self, confidence: float, at_ms: float) -> None:
        """How far a dialect trusts its own snapshot, 0..1; NaN: it does not say."""
        if at_ms >= self._confidence_ms:
            self._confidence, self._confidence_ms = (confidence if confidence == confidence else 1.0), at_ms

    def put_pose(self, pose: Pose, at_ms: float) -> None:
        """Pitch, roll and yaw in radians; an angle that is NaN makes the pose missing.

        head_motion = min(1, w / 1 rad/s), w the rate of change of (pitch, roll, yaw), averaged with a time constant of
        1 s. The pose's quality falls linearly from 1 at 0.35 rad of yaw or pitch to 0.2 at 1.2 rad.
        """
        step_ms = at_ms - self._pose_ms
        before = self._pose
        if step_ms < 0.0 or (before is not None and step_ms < _MIN_POSE_STEP_MS):
            return
        self._pose_ms = at_ms
        pitch, roll, yaw = pose
        if pitch + roll + yaw != pitch + roll + yaw:
            self._pose, self._motion, self._pose_quality = None, MISSING, 1.0
            return
        self._pose = pose
        turned = (max(abs(yaw), abs(pitch)) - _FRONTAL_RAD) / (_PROFILE_RAD - _FRONTAL_RAD)
        self._pose_quality = 1.0 - (1.0 - _PROFILE_QUALITY) * min(max(turned, 0.0), 1.0)
        self._motion = MISSING if before is None else self._moved(before, pose, step_ms)

    def _moved(self, before: Pose, pose: Pose, step_ms: float) -> float:
        if step_ms > FIELD_AGE_MS:
            return MISSING
        step_s = step_ms / 1000.0
        motion = min(1.0, dist(before, pose) / step_s / _FULL_MOTION_RAD_S)
        if self._motion != self._motion:
            return motion
        kept = exp(-step_s / _MOTION_TAU_S)
        return kept * self._motion + (1.0 - kept) * motion
