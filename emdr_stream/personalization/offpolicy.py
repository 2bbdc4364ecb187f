"""In: logged decisions with their propensities. Out: what another way of deciding would have brought, and how surely.

With w = p_target(a) / p_logged(a) (what was logged is exact: `policy.py`), r the reward and q(x, a) a model of it:

    SNIPS  sum(w r) / sum(w)                                       Swaminathan and Joachims 2015
    DR     mean( sum_a p_target(a) q(x, a) + w (r - q(x, a)) )     Dudík, Langford and Li 2011
    ESS    sum(w)² / sum(w²)                                       Kish 1965

q is a ridge regression on context and arm, fitted on other clients than it is used for, so that it cannot learn the
noise that it is there to take away. Intervals are those of a studentised bootstrap that resamples whole clients (Efron
and Tibshirani 1993, ch. 12; Hall 1988, Annals of Statistics 16).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec
import numpy as np

from emdr_stream.evaluation.bootstrap import Interval
from emdr_stream.personalization.setting import Bools, Floats, Whole

FEWEST_ESS: Final = 30.0
"""Effective decisions below which no value is told (domain notes, section 6)."""
FEWEST_UNITS: Final = 10
RESAMPLES: Final = 1_000
_FOLDS: Final = 5
_RIDGE: Final = 1.0
_TAILS: Final = (2.5, 97.5)


class Target(StrEnum):
    """Ways of deciding that logs can be asked about. `LOGGED` is the one that made them."""

    LOGGED = "logged"
    REFERENCE = "reference"
    UNIFORM = "uniform"
    BEST = "best"


@dataclass(frozen=True, slots=True)
class Log:
    """T decisions over K arms. `propensity` (T, K): of each arm when it was decided; `action` (T,); `reward` (T,), NaN
    where none was seen; `context` (T, C), no NaN; `unit` (T,): whom a decision is of; `reference` (T,): arm or -1;
    `expected` (T, K): benefit that was expected then."""

    propensity: Floats
    action: Whole
    reward: Floats
    context: Floats
    unit: Whole
    reference: Whole
    expected: Floats

    def where(self, kept: Bools) -> "Log":
        return Log(
            self.propensity[kept],
            self.action[kept],
            self.reward[kept],
            self.context[kept],
            self.unit[kept],
            self.reference[kept],
            self.expected[kept],
        )


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """Reward a decision under `target`, in points of SUD, with 95 % intervals. `decisions`: those with a reward at
    which the target has a choice that the log could have made; `ess`: how many they are worth; `over_logged`: DR less
    what was got at the same decisions. `refused`: why no value is told, else None."""

    target: Target
    decisions: int
    units: int
    ess: float
    snips: Interval | None = None
    doubly_robust: Interval | None = None
    over_logged: Interval | None = None
    refused: str | None = None


def target_shares(log: Log, target: Target) -> tuple[Floats, Bools]:
    """Probabilities of each arm (T, K) under the target, and where (T,) it has a choice that the log could have
    made."""
    listed = log.propensity > 0.0
    everywhere = np.ones(len(log.action), dtype=bool)
    if target is Target.LOGGED:
        return log.propensity, everywhere
    if target is Target.UNIFORM:
        return listed / listed.sum(axis=1, keepdims=True), everywhere
    if target is Target.REFERENCE:
        there = log.reference >= 0
        return _always(log.reference, log.propensity.shape[1]), there
    best = np.where(listed, log.expected, -np.inf).argmax(axis=1)
    return _always(best, log.propensity.shape[1]), everywhere


def value_of(log: Log, target: Target, rng: np.random.Generator) -> Value:
    """What the target would have brought, or why that is not told."""
    shares, there = target_shares(log, target)
    kept = there & np.isfinite(log.reward)
    used, shares = log.where(kept), shares[kept]
    n, units = len(used.action), len(np.unique(used.unit))
    rows = np.arange(n)
    weight = shares[rows, used.action] / used.propensity[rows, used.action] if n else np.zeros(0)
    ess = effective(weight)
    value = Value(target=target, decisions=n, units=units, ess=ess, refused=_refusal(n, units, ess))
    if value.refused is not None:
        return value
    predicted = _predicted(used)
    robust = (shares * predicted).sum(axis=1) + weight * (used.reward - predicted[rows, used.action])
    resamples = _resamples(used.unit, rng)
    one = np.ones(n)
    return msgspec.structs.replace(
        value,
        snips=_ratio(weight * used.reward, weight, resamples),
        doubly_robust=_ratio(robust, one, resamples),
        over_logged=_ratio(robust - used.reward, one, resamples),
    )


def effective(weight: Floats) -> float:
    """Kish's effective sample size; 0 where nothing has weight."""
    squares = float((weight**2).sum())
    return float(weight.sum()) ** 2 / squares if squares > 0.0 else 0.0


