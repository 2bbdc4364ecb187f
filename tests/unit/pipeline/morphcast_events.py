"""SDK events in every documented shape, with invented numbers, and what an adapter makes of them, for its tests."""

from typing import Any

from emdr_stream.domain import N_SIGNALS, SIGNALS, Observation
from emdr_stream.pipeline.morphcast import MorphcastAdapter
from emdr_stream.wire.stream import Morphcast, MorphcastEvent

T0 = 1_750_000_000_000.0
SAD = {"Angry": 0.03, "Disgust": 0.01, "Fear": 0.12, "Happy": 0.02, "Sad": 0.51, "Surprise": 0.04, "Neutral": 0.27}
TRACKED = {"rects": [{"x": 41, "y": 30, "width": 92, "height": 92}], "status": "TRACK_OK", "totalFaces": 1}
LOST = {"rects": [], "status": "RECOVERING", "fullFrameDetection": True, "totalFaces": 1}


def detector(detail: dict[str, Any]) -> tuple[str, Any]:
    return "CY_FACE_DETECTOR_RESULT", detail


def emotion(scores: Any) -> tuple[str, Any]:
    return "CY_FACE_EMOTION_RESULT", {"output": {"dominantEmotion": "Sad", "emotion": scores}}


def arousal_valence(arousal: Any, valence: Any) -> tuple[str, Any]:
    return "CY_FACE_AROUSAL_VALENCE_RESULT", {"output": {"arousal": arousal, "valence": valence, "quadrant": "x"}}


def attention(value: Any) -> tuple[str, Any]:
    return "CY_FACE_ATTENTION_RESULT", {"output": {"attention": value}}


def pose(pitch: Any = 0.0, roll: Any = 0.0, yaw: Any = 0.0) -> tuple[str, Any]:
    return "CY_FACE_POSE_RESULT", {"output": {"pose": {"pitch": pitch, "roll": roll, "yaw": yaw}}}


def message(at_ms: float, *events: tuple[Any, ...], context: dict[str, Any] | None = None) -> Morphcast:
    return Morphcast(
        ts=T0 + at_ms,
        events=[MorphcastEvent(type=e[0], detail=e[1], ts=T0 + e[2] if len(e) > 2 else None) for e in events],
        context=context,
    )


def seen(adapter: MorphcastAdapter, at_ms: float, *events: tuple[Any, ...]) -> Observation:
    observation = adapter.feed(message(at_ms, *events))
    assert observation is not None
    assert len(observation.values) == N_SIGNALS
    return observation


def values(observation: Observation) -> dict[str, float]:
    """What is not missing, by name."""
    return {name: value for name, value in zip(SIGNALS, observation.values, strict=True) if value == value}
