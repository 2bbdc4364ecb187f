"""In: a world, a seed and a way of deciding. Out: what a course of invented clients brought, set by set summed up.

The mask, the features, the beliefs and the policy are the service's own code, with N clients at once. The draws of the
world (`Luck`, ratings, lengths of sessions) are the same for every way of deciding, so that differences are not luck.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np

from emdr_stream.personalization.arms import (
    ARMS,
    INDEX,
    N_ARMS,
    PARTS,
    Arm,
    Points,
    Settings,
    hard_mask,
    reached,
    reference_arm,
)
from emdr_stream.personalization.belief import Belief, Prior, belief_of, no_evidence, pooled_without_own, with_outcomes
from emdr_stream.personalization.features import (
    N_ACTION,
    N_FEATURES,
    Conditions,
    action_rows,
    context_rows,
    strain,
    whole_rows,
)
from emdr_stream.personalization.learner import as_arms
from emdr_stream.personalization.offpolicy import Log
from emdr_stream.personalization.outcomes import LEAVING_WEIGHT, RECOVERY_WEIGHT
from emdr_stream.personalization.policy import Rules, best_shares, chosen, conservative, propensities
from emdr_stream.personalization.prior import benefit_prior, leaving_prior
from emdr_stream.personalization.setting import REPROCESSING, Bools, Floats, Whole
from training.personalization.checking import picked, rules_broken
from training.personalization.world import (
    Happened,
    Luck,
    State,
    World,
    draw_clients,
    eased,
    expected_reward,
    rated,
    run_set,
    tense,
)

_BEGIN: Final = (1.0, 24.0)
"""Hz and seconds: the therapist's own setting in every course."""


class Way(StrEnum):
    """Ways of deciding. FIXED: always the therapist's own setting, WATCH or not. CAREFUL: the same, and gentler
    things at WATCH, each as likely. UNIFORM: all that the mask allows, each as likely. LEARNED: what the service
    does."""

    FIXED = "fixed"
    CAREFUL = "careful"
    UNIFORM = "uniform"
    LEARNED = "learned"


@dataclass(frozen=True, slots=True)
class Plan:
    """`accepted`: share of proposals that the therapist applies; one that is rejected does not come again in the
    session.
    `locked`: chance that a part is locked for a client. `asked`: share of sets after which SUD is asked. `draws` from
    the belief behind a decision. `pool`: other clients' sets are learnt from after each session."""

    clients: int = 200
    sessions: int = 10
    sets: tuple[int, int] = (10, 20)
    incomplete: float = 0.3
    accepted: float = 0.9
    locked: float = 0.05
    asked: float = 0.9
    draws: int = 64
    pool: bool = True
    rules: Rules = field(default_factory=Rules)


@dataclass(slots=True, kw_only=True)
class Totals:
    """Sums over a course, by client (N,): `forbidden` decisions break a rule (`rules_broken`), `regret` is against the
    best arm that the mask allows, at the `free` points where that is not only gentler. `proposed` (N, N_ARMS)."""

    sets: Floats
    seconds: Floats
    reward: Floats
    outside_s: Floats
    left: Floats
    decisions: Floats
    forbidden: Floats
    free: Floats
    regret: Floats
    proposed: Floats

    @classmethod
    def of(cls, clients: int) -> "Totals":
        sums = {name: np.zeros(clients) for name in cls.__slots__ if name != "proposed"}
        return cls(**sums, proposed=np.zeros((clients, N_ARMS)))