def _refusal(n: int, units: int, ess: float) -> str | None:
    if n == 0:
        return "no decision has a reward at which this way of deciding has a choice that the log could have made"
    if ess < FEWEST_ESS:
        return f"the decisions are worth {ess:.0f}, {FEWEST_ESS:.0f} are needed: log more of them, or ask less of them"
    if units < FEWEST_UNITS:
        return f"they are of {units} clients or sessions, {FEWEST_UNITS} are needed for an interval"
    return None


def _always(arm: Whole, arms: int) -> Floats:
    found: Floats = (np.arange(arms) == arm[:, None]).astype(np.float64)
    return found


def _predicted(log: Log) -> Floats:
    """q(x, a) of every arm (T, K), each client's from a fit on clients of the other folds."""
    arms = log.propensity.shape[1]
    fold = np.searchsorted(np.unique(log.unit), log.unit) % _FOLDS
    chosen = np.eye(arms)[log.action]
    rows = np.concatenate([np.ones((len(log.action), 1)), log.context, chosen], axis=1)
    found = np.empty((len(log.action), arms))
    penalty = np.full(rows.shape[1], _RIDGE)
    penalty[0] = 1e-9
    for k in range(_FOLDS):
        inside = fold == k
        if not inside.any():
            continue
        seen, told = rows[~inside], log.reward[~inside]
        weights = np.linalg.solve(seen.T @ seen + np.diag(penalty), seen.T @ told)
        c = log.context.shape[1]
        found[inside] = (rows[inside, : 1 + c] @ weights[: 1 + c])[:, None] + weights[1 + c :]
    return found


@dataclass(frozen=True, slots=True)
class _Resamples:
    """`place` (T,): whose decision it is; `times` (RESAMPLES, units): how often each is in each resample."""

    place: Whole
    times: Floats

    def by_unit(self, values: Floats) -> Floats:
        """Values (T,) added up by unit."""
        return np.bincount(self.place, weights=values, minlength=self.times.shape[1]).astype(np.float64)


def _resamples(unit: Whole, rng: np.random.Generator) -> _Resamples:
    names, place = np.unique(unit, return_inverse=True)
    times = rng.multinomial(len(names), np.full(len(names), 1.0 / len(names)), RESAMPLES)
    return _Resamples(place.astype(np.int64), times.astype(np.float64))


def _ratio(part: Floats, whole: Floats, resamples: _Resamples) -> Interval:
    """sum(part) / sum(whole). Its distance from the truth, counted in its own standard error (of units, linearised), is
    distributed as that of the resamples from it: few units with a rare, bad outcome make it lopsided."""
    parts, wholes, times = resamples.by_unit(part), resamples.by_unit(whole), resamples.times
    value = float(parts.sum() / wholes.sum())
    totals = times @ wholes
    there = totals > 0.0
    totals, times = totals[there], times[there]
    drawn = (times @ parts) / totals
    # sum_i (part_i - value whole_i)², of each resample with its own value.
    squares = times @ parts**2 - 2.0 * drawn * (times @ (parts * wholes)) + drawn**2 * (times @ wholes**2)
    errors = np.sqrt(np.maximum(squares, 0.0)) / totals
    error = float(np.sqrt(((parts - value * wholes) ** 2).sum()) / wholes.sum())
    spread = errors > 0.0
    if error == 0.0 or not spread.any():
        return Interval(value, value, value)
    low, high = np.percentile((drawn[spread] - value) / errors[spread], _TAILS)
    return Interval(value, value - float(high) * error, value - float(low) * error)


def unit_numbers(names: Sequence[str]) -> Whole:
    """Names as numbers, the same name the same one."""
    found: Whole = np.unique(np.asarray(names, dtype=str), return_inverse=True)[1].astype(np.int64)
    return found
