"""In: a plan. Out: figures of simulated courses: rules, the window, regret, harm, and what logs tell of other ways."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec
import numpy as np

from emdr_stream.evaluation.bootstrap import Interval
from emdr_stream.personalization.arms import ARMS
from emdr_stream.personalization.offpolicy import Log, Target, target_shares, value_of
from emdr_stream.personalization.setting import Floats
from training.personalization.course import Outcome, Plan, Totals, Way, run_course
from training.personalization.world import WORLDS, World

_RESAMPLES: Final = 1_000
_TAILS: Final = (2.5, 97.5)
TARGETS: Final = (Target.REFERENCE, Target.UNIFORM, Target.BEST)


@dataclass(frozen=True, slots=True)
class Measurement:
    """`cohorts` of `course.clients` in each world. For the intervals of logs, `repetitions` of `logged` clients over
    `logged_sessions` each; `together` of them are simulated at a time."""

    course: Plan = field(default_factory=Plan)
    cohorts: int = 10
    repetitions: int = 200
    logged: int = 200
    logged_sessions: int = 3
    together: int = 5
    seed: int = 1
    worlds: tuple[World, ...] = WORLDS


QUICK: Final = Measurement(course=Plan(clients=40, sessions=3), cohorts=1, repetitions=20, logged=30, together=10)


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One way of deciding in one world. `reward` a set in points of SUD; `outside` seconds outside of the window in
    a hundred sets; `left` sets of a hundred in which the window was left; `regret` a decision. `more_*`: against
    CAREFUL, by client, with 95 % intervals; `more_outside` is the share by which it is more."""

    world: str
    way: str
    decisions: int
    forbidden: int
    reward: float
    more_reward: Interval
    outside: float
    more_outside: Interval
    left: float
    regret: float
    shares: dict[str, float]


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """How often the 95 % interval of a log holds the truth. `width` of the interval and `bias` of the estimate in
    points of SUD; `ess` its mean effective size; `refused`: repetitions in which none was told."""

    target: str
    repetitions: int
    refused: int
    truth: float
    ess: float
    covered_robust: float
    covered_snips: float
    bias_robust: float
    bias_snips: float
    width_robust: float
    width_snips: float


@dataclass(frozen=True, slots=True)
class Report:
    figures: list[Figures]
    coverage: list[Coverage]


def measure(plan: Measurement, begin: Callable[[str, int], None], reach: Callable[[int], None]) -> Report:
    """Everything. `begin` is told of each part and its length, `reach` how far it is."""
    found: list[Figures] = []
    for world in plan.worlds:
        begin(f"courses: {world.name}", len(Way) * plan.cohorts)
        totals: dict[Way, list[Totals]] = {way: [] for way in Way}
        for number in range(plan.cohorts):
            for k, way in enumerate(Way):
                totals[way].append(run_course(world, way, plan.course, plan.seed + number).totals)
                reach(number * len(Way) + k + 1)
        rng = np.random.default_rng([plan.seed, 7])
        found += [_figures(world, way, totals[way], totals[Way.CAREFUL], rng) for way in Way]
    begin("what logs tell of other ways", plan.repetitions)
    outcomes: list[Outcome] = []
    while len(outcomes) < plan.repetitions:
        outcomes += logs_of(plan, len(outcomes))
        reach(min(len(outcomes), plan.repetitions))
    return Report(found, [coverage_of(outcomes[: plan.repetitions], target, plan.seed) for target in TARGETS])