@dataclass(frozen=True, slots=True)
class Outcome:
    """`log`: every decision between two sets with its reward. `truths` (T, K): the reward that each arm would have had
    then, with the same luck."""

    totals: Totals
    log: Log | None = None
    truths: Floats | None = None


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A decision of every client: arm, its probabilities, and what was expected."""

    arm: Whole
    mask: Bools
    reference: Whole
    propensity: Floats
    expected: Floats


@dataclass(slots=True)
class _Logged:
    """Columns of a log while they grow."""

    rows: list[tuple[Floats, ...]] = field(default_factory=list)


def run_course(
    world: World,
    way: Way,
    plan: Plan,
    seed: int,
    *,
    logged: bool = False,
    progress: Callable[[int], None] = lambda sessions: None,
) -> Outcome:
    """One course. The same arguments give the same outcome."""
    course = _Course(world, way, plan, seed, logged)
    for session in range(plan.sessions):
        course.session()
        progress(session + 1)
    return course.outcome()


class _Course:
    """N clients on their way. `_luck` draws what happens, `_choice` what is decided: the first never sees the
    second."""

    def __init__(self, world: World, way: Way, plan: Plan, seed: int, logged: bool) -> None:
        self._world, self._way, self._plan = world, way, plan
        self._luck = np.random.default_rng([seed, 0])
        self._choice = np.random.default_rng([seed, 1])
        self._clients = draw_clients(world, plan.clients, self._luck)
        n = plan.clients
        self._sud = self._clients.sud.copy()
        self._priors = (benefit_prior(), leaving_prior())
        self._evidence = [no_evidence(n, N_FEATURES), no_evidence(n, N_FEATURES)]
        self._believed: tuple[Prior, Prior] = self._priors
        self._totals = Totals.of(n)
        self._logged = _Logged() if logged else None
        self._locked = self._luck.random((n, len(PARTS))) < plan.locked
        self._refused = np.zeros((n, N_ARMS), dtype=bool)
        self._own = Settings(np.full(n, _BEGIN[0]), np.full(n, _BEGIN[1]), np.zeros(n, np.int64), np.zeros(n, bool))

    def session(self) -> None:
        """Every client's next session, each as long as it happens to be."""
        plan, n, luck = self._plan, self._plan.clients, self._luck
        length = luck.integers(plan.sets[0], plan.sets[1] + 1, n)
        length = np.where(luck.random(n) < plan.incomplete, length // 3, length)
        begun = self._sud.copy()
        self._rise(n)
        self._refused = np.zeros((n, N_ARMS), dtype=bool)
        present = self._own
        state = State(self._sud, np.zeros(n))
        before = rated(self._world, state.sud, luck.standard_normal(n))
        seen = Conditions(before, np.ones(n), np.full(n, np.nan), np.full(n, np.nan))
        for number in range(1, plan.sets[1] + 1):
            active = length >= number
            present, state, seen = self._set(number, active, present, state, seen)
        self._rest(begun, state.sud)
        if plan.pool and self._way is Way.LEARNED:
            told, left = (pooled_without_own(p, e) for p, e in zip(self._priors, self._evidence, strict=True))
            self._believed = (told, left)

    def outcome(self) -> Outcome:
        if self._logged is None:
            return Outcome(self._totals)
        columns = [np.concatenate(each) for each in zip(*self._logged.rows, strict=True)]
        propensity, action, reward, context, unit, reference, expected, truths = columns
        log = Log(
            propensity,
            action.astype(np.int64),
            reward,
            context,
            unit.astype(np.int64),
            reference.astype(np.int64),
            expected,
        )
        return Outcome(self._totals, log, truths)

    # within -------------------------------------------------------------------------------------------------------

    def _rise(self, n: int) -> None:
        """SUD often rises before it falls; a target that is done is followed by another one."""
        luck, world = self._luck, self._world
        fresh = np.clip(world.sud[0] + world.sud[1] * luck.standard_normal(n), 3.0, 10.0)
        self._sud = np.where(self._sud <= 1.0, fresh, self._sud)
        rises = luck.random(n) < world.rise
        self._sud = np.where(rises, np.minimum(self._sud + luck.uniform(0.5, 2.0, n), 10.0), self._sud)

    def _rest(self, begun: Floats, ended: Floats) -> None:
        """Part of what a session gained is gone when the next one begins."""
        self._sud = ended + self._world.rebound * np.maximum(begun - ended, 0.0)

    def _set(
        self, number: int, active: Bools, present: Settings, state: State, seen: Conditions
    ) -> tuple[Settings, State, Conditions]:
        """A decision (before every set but the first), a set, and what is learnt of it."""
        n, world, plan = self._plan.clients, self._world, self._plan
        points = self._points(present, tense(world, self._clients, state))
        found = reached(points)
        decision = self._decide(points, found, seen) if number > 1 else None
        arm = np.full(n, INDEX[Arm.DEFAULT]) if decision is None else decision.arm
        accepts = self._luck.random(n) < plan.accepted
        applied = np.where(accepts, arm, INDEX[Arm.KEEP])
        luck = Luck(*self._luck.standard_normal((3, n)))
        noise, asked = self._luck.standard_normal(n), self._luck.random(n) < plan.asked
        felt = self._luck.standard_normal(n)
        started = eased(world, state, applied)
        setting = picked(found, applied)
        happened = run_set(world, self._clients, started, setting, luck)
        after = rated(world, happened.sud, noise)
        told = np.clip(happened.recovery + 0.1 * felt, 0.0, 1.0)
        reward = np.where(asked, _reward(seen.sud - after, told, happened.left), np.nan)
        self._learn(setting, seen, np.where(active, reward, np.nan), np.where(active, happened.left, np.nan))
        self._count(active, setting, happened, seen.sud - after, told)
        if decision is not None:
            self._account(active, decision, expected_reward(world, self._clients, state, found), points)
            if self._logged is not None:
                truths = self._counterfactual(state, found, accepts, luck, (noise, felt), seen)
                self._log(active, decision, seen, reward, truths)
            self._refused = self._refused | (~accepts & active)[:, None] & np.eye(N_ARMS, dtype=bool)[arm]
        sud = np.where(active, happened.sud, state.sud)
        following = Conditions(np.where(asked, after, np.nan), np.full(n, number + 1.0), told, np.full(n, np.nan))
        # A rating that was not asked leaves the one before: so the records have it.
        following = Conditions(
            np.where(asked, after, seen.sud), following.set_no, following.recovery, following.attention
        )
        return setting, State(sud, happened.tension), following

    def _points(self, present: Settings, careful: Bools) -> Points:
        n = self._plan.clients
        return Points(
            present=present,
            reference=self._own,
            speeds=np.broadcast_to(np.array(REPROCESSING.speed), (n, 2)),
            lengths=np.broadcast_to(np.array(REPROCESSING.length), (n, 2)),
            careful=careful,
            locked=self._locked,
            refused=self._refused,
        )

    def _decide(self, points: Points, found: Settings, seen: Conditions) -> _Chosen:
        mask = hard_mask(points, found)
        reference = reference_arm(mask)
        n = len(mask)
        uniforms = self._choice.random(n)
        if self._way is Way.LEARNED:
            return self._learned(points, found, seen, mask, reference, uniforms)
        even = mask / mask.sum(axis=1, keepdims=True)
        if self._way is Way.UNIFORM:
            return _Chosen(chosen(even, uniforms), mask, reference, even, np.zeros_like(even))
        own = np.eye(N_ARMS)[np.full(n, INDEX[Arm.DEFAULT])]
        if self._way is Way.CAREFUL:
            own = np.where(points.careful[:, None], even, own)
        # FIXED takes no notice of the mask: it is what happens without any of this.
        return _Chosen(chosen(own, uniforms), mask | (own > 0.0), reference, own, np.zeros_like(even))

    def _learned(
        self, points: Points, found: Settings, seen: Conditions, mask: Bools, reference: Whole, uniforms: Floats
    ) -> _Chosen:
        rules = self._plan.rules
        benefit, leaving = self._beliefs()
        action = action_rows(found, points.reference, strain(seen))
        allowed = conservative(benefit, leaving, action, mask, reference, rules)
        draws = self._choice.standard_normal((self._plan.draws, N_ACTION + N_ARMS))
        shares = best_shares(benefit, action, allowed, draws)
        probability = propensities(shares, allowed, reference, rules)
        expected = np.einsum("nka,na->nk", action, benefit.mean[:, :N_ACTION])
        return _Chosen(chosen(probability, uniforms), mask, reference, probability, expected)

    def _beliefs(self) -> tuple[Belief, Belief]:
        told, left = (belief_of(p, e) for p, e in zip(self._believed, self._evidence, strict=True))
        return told, left

    def _learn(self, setting: Settings, seen: Conditions, reward: Floats, left: Floats) -> None:
        if self._way is not Way.LEARNED:
            return
        rows = whole_rows(action_rows(as_arms(setting), self._own, strain(seen)), context_rows(seen))[:, 0]
        for k, outcome in enumerate((reward, left)):
            self._evidence[k] = with_outcomes(self._evidence[k], rows, outcome, self._priors[k].noise)

    def _count(self, active: Bools, setting: Settings, happened: Happened, fall: Floats, told: Floats) -> None:
        """The reward of every set counts, asked for or not: it is what happened to the client."""
        totals = self._totals
        totals.sets += active
        totals.seconds += active * setting.length
        totals.reward += active * _reward(fall, told, happened.left)
        totals.outside_s += active * happened.outside_s
        totals.left += active * happened.left

    def _account(self, active: Bools, decision: _Chosen, expected: Floats, points: Points) -> None:
        totals, rows = self._totals, np.arange(len(decision.arm))
        totals.decisions += active
        if self._way is not Way.FIXED:
            totals.forbidden += active & rules_broken(points, decision.arm)
        free = active & ~points.careful
        best = np.where(decision.mask, expected, -np.inf).max(axis=1)
        totals.free += free
        totals.regret += np.where(free, best - expected[rows, decision.arm], 0.0)
        totals.proposed[rows, decision.arm] += active

    def _counterfactual(
        self, state: State, found: Settings, accepts: Bools, luck: Luck, told: tuple[Floats, Floats], seen: Conditions
    ) -> Floats:
        """The reward (N, K) that proposing each arm would have had, with the same luck and the same answer to it."""
        truths = np.empty_like(found.speed)
        noise, felt = told
        for k in range(len(ARMS)):
            arm = np.where(accepts, k, INDEX[Arm.KEEP])
            happened = run_set(self._world, self._clients, eased(self._world, state, arm), picked(found, arm), luck)
            after = rated(self._world, happened.sud, noise)
            came_down = np.clip(happened.recovery + 0.1 * felt, 0.0, 1.0)
            truths[:, k] = _reward(seen.sud - after, came_down, happened.left)
        return truths

    def _log(self, active: Bools, decision: _Chosen, seen: Conditions, reward: Floats, truths: Floats) -> None:
        context = np.stack(
            [(seen.sud - 5.0) / 10.0, (seen.set_no - 5.0) / 10.0, np.nan_to_num(seen.recovery, nan=0.7) - 0.7], axis=1
        )
        unit = np.arange(len(active), dtype=np.float64)
        columns = (
            decision.propensity,
            decision.arm.astype(np.float64),
            reward,
            context,
            unit,
            decision.reference.astype(np.float64),
            decision.expected,
            truths,
        )
        if self._logged is not None:
            self._logged.rows.append(tuple(column[active] for column in columns))


def _reward(fall: Floats, recovery: Floats, left: Bools) -> Floats:
    return fall + RECOVERY_WEIGHT * recovery - LEAVING_WEIGHT * left
