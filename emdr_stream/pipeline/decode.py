"""A `sample` message in, an observation out; refuses what is out of range and names the field."""

from typing import Any

from emdr_stream.domain import EMOTIONS, MISSING, Observation
from emdr_stream.errors import ErrorCode, ProtocolError
from emdr_stream.wire.stream import Sample
from emdr_stream.wire.values import BodySignals, Dimensions, Emotions

_TOLERANCE = 1e-6
_SUM_TOLERANCE = 0.05
_INFINITY = float("inf")
_TIME_LIMIT_MS = 8.64e15
"""The range of an ECMAScript time value; beyond it a number is no time, and sums with it lose their milliseconds."""
_NO_EMOTIONS = (MISSING,) * 7
_NO_DIMENSIONS = (MISSING,) * 3
_NO_SIGNALS = (MISSING,) * 4


def decode_sample(sample: Sample) -> Observation:
    """Observation of one sample. Missing, null, NaN and infinity become NaN, never 0.

    Raises ProtocolError(invalid_field) with `param`: `ts` no time, a value out of its range, emotions that are not
    a distribution (sum within 0.05 of 1; without `neutral` it is the rest).
    """
    ts = sample.ts
    dimensions, emotions, signals = sample.dimensions, sample.emotions, sample.signals
    try:
        if not -_TIME_LIMIT_MS <= ts <= _TIME_LIMIT_MS:
            check_time(ts)
        values = (
            *(_NO_DIMENSIONS if dimensions is None else _dimensions(dimensions)),
            *(_NO_EMOTIONS if emotions is None else _emotions(emotions)),
            *(_NO_SIGNALS if signals is None else _signals(signals)),
        )
    except ProtocolError as problem:
        problem.re = sample.id
        raise
    return Observation(ts, values, None if signals is None else signals.face_present)


def check_time(ts_ms: float) -> None:
    """Raises ProtocolError(invalid_field) unless `ts_ms` can be a wall clock's time in milliseconds."""
    if not -_TIME_LIMIT_MS <= ts_ms <= _TIME_LIMIT_MS:
        raise _refuse("ts", f"must be milliseconds since 1970, at most {_TIME_LIMIT_MS:g} either way")


def _number(value: float | None, low: float, high: float, name: str) -> float:
    """The value within [low, high]; NaN where there is none."""
    if value is None or not -_INFINITY < value < _INFINITY:
        return MISSING
    if low <= value <= high:
        return value
    if low - _TOLERANCE <= value <= high + _TOLERANCE:
        return min(max(value, low), high)
    raise _refuse(name, f"must be between {low:g} and {high:g}")


def _dimensions(given: Dimensions) -> tuple[float, ...]:
    valence, arousal, attention = given.valence, given.arousal, given.attention
    try:
        if -1.0 <= valence <= 1.0 and -1.0 <= arousal <= 1.0 and 0.0 <= attention <= 1.0:  # type: ignore[operator]
            return valence, arousal, attention  # type: ignore[return-value]
    except TypeError:
        pass  # something is null: the careful way below
    return (
        _number(valence, -1.0, 1.0, "dimensions.valence"),
        _number(arousal, -1.0, 1.0, "dimensions.arousal"),
        _number(attention, 0.0, 1.0, "dimensions.attention"),
    )


def _signals(given: BodySignals) -> tuple[float, ...]:
    blinks, closure, motion, heart = given.blink_rate, given.eye_closure, given.head_motion, given.heart_rate
    try:
        if 0.0 <= blinks <= 120.0 and 0.0 <= closure <= 1.0 and 0.0 <= motion <= 1.0:  # type: ignore[operator]
            rate = MISSING if heart is None else _number(heart, 20.0, 260.0, "signals.heart_rate")
            return blinks, closure, motion, rate  # type: ignore[return-value]
    except TypeError:
        pass  # something is null: the careful way below
    return (
        _number(blinks, 0.0, 120.0, "signals.blink_rate"),
        _number(closure, 0.0, 1.0, "signals.eye_closure"),
        _number(motion, 0.0, 1.0, "signals.head_motion"),
        _number(heart, 20.0, 260.0, "signals.heart_rate"),
    )


def _emotions(given: Emotions) -> tuple[float, ...]:
    """Seven probabilities that sum to 1, or seven NaN when one of the six is missing."""
    seven: Any = given.joy, given.sadness, given.anger, given.fear, given.surprise, given.disgust, given.neutral
    try:
        total = sum(seven)
        is_one = -_SUM_TOLERANCE <= total - 1.0 <= _SUM_TOLERANCE
        if is_one and min(seven) >= 0.0 and (total <= 1.0 or max(seven) <= 1.0):
            joy, sadness, anger, fear, surprise, disgust, neutral = seven
            return (
                joy / total,
                sadness / total,
                anger / total,
                fear / total,
                surprise / total,
                disgust / total,
                neutral / total,
            )
    except TypeError:
        pass  # something is null: the careful way below
    known = _each(seven[:-1])
    total = sum(known)
    if total != total:
        return _NO_EMOTIONS
    known = (*known, _neutral(given.neutral, total))
    total = sum(known)
    if not -_SUM_TOLERANCE <= total - 1.0 <= _SUM_TOLERANCE:
        raise _refuse("emotions", f"must sum to 1, not {total:.3f}")
    return tuple(value / total for value in known)


def _each(six: tuple[float | None, ...]) -> tuple[float, ...]:
    return tuple(_number(value, 0.0, 1.0, f"emotions.{name}") for value, name in zip(six, EMOTIONS, strict=False))


def _neutral(given: float | None, others: float) -> float:
    """`neutral` as given; where it is missing, the rest."""
    if given is not None and 0.0 <= given <= 1.0:
        return given
    if given is not None and -_INFINITY < given < _INFINITY:
        return _number(given, 0.0, 1.0, "emotions.neutral")
    if others > 1.0 + _SUM_TOLERANCE:
        raise _refuse("emotions", f"must sum to at most 1, not {others:.3f}")
    return max(0.0, 1.0 - others)


def _refuse(param: str, why: str) -> ProtocolError:
    return ProtocolError(ErrorCode.INVALID_FIELD, f"`{param}` {why}", param=param)
