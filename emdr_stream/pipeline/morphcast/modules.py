"""One SDK event's payload in, readings put into the fusion: one function per module, and the table of event names.

A reader returns whether its event says anything about the client. Age, gender, face features and pictures are dropped
here unread. Affects, quadrant and the dominant emotion repeat what the numbers say and are left out.
"""

from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final

from emdr_stream.domain import EMOTIONS
from emdr_stream.pipeline.morphcast.fusion import AROUSAL, ATTENTION, HALF_TURN_RAD, VALENCE, Fusion
from emdr_stream.pipeline.morphcast.readings import (
    SDK_EMOTIONS,
    SUM_TOLERANCE,
    MorphcastCounters,
    alarm_flag,
    averages,
    emotion_vector,
    number,
    output_of,
)

Detail = dict[Any, Any]
Reader = Callable[[Fusion, Detail, float, MorphcastCounters], bool]

_MAX_FACES: Final = 64.0
_IN_OUR_ORDER: Final = itemgetter(*SDK_EMOTIONS)
_SEVEN_FLOATS: Final = [float] * len(EMOTIONS)
_AGGREGATED_DIMENSIONS: Final = {
    "valence": VALENCE,
    "arousalvalence_valence": VALENCE,
    "arousal": AROUSAL,
    "arousalvalence_arousal": AROUSAL,
    "attention": ATTENTION,
}
_LOWEST: Final = (-1.0, -1.0, 0.0)
_AGGREGATED_EMOTIONS: Final = {f"emotion_{name.casefold()}": name for name in SDK_EMOTIONS}
PRIVATE: Final = ("age", "gender", "features", "numericage", "faces")
"""Beginnings of the names, in any case, under which the SDK tells of the person: guesses at who, and pictures of it."""
_LEFT_OUT: Final = ("affects", "dominant", "positivity", "wish", "quadrant", "pose", "rawemotion", "alarm")


def read_detector(fusion: Fusion, detail: Detail, at_ms: float, counters: MorphcastCounters) -> bool:
    """The rectangles decide: `totalFaces` is smoothed by the SDK and still says 1 when the face has gone."""
    if "faces" in detail:
        counters.dropped_private += 1
    rects, status, total = detail.get("rects"), detail.get("status"), detail.get("totalFaces")
    seen: int | None = None
    if rects.__class__ is list:
        seen = len(rects)
    elif rects is not None:
        counters.rejected_fields += 1
    smoothed = 1 if total == 1 else _face_count(total, counters)
    if status == "RECOVERING":
        seen = 0
    elif seen is None:
        seen = smoothed or 1 if status == "TRACK_OK" else smoothed
    elif seen and smoothed is not None and smoothed > seen:
        seen = smoothed
    fusion.track(seen, at_ms)
    return True


def _face_count(total: object, counters: MorphcastCounters) -> int | None:
    count = number(total, 0.0, _MAX_FACES, counters)
    return None if count != count else round(count)


def read_emotion(fusion: Fusion, detail: Detail, at_ms: float, counters: MorphcastCounters) -> bool:
    scores = output_of(detail).get("emotion")
    seven = _usual_vector(scores) if scores.__class__ is dict else None
    if seven is None:
        fusion.put_emotions(*emotion_vector(scores, counters), at_ms)
    else:
        fusion.put_emotions(seven, 1.0, at_ms)
    return True


def _usual_vector(scores: Detail) -> tuple[float, ...] | None:
    """The usual case, checked at once; None: look at the scores one by one."""
    try:
        seven: tuple[float, ...] = _IN_OUR_ORDER(scores)
    except KeyError:
        return None
    if [*map(type, seven)] != _SEVEN_FLOATS or min(seven) < 0.0 or max(seven) > 1.0:
        return None
    return seven if abs(sum(seven) - 1.0) <= SUM_TOLERANCE else None