def logs_of(plan: Measurement, number: int) -> list[Outcome]:
    """`together` logs of other clients each. Nobody learns from another one here, so that logs have nothing in common
    but the draws behind their probabilities, which are logged as they are."""
    course = replace(plan.course, clients=plan.logged * plan.together, sessions=plan.logged_sessions, pool=False)
    outcome = run_course(WORLDS[0], Way.LEARNED, course, 10_000 * plan.seed + number, logged=True)
    log, truths = outcome.log, outcome.truths
    if log is None or truths is None:
        return []
    groups = [log.unit // plan.logged == k for k in range(plan.together)]
    return [Outcome(outcome.totals, log.where(group), truths[group]) for group in groups]


def coverage_of(outcomes: list[Outcome], target: Target, seed: int) -> Coverage:
    """The truth is the mean over all repetitions of what the target's arms would have brought at the logged points."""
    rng = np.random.default_rng([seed, 8])
    means, values = [], []
    for outcome in outcomes:
        if outcome.log is None or outcome.truths is None:
            continue
        means.append(_truth(outcome.log, outcome.truths, target))
        values.append(value_of(outcome.log, target, rng))
    truth = float(np.mean(means))
    told = [each for each in values if each.refused is None]
    robust, snips = _ends([each.doubly_robust for each in told]), _ends([each.snips for each in told])

    def covered(ends: Floats) -> float:
        return float(((ends[:, 1] <= truth) & (truth <= ends[:, 2])).sum() / max(len(ends), 1))

    def mean(values: Floats) -> float:
        return float(values.sum() / max(len(values), 1))

    return Coverage(
        target=target.value,
        repetitions=len(values),
        refused=len(values) - len(told),
        truth=truth,
        ess=float(np.mean([each.ess for each in values])),
        covered_robust=covered(robust),
        covered_snips=covered(snips),
        bias_robust=mean(robust[:, 0] - truth),
        bias_snips=mean(snips[:, 0] - truth),
        width_robust=mean(robust[:, 2] - robust[:, 1]),
        width_snips=mean(snips[:, 2] - snips[:, 1]),
    )


def _truth(log: Log, truths: Floats, target: Target) -> float:
    shares, there = target_shares(log, target)
    kept = there & np.isfinite(log.reward)
    return float((shares * truths).sum(axis=1)[kept].mean())


def _ends(intervals: list[Interval | None]) -> Floats:
    rows = [(each.value, each.low, each.high) for each in intervals if each is not None]
    return np.array(rows, dtype=np.float64).reshape(len(rows), 3)


def _figures(world: World, way: Way, totals: list[Totals], fixed: list[Totals], rng: np.random.Generator) -> Figures:
    def column(of: list[Totals], name: str) -> Floats:
        return np.concatenate([getattr(each, name) for each in of])

    sets, reward = column(totals, "sets"), column(totals, "reward")
    outside = column(totals, "outside_s")
    own_sets, own_reward = column(fixed, "sets"), column(fixed, "reward")
    own_outside = column(fixed, "outside_s")
    times = _resamples(len(sets), rng)
    more = (times @ reward) / (times @ sets) - (times @ own_reward) / (times @ own_sets)
    # Every way has the same sessions with the same numbers of sets: sums can be held against each other.
    beyond = _more(times @ outside, times @ own_outside)
    share = np.concatenate([each.proposed for each in totals]).sum(axis=0)
    names = [arm.value for arm in ARMS]
    return Figures(
        world=world.name,
        way=way.value,
        decisions=int(column(totals, "decisions").sum()),
        forbidden=int(column(totals, "forbidden").sum()),
        reward=float(reward.sum() / sets.sum()),
        more_reward=_interval(float(reward.sum() / sets.sum() - own_reward.sum() / own_sets.sum()), more),
        outside=float(outside.sum() / sets.sum() * 100.0),
        more_outside=_interval(float(_more(outside.sum(keepdims=True), own_outside.sum(keepdims=True))[0]), beyond),
        left=float(column(totals, "left").sum() / sets.sum() * 100.0),
        regret=float(column(totals, "regret").sum() / max(column(totals, "free").sum(), 1.0)),
        shares=dict(zip(names, (share / max(share.sum(), 1.0)).tolist(), strict=True)),
    )


def _more(part: Floats, whole: Floats) -> Floats:
    """The share by which it is more; 0 where nobody was ever outside."""
    return np.where(whole > 0.0, part / np.maximum(whole, 1e-9), 1.0) - 1.0


def _resamples(clients: int, rng: np.random.Generator) -> Floats:
    draws = rng.multinomial(clients, np.full(clients, 1.0 / clients), _RESAMPLES)
    return draws.astype(np.float64)


def _interval(value: float, resampled: Floats) -> Interval:
    low, high = np.percentile(resampled, _TAILS)
    return Interval(value, float(low), float(high))
