"""Raw numbers of SDK payloads in, checked readings out: NaN where there is none, never 0; refusals are counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Final

from emdr_stream.domain import EMOTIONS, MISSING

TOLERANCE: Final = 1e-6
SUM_TOLERANCE: Final = 0.02
"""How far the SDK's seven probabilities may be from a sum of 1 before they are renormalised."""
SUM_RANGE: Final = (0.5, 1.5)
"""Outside this sum they are no distribution at all and are refused."""
RENORMALISED_QUALITY: Final = 0.8
NO_EMOTIONS: Final = (MISSING,) * len(EMOTIONS)

SDK_EMOTIONS: Final = ("Happy", "Sad", "Angry", "Fear", "Surprise", "Disgust", "Neutral")
"""The SDK's names in the order of EMOTIONS."""
_OUR_NAMES: Final = dict(zip((name.casefold() for name in SDK_EMOTIONS), EMOTIONS, strict=True)) | {
    name: name for name in EMOTIONS
}


@dataclass(slots=True)
class MorphcastCounters:
    """What was not taken as it came, since the session's start."""

    unknown_events: int = 0
    unknown_fields: int = 0
    rejected_fields: int = 0
    partial_emotions: int = 0
    renormalised: int = 0
    dropped_private: int = 0
    old_readings: int = 0
    late_messages: int = 0
    clock_resets: int = 0


def output_of(detail: dict[Any, Any]) -> dict[Any, Any]:
    """A module's payload: most SDK versions wrap it in `output`, some dialects do not."""
    output = detail.get("output")
    if output.__class__ is dict:
        return output
    return detail if "output" not in detail else {}


def number(value: object, low: float, high: float, counters: MorphcastCounters) -> float:
    """`value` within [low, high]; NaN for null, NaN, infinity and, counted, for what is out of range or no number."""
    if value.__class__ is float and low <= value <= high:
        return value
    if value is None:
        return MISSING
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        counters.rejected_fields += 1
        return MISSING
    if low - TOLERANCE <= value <= high + TOLERANCE:
        return min(max(float(value), low), high)
    if -inf < value < inf:
        counters.rejected_fields += 1
    return MISSING


def emotion_vector(
    scores: object, counters: MorphcastCounters, *, neutral_is_rest: bool = False
) -> tuple[tuple[float, ...], float]:
    """Seven probabilities in the order of EMOTIONS, and how far they can be trusted, 0..1.

    `scores`: a map by the SDK's names or ours, in any case. One missing makes all missing; with `neutral_is_rest` an
    absent `neutral` is what the six leave. A sum further than SUM_TOLERANCE from 1 is renormalised and trusted less,
    a sum outside SUM_RANGE refused.
    """
    if not isinstance(scores, dict):
        counters.rejected_fields += scores is not None
        return NO_EMOTIONS, 1.0
    named = {_OUR_NAMES.get(key.casefold()): value for key, value in scores.items() if isinstance(key, str)}
    values = [number(named.get(name), 0.0, 1.0, counters) for name in EMOTIONS]
    if neutral_is_rest and values[-1] != values[-1]:
        values[-1] = max(0.0, 1.0 - sum(values[:-1]))
    total = sum(values)
    if total != total:
        counters.partial_emotions += any(value == value for value in values)
        return NO_EMOTIONS, 1.0
    if not SUM_RANGE[0] <= total <= SUM_RANGE[1]:
        counters.rejected_fields += 1
        return NO_EMOTIONS, 1.0
    if abs(total - 1.0) <= SUM_TOLERANCE:
        return tuple(values), 1.0
    counters.renormalised += 1
    return tuple(value / total for value in values), RENORMALISED_QUALITY


def alarm_flag(detail: dict[Any, Any], counters: MorphcastCounters) -> bool | None:
    """Whether any flag of an alarm is up, whatever its key; None, counted, when it holds no flag."""
    output = detail.get("output")
    flags = [output] if isinstance(output, bool) else [v for v in output_of(detail).values() if isinstance(v, bool)]
    if not flags:
        counters.rejected_fields += 1
        return None
    return any(flags)


def averages(detail: dict[Any, Any]) -> Mapping[str, object]:
    """The aggregator's statistics by plain name (lower case, no spaces, no `.avg`): the average of each period.

    A statistic without samples has no average.
    """
    return {_plain(key): _average(value) for key, value in output_of(detail).items() if isinstance(key, str)}


def _plain(key: str) -> str:
    return key.replace(" ", "").casefold().removesuffix(".avg")


def _average(statistic: object) -> object:
    if not isinstance(statistic, dict):
        return statistic
    return None if statistic.get("samples") == 0 else statistic.get("avg")