def _put_dimension(
    fusion: Fusion, which: int, value: object, low: float, at_ms: float, counters: MorphcastCounters
) -> None:
    if value.__class__ is not float or not low <= value <= 1.0:
        value = number(value, low, 1.0, counters)
    fusion.put_dimension(which, value, at_ms)


def read_arousal_valence(fusion: Fusion, detail: Detail, at_ms: float, counters: MorphcastCounters) -> bool:
    output = output_of(detail)
    if "arousalvalence" in output:  # up to SDK 1.15
        output = _map_at(output, "arousalvalence", counters)
    _put_dimension(fusion, VALENCE, output.get("valence"), -1.0, at_ms, counters)
    _put_dimension(fusion, AROUSAL, output.get("arousal"), -1.0, at_ms, counters)
    return True


def read_attention(fusion: Fusion, detail: Detail, at_ms: float, counters: MorphcastCounters) -> bool:
    _put_dimension(fusion, ATTENTION, output_of(detail).get("attention"), 0.0, at_ms, counters)
    return True


def read_pose(fusion: Fusion, detail: Detail, at_ms: float, counters: MorphcastCounters) -> bool:
    pose = _map_at(output_of(detail), "pose", counters)
    pitch = number(pose.get("pitch"), -HALF_TURN_RAD, HALF_TURN_RAD, counters)
    roll = number(pose.get("roll"), -HALF_TURN_RAD, HALF_TURN_RAD, counters)
    yaw = number(pose.get("yaw"), -HALF_TURN_RAD, HALF_TURN_RAD, counters)
    fusion.put_pose((pitch, roll, yaw), at_ms)
    return True


def _map_at(output: Detail, key: str, counters: MorphcastCounters) -> Detail:
    """The map under `key`; empty when there is none, counted when there is something else."""
    found = output.get(key)
    if isinstance(found, dict):
        return found
    counters.rejected_fields += found is not None
    return {}


def read_wish(fusion: Fusion, detail: Detail, at_ms: float, counters: MorphcastCounters) -> bool:
    """Wish and positivity are no signal of ours, but a reading of them is one of the client."""
    output = output_of(detail)
    reading = number(output.get("positivity", output.get("wish")), 0.0, 1.0, counters)
    return reading == reading


def read_no_face(fusion: Fusion, detail: Detail, at_ms: float, counters: MorphcastCounters) -> bool:
    """The alarm's window of seconds is too slow for its end to prove a face."""
    raised = alarm_flag(detail, counters)
    return raised is not None and fusion.put_absence(at_ms, raised=raised)


def read_more_faces(fusion: Fusion, detail: Detail, at_ms: float, counters: MorphcastCounters) -> bool:
    raised = alarm_flag(detail, counters)
    if raised is None:
        return False
    fusion.put_crowd(at_ms, raised=raised)
    return raised


def read_low_attention(fusion: Fusion, detail: Detail, at_ms: float, counters: MorphcastCounters) -> bool:
    """Attention itself is read from its module."""
    return alarm_flag(detail, counters) is not None


def drop(fusion: Fusion, detail: Detail, at_ms: float, counters: MorphcastCounters) -> bool:
    """Private data: counted, not looked at."""
    counters.dropped_private += 1
    return False


def read_aggregate(fusion: Fusion, detail: Detail, at_ms: float, counters: MorphcastCounters) -> bool:
    """A tick of the aggregator: averages since the last one; only fields that it names are touched."""
    told = False
    scores: dict[str, object] = {}
    for name, average in averages(detail).items():
        if name in _AGGREGATED_EMOTIONS:
            scores[_AGGREGATED_EMOTIONS[name]] = average
        elif name in _AGGREGATED_DIMENSIONS:
            which = _AGGREGATED_DIMENSIONS[name]
            _put_dimension(fusion, which, average, _LOWEST[which], at_ms, counters)
            told = True
        elif name == "totalfaces":
            told |= _read_total_faces(fusion, average, at_ms, counters)
        elif name.startswith(PRIVATE):
            counters.dropped_private += 1
        else:
            counters.unknown_fields += not name.startswith(_LEFT_OUT)
    if scores:
        fusion.put_emotions(*emotion_vector(scores, counters), at_ms)
    return told or bool(scores)


