"""In: what is believed of a client, and a setting. Out: what the next set is expected to bring, and how sure that is.

No treatment effect is predicted: what one set does to one rating of SUD, with the noise that such a rating has.
"""

from math import erf, sqrt
from typing import Final

import msgspec
import numpy as np

from emdr_stream.personalization.features import N_ACTION
from emdr_stream.personalization.learner import Known
from emdr_stream.personalization.setting import Floats
from emdr_stream.personalization.shrinkage import Z90

FEWEST_SETS: Final = 8
"""Sets of this client with a rating before and after, below which nothing is said of it: a proposal."""


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """Expected benefit of the next set in points of SUD with its 90 % interval, and that against the therapist's own
    setting; `chance`: probability that the next set's benefit, noise included, is more than 0, with its interval."""

    benefit: float
    low: float
    high: float
    against_default: float
    against_low: float
    against_high: float
    chance: float
    chance_low: float
    chance_high: float


class Effectiveness(msgspec.Struct, frozen=True, kw_only=True):
    """`effect` is None below FEWEST_SETS. `detail`: the same in words. `rated_sets` of this client, `other_clients`
    that the prior was learnt from."""

    rated_sets: int
    other_clients: int
    detail: str
    effect: Effect | None = None


def effectiveness(known: Known, row: Floats, reference: Floats) -> Effectiveness:
    """Of one setting: `row` (N_FEATURES,) of it and of the therapist's own one, in the same context."""
    if known.rated < FEWEST_SETS:
        detail = (
            f"not enough data: {known.rated} sets of this client are rated before and after, {FEWEST_SETS} are needed"
        )
        return Effectiveness(rated_sets=known.rated, other_clients=known.clients, detail=detail)
    mean, deviation = _one(known, row)
    more, doubt = _one(known, _action_only(row - reference))
    low, high = mean - Z90 * deviation, mean + Z90 * deviation
    effect = Effect(
        benefit=mean,
        low=low,
        high=high,
        against_default=more,
        against_low=more - Z90 * doubt,
        against_high=more + Z90 * doubt,
        chance=_above_zero(mean, sqrt(known.noise**2 + deviation**2)),
        chance_low=_above_zero(low, known.noise),
        chance_high=_above_zero(high, known.noise),
    )
    return Effectiveness(rated_sets=known.rated, other_clients=known.clients, detail=_in_words(effect), effect=effect)


def _in_words(effect: Effect) -> str:
    if effect.against_low > 0.0:
        held = "probably more than the therapist's own setting"
    elif effect.against_high < 0.0:
        held = "probably less than the therapist's own setting"
    else:
        held = "not distinguishable from the therapist's own setting"
    return (
        f"the next set is expected to bring {effect.benefit:+.1f} points of SUD benefit "
        f"({effect.low:+.1f} to {effect.high:+.1f}), {held}"
    )


def _action_only(row: Floats) -> Floats:
    return np.concatenate([row[:N_ACTION], np.zeros(len(row) - N_ACTION)])


def _one(known: Known, row: Floats) -> tuple[float, float]:
    mean, deviation = known.benefit.of_rows(row[None, None])
    return float(mean[0, 0]), float(deviation[0, 0])


def _above_zero(mean: float, deviation: float) -> float:
    return 0.5 * (1.0 + erf(mean / deviation / sqrt(2.0)))
