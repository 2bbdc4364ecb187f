"""Clips of real speakers in, long streams of them out: as samples or as MorphCast events, calm or with a panic put in.

The clips last one to three seconds, and the data do not tell which of the three speakers is in which: only the news is
named. So clips are joined by what can be seen, news and the bearing of the head (pitch, roll, yaw), into three groups;
where one of them holds two speakers, its stream jumps between faces, which makes it the harder control.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import cycle, islice
from math import degrees, dist, exp
from pathlib import Path
from typing import Any, Final

import numpy as np

from emdr_stream.domain import EMOTIONS
from emdr_stream.simulation import Parameters
from emdr_stream.simulation.dynamics import Floats

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "good news": tuple(f"{clip:03d}" for clip in range(1, 11)),
    "bad news, head bent": ("011", "012", "013", "014", "015", "016", "018"),
    "bad news, head up": ("017", "019", "020"),
}
STEP_MS: Final = 80
"""Every second frame of 25 a second."""

_COLUMNS: Final = {"joy": "happy", "sadness": "sad"}
_SDK_NAMES: Final = {
    "joy": "Happy",
    "sadness": "Sad",
    "anger": "Angry",
    "fear": "Fear",
    "surprise": "Surprise",
    "disgust": "Disgust",
    "neutral": "Neutral",
}
_PANIC_LATENTS: Final = (1.2, -0.8, -0.2, 0.1, 0.0)
"""Activation, valence, engagement, dissociation, drowsiness of the simulator's panic at its height."""
_PANIC_GAIN: Final = 2.5
"""How expressive this face is of them, 1 being the simulator's ordinary one: people who talk show a lot already."""
_PANIC_SHAKE_RAD: Final = 0.03
_PANIC_RISE_S: Final = 8.0
_MOTION_TAU_S: Final = 1.0
_LEAST_PROBABILITY: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Look:
    """One frame of a speaker as Py-Feat read it; emotions sum to 1, pose in radians; `scores`: 52 blendshapes."""

    at_ms: int
    emotions: Mapping[str, float]
    valence: float
    arousal: float
    pose: tuple[float, float, float]
    scores: tuple[float, ...] = ()


def speaker_looks(folder: Path, group: str, duration_s: float) -> list[Look]:
    """The clips of a group joined and repeated for `duration_s` seconds. `folder`: the recordings of the speakers."""
    clips = GROUPS[group]
    with (folder / "frames.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["clip"] in clips]
    count = round(duration_s * 1_000 / STEP_MS)
    return [_look(row, number * STEP_MS) for number, row in enumerate(islice(cycle(rows), count))]


def with_panic(looks: Iterable[Look], onset_s: float) -> list[Look]:
    """The same face with a panic put in: from `onset_s` on it rises within eight seconds, and stays.

    What a panic does to a face is the simulator's table of loadings, added to what the speaker shows; the head shakes.
    """
    shift = np.asarray(Parameters().loadings) @ np.asarray(_PANIC_LATENTS) * _PANIC_GAIN
    rng = np.random.default_rng(0)
    return [
        _shaken(look, shift, rng.normal(0.0, _PANIC_SHAKE_RAD, 3), (look.at_ms / 1_000 - onset_s) / _PANIC_RISE_S)
        for look in looks
    ]


def samples(looks: Iterable[Look], started_ts: float = 0.0) -> Iterator[tuple[int, dict[str, Any]]]:
    """`sample` messages with the time to send each, in milliseconds; how the head moves is read off its pose."""
    motion, before, kept = 0.0, None, exp(-STEP_MS / 1_000 / _MOTION_TAU_S)
    for look in looks:
        turned = 0.0 if before is None else dist(before, look.pose) / (STEP_MS / 1_000)
        motion, before = kept * motion + (1.0 - kept) * min(1.0, turned), look.pose
        yield (
            look.at_ms,
            {
                "type": "sample",
                "ts": started_ts + look.at_ms,
                "emotions": dict(look.emotions),
                "dimensions": {"valence": look.valence, "arousal": look.arousal},
                "signals": {"face_present": True, "head_motion": motion},
            },
        )


def landmarks(looks: Iterable[Look], started_ts: float = 0.0) -> Iterator[tuple[int, dict[str, Any]]]:
    """`landmarks` messages, as a browser's face model would fill them, with the time to send each, in milliseconds."""
    for look in looks:
        pitch, roll, yaw = (degrees(angle) for angle in look.pose)
        yield (
            look.at_ms,
            {
                "type": "landmarks",
                "ts": started_ts + look.at_ms,
                "blendshapes": list(look.scores),
                "pose": {"yaw": yaw, "pitch": pitch, "roll": roll},
            },
        )


def morphcast(looks: Iterable[Look], started_ts: float = 0.0) -> Iterator[tuple[int, dict[str, Any]]]:
    """`morphcast` messages in the shapes of the SDK, with the time to send each, in milliseconds."""
    for look in looks:
        ts = started_ts + look.at_ms
        pitch, roll, yaw = look.pose
        details = {
            "CY_FACE_DETECTOR_RESULT": {
                "rects": [{"x": 41, "y": 30, "width": 92, "height": 92}],
                "status": "TRACK_OK",
                "fullFrameDetection": False,
                "totalFaces": 1,
            },
            "CY_FACE_EMOTION_RESULT": {
                "output": {
                    "dominantEmotion": _SDK_NAMES[max(look.emotions, key=lambda name: look.emotions[name])],
                    "emotion": {_SDK_NAMES[name]: value for name, value in look.emotions.items()},
                }
            },
            "CY_FACE_AROUSAL_VALENCE_RESULT": {
                "output": {"arousal": look.arousal, "valence": look.valence, "quadrant": "", "affects38": {}}
            },
            "CY_FACE_POSE_RESULT": {"output": {"pose": {"pitch": pitch, "roll": roll, "yaw": yaw}}},
        }
        events = [{"type": kind, "detail": detail, "ts": ts} for kind, detail in details.items()]
        yield look.at_ms, {"type": "morphcast", "ts": ts, "events": events}


def _look(row: Mapping[str, str], at_ms: int) -> Look:
    columns = list(row)[list(row).index("_neutral") :]
    read = {name: float(row[_COLUMNS.get(name, name)]) for name in EMOTIONS}
    total = sum(read.values())
    return Look(
        at_ms=at_ms,
        emotions={name: value / total for name, value in read.items()},
        valence=float(row["valence"]),
        arousal=float(row["arousal"]),
        pose=(float(row["pitch"]), float(row["roll"]), float(row["yaw"])),
        scores=tuple(float(row[name]) for name in columns),
    )


def _shaken(look: Look, shift: Floats, shake: Floats, risen: float) -> Look:
    """`shift` (10,): of valence, arousal, attention and seven emotion logits; `risen`: how far, below 0 not at all."""
    share = min(1.0, risen)
    if share <= 0.0:
        return look
    logits = np.log(np.maximum([look.emotions[name] for name in EMOTIONS], _LEAST_PROBABILITY)) + share * shift[3:]
    weights = np.exp(logits - logits.max())
    pitch, roll, yaw = (np.asarray(look.pose) + share * shake).tolist()
    return replace(
        look,
        emotions=dict(zip(EMOTIONS, (weights / weights.sum()).tolist(), strict=True)),
        valence=float(np.clip(look.valence + share * shift[0], -1.0, 1.0)),
        arousal=float(np.clip(look.arousal + share * shift[1], -1.0, 1.0)),
        pose=(pitch, roll, yaw),
    )