def _read_total_faces(fusion: Fusion, average: object, at_ms: float, counters: MorphcastCounters) -> bool:
    """The average count of faces; it never speaks against the detector's rectangles."""
    faces = _face_count(average, counters)
    return faces is not None and fusion.put_total(faces, at_ms)


def read_emotion_data(fusion: Fusion, detail: Detail, at_ms: float, counters: MorphcastCounters) -> bool:
    """An EmotionData value as an event: `emotions` by our names (without `neutral` it is the rest) and `dimensions`."""
    if "emotions" in detail:
        fusion.put_emotions(*emotion_vector(detail["emotions"], counters, neutral_is_rest=True), at_ms)
    if "dimensions" in detail:
        dimensions = _map_at(detail, "dimensions", counters)
        _put_dimension(fusion, VALENCE, dimensions.get("valence"), -1.0, at_ms, counters)
        _put_dimension(fusion, AROUSAL, dimensions.get("arousal"), -1.0, at_ms, counters)
        _put_dimension(fusion, ATTENTION, dimensions.get("attention"), 0.0, at_ms, counters)
    return "emotions" in detail or "dimensions" in detail


def read_snapshot(fusion: Fusion, detail: Detail, at_ms: float, counters: MorphcastCounters) -> bool:
    """A snapshot once a second, every key in [0, 1]: arousal and valence x become 2x - 1; `confidence` is the quality.

    Without any confidence it is no sight of the client: what stands in it is what its maker put there for want of one.

    Its joy, sadness, anger and fear are intensities of their own that leave surprise and disgust unsaid: they are no
    distribution, and the emotions stay missing unless the snapshot names those two as well. Stress, engagement and
    positivity are not attention or any other signal of ours.
    """
    output = output_of(detail)
    confidence = number(output.get("confidence"), 0.0, 1.0, counters)
    if confidence == 0.0:
        output = {}
    for which, key in ((VALENCE, "valence"), (AROUSAL, "arousal")):
        fusion.put_dimension(which, 2.0 * number(output.get(key), 0.0, 1.0, counters) - 1.0, at_ms)
    fusion.put_emotions(*emotion_vector(output, counters, neutral_is_rest=True), at_ms)
    fusion.put_confidence(confidence, at_ms)
    return True


_MODULES: Final[dict[str, Reader]] = {
    "FACE_DETECTOR": read_detector,
    "FACE_EMOTION": read_emotion,
    "FACE_AROUSAL_VALENCE": read_arousal_valence,
    "FACE_ATTENTION": read_attention,
    "FACE_POSE": read_pose,
    "FACE_WISH": read_wish,
    "FACE_POSITIVITY": read_wish,
    "FACE_AGE": drop,
    "FACE_GENDER": drop,
    "FACE_FEATURES": drop,
    "CAMERA": drop,
    "DATA_AGGREGATOR": read_aggregate,
    "ALARM_NO_FACE": read_no_face,
    "ALARM_MORE_FACES": read_more_faces,
    "ALARM_LOW_ATTENTION": read_low_attention,
    "EMOTION_DATA": read_emotion_data,
    "EMOTION_SNAPSHOT": read_snapshot,
}

READERS: Final[dict[str, Reader]] = {
    pattern.format(name): reader
    for name, reader in _MODULES.items()
    for pattern in ("CY_{}_RESULT", "CY_{}", "{}_RESULT", "{}")
}
"""Readers by event name: the SDK's own spelling and its variations."""

ALARMS: Final = frozenset(name for name in READERS if "ALARM_" in name)
"""Events whose `detail` may be the bare flag."""
