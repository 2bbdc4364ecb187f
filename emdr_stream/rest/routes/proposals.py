"""What is known of a client, and what is proposed for their next set: for therapists and back ends, not for clients."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, Literal

import numpy as np
from msgspec import Meta, convert

from emdr_stream.personalization.arms import IN_WORDS, Arm, Part
from emdr_stream.personalization.effectiveness import Effectiveness
from emdr_stream.personalization.optimiser import Fate, Proposal, Weighed, propose
from emdr_stream.personalization.profile import Profile
from emdr_stream.personalization.setting import Setting, config_of
from emdr_stream.rest.operation import THERAPIST_AND_SERVICE, Asked, Call, NoQuery, Operation, Told
from emdr_stream.rest.problems import Problem, ProblemCode, not_found
from emdr_stream.rest.proposing import (
    Standing,
    change_of,
    check_it_holds,
    check_unmoved,
    coming_config,
    kept,
    standing,
)
from emdr_stream.rest.reach import live_session, order
from emdr_stream.store.decisions import (
    ACCEPTED,
    REJECTED,
    KeptDecision,
    answer_decision,
    decision_of,
    keep_decision,
    locks_of,
    set_locks,
)
from emdr_stream.wire.values import Name, SessionConfig, ShortText
from emdr_stream.wire.watch import ConfigSet

_SEED_BITS: Final = 64
_ANSWERING_S: Final = 5.0
"""An answer waits for another one to the same proposal, and for the worker that has the session."""


class ProfileQuery(Asked, frozen=True, kw_only=True):
    user: Annotated[Name, Meta(description="one of your clients")]


class ClientProfile(Told, frozen=True, kw_only=True):
    """What is known of a client over their sessions; each figure with its 90 % interval and what stands behind it."""

    user: str
    profile: Profile


class SessionQuestion(Asked, frozen=True, kw_only=True):
    session_id: Name


class Recommendation(Told, frozen=True, kw_only=True):
    """One thing that could be done before the next set. `benefit`: against the therapist's own setting, in points of
    SUD, with a 90 % interval; `sure`: that interval leaves 0 out. `fate`: why it is or is not among the proposals."""

    arm: Arm
    words: str
    setting: Setting
    fate: Fate
    benefit: float
    low: float
    high: float
    sure: bool


class Recommended(Told, frozen=True, kw_only=True):
    """What could be done now, the most promising first; nothing is drawn, kept or applied. `gentler_only`: the safety
    level or the sight of the client leave nothing else. `effectiveness`: of what is in force."""

    session_id: str
    gentler_only: bool
    present: Setting
    effectiveness: Effectiveness
    recommendations: tuple[Recommendation, ...]


class Proposed(Told, frozen=True, kw_only=True):
    """A proposal for the next set: a therapist applies it with `accept`, or says `reject`. `config`: the whole
    configuration, with `predicted_effectiveness` where there are enough data: the probability that the next set's
    benefit is above 0. `propensity`: with which probability this arm was drawn. `arms`: what became of every arm."""

    decision_id: str
    session_id: str
    user: str
    arm: Arm
    words: str
    changes: bool
    config: SessionConfig
    reference: Arm | None
    propensity: float
    reasons: tuple[str, ...]
    effectiveness: Effectiveness
    arms: tuple[Weighed, ...]


class AnswerRequest(Asked, frozen=True, kw_only=True):
    """`note`: why, without names; it is kept with the answer."""

    decision_id: Name
    note: Annotated[ShortText, Meta(min_length=1)] | None = None


class Answered(Told, frozen=True, kw_only=True):
    """The answer is kept. `applied`: the fields that the session was told to change; null when there were none."""

    decision_id: str
    answer: Literal["accepted", "rejected"]
    applied: SessionConfig | None


class LockRequest(Asked, frozen=True, kw_only=True):
    """`parts`: exactly these are locked from now on; none unlocks all."""

    user: Name
    parts: Annotated[tuple[Part, ...], Meta(max_length=len(Part))]


class Locked(Told, frozen=True, kw_only=True):
    user: str
    parts: tuple[Part, ...]


async def profile(call: Call[None, ProfileQuery]) -> ClientProfile:
    """What is known of one client."""
    user = call.check_user(call.query.user)
    history = await call.parts.personalizer.history(user)
    return ClientProfile(user=user, profile=history.profile())


async def recommend(call: Call[SessionQuestion, NoQuery]) -> Recommended:
    """What could be done before the next set, weighed."""
    now = await _now(call)
    proposal = await _proposal(call, now, secrets.randbits(_SEED_BITS))
    weighed = sorted(
        (each for each in proposal.weighed if each.fate is not Fate.MASKED), key=lambda each: -each.benefit
    )
    return Recommended(
        session_id=now.summary.session_id,
        gentler_only=proposal.reference is None,
        present=now.situation.present,
        effectiveness=proposal.effectiveness,
        recommendations=tuple(map(_recommendation, weighed)),
    )


async def optimize(call: Call[SessionQuestion, NoQuery]) -> Proposed:
    """Draw a proposal for the next set, and keep it with every probability."""
    now = await _now(call)
    seed = secrets.randbits(_SEED_BITS)
    proposal = await _proposal(call, now, seed)
    summary, situation = now.summary, now.situation
    decision = KeptDecision(
        decision_id=f"{summary.session_id[:40]}.d{secrets.token_hex(6)}",
        user=summary.user,
        session_id=summary.session_id,
        therapist=call.principal.sub,
        ts_ms=call.parts.wall_ms(),
        policy=proposal.policy,
        present={"present": kept(situation.present), "reference": kept(situation.reference), "seed": str(seed)},
        proposal=kept(proposal),
    )
    await call.parts.records.ask(keep_decision(decision))
    effect = proposal.effectiveness.effect
    return Proposed(
        decision_id=decision.decision_id,
        session_id=summary.session_id,
        user=summary.user,
        arm=proposal.arm,
        words=IN_WORDS[proposal.arm],
        changes=proposal.changes,
        config=config_of(proposal.setting, coming_config(summary), None if effect is None else effect.chance),
        reference=proposal.reference,
        propensity=proposal.propensity,
        reasons=proposal.reasons,
        effectiveness=proposal.effectiveness,
        arms=proposal.weighed,
    )


async def accept(call: Call[AnswerRequest, NoQuery]) -> Answered:
    """Apply a proposal as the caller's own wish, by the session's own core; then keep that it was accepted."""
    decision = await _decision(call)
    if decision.answer == ACCEPTED:
        return Answered(decision_id=decision.decision_id, answer=ACCEPTED, applied=None)
    _check_open(decision, ACCEPTED)
    summary = await live_session(call, decision.session_id)
    now = await standing(call, summary)
    check_it_holds(decision, now, call.parts.wall_ms())
    coming = coming_config(summary)
    change = change_of(config_of(convert(decision.proposal["setting"], Setting), coming, None), coming)

    async def apply() -> None:
        # The questions above took their time: a pause or another wish may have come meanwhile.
        check_unmoved(summary, await live_session(call, decision.session_id))
        if change != SessionConfig():
            await order(call, ConfigSet(session_id=decision.session_id, config=change))

    written = await _keep_answer(call, decision, ACCEPTED, apply)
    applied = change if written and change != SessionConfig() else None
    return Answered(decision_id=decision.decision_id, answer=ACCEPTED, applied=applied)


async def reject(call: Call[AnswerRequest, NoQuery]) -> Answered:
    """Keep that a proposal was rejected: it does not come again in this session."""
    decision = await _decision(call)
    if decision.answer != REJECTED:
        _check_open(decision, REJECTED)
        await _keep_answer(call, decision, REJECTED)
    return Answered(decision_id=decision.decision_id, answer=REJECTED, applied=None)


async def lock(call: Call[LockRequest, NoQuery]) -> Locked:
    """Lock parts of the stimulation against proposals, for one client."""
    user = call.check_user(call.body.user)
    parts = sorted({part.value for part in call.body.parts})
    records = call.parts.records
    await records.ask(set_locks(user, parts, call.principal.sub, call.parts.wall_ms()))
    call.parts.registry.audit(
        {"action": "proposals.lock", "by": call.principal.sub, "role": call.principal.role.value, "parts": parts},
        user=user,
    )
    return Locked(user=user, parts=tuple(Part(each) for each in await records.ask(locks_of(user))))


async def _now(call: Call[SessionQuestion, NoQuery]) -> Standing:
    return await standing(call, await live_session(call, call.body.session_id))


async def _proposal(call: Call[Any, Any], now: Standing, seed: int) -> Proposal:
    known = await call.parts.personalizer.known(now.history)
    return propose(known, now.situation, np.random.default_rng(seed))


async def _decision(call: Call[AnswerRequest, NoQuery]) -> KeptDecision:
    """Raises Problem(not_found) also for one of somebody else's client."""
    decision = await call.parts.records.ask(decision_of(call.body.decision_id))
    if decision is None:
        raise not_found("proposal", "decision_id")
    if not call.principal.may_see(decision.user):
        call.refused_session(decision.session_id)
        raise not_found("proposal", "decision_id")
    return decision


def _check_open(decision: KeptDecision, answer: str) -> None:
    if decision.answer is not None:
        raise Problem(ProblemCode.CONFLICT, f"it was {decision.answer} before, and cannot be {answer} now")


async def _keep_answer(
    call: Call[AnswerRequest, NoQuery],
    decision: KeptDecision,
    answer: str,
    act: Callable[[], Awaitable[None]] | None = None,
) -> bool:
    """False when somebody was faster with the same answer, and `act` was not done. Raises Problem(conflict) when it was
    another one."""
    by, at_ms = call.principal.sub, call.parts.wall_ms()
    work = answer_decision(decision, by, at_ms, answer, call.body.note, act)
    if not await call.parts.records.ask(work, _ANSWERING_S):
        now = await call.parts.records.ask(decision_of(decision.decision_id))
        if now is None or now.answer != answer:
            raise Problem(ProblemCode.CONFLICT, "somebody has answered it meanwhile")
        return False
    call.parts.registry.audit(
        {
            "action": f"proposal.{answer}",
            "by": by,
            "role": call.principal.role.value,
            "decision_id": decision.decision_id,
            "arm": decision.proposal["arm"],
        },
        session_id=decision.session_id,
        user=decision.user,
    )
    return True


def _recommendation(weighed: Weighed) -> Recommendation:
    return Recommendation(
        arm=weighed.arm,
        words=IN_WORDS[weighed.arm],
        setting=weighed.setting,
        fate=weighed.fate,
        benefit=weighed.benefit,
        low=weighed.low,
        high=weighed.high,
        sure=not weighed.low <= 0.0 <= weighed.high,
    )


_LIVE: Final = frozenset({ProblemCode.NOT_FOUND, ProblemCode.SESSION_OVER, ProblemCode.CONFLICT})

OPERATIONS: Final = (
    Operation(
        name="personalization.profile",
        method="GET",
        path="/v1/personalization/profile",
        summary="What is known of a client over their sessions, and how surely.",
        roles=THERAPIST_AND_SERVICE,
        handle=profile,
        query=ProfileQuery,
        answer=ClientProfile,
        problems=frozenset({ProblemCode.NOT_FOUND}),
    ),
    Operation(
        name="personalization.recommend",
        method="POST",
        path="/v1/personalization/recommend",
        summary="What could be done before the next set of a live session, weighed; nothing is kept or applied.",
        roles=THERAPIST_AND_SERVICE,
        handle=recommend,
        body=SessionQuestion,
        answer=Recommended,
        problems=_LIVE,
    ),
    Operation(
        name="personalization.optimize",
        method="POST",
        path="/v1/personalization/optimize",
        summary="Draw a proposal for the next set of a live session; nothing is applied.",
        roles=THERAPIST_AND_SERVICE,
        handle=optimize,
        body=SessionQuestion,
        answer=Proposed,
        acts=True,
        problems=_LIVE,
    ),
    Operation(
        name="personalization.accept",
        method="POST",
        path="/v1/personalization/accept",
        summary="Apply a proposal, as a wish of your own.",
        roles=THERAPIST_AND_SERVICE,
        handle=accept,
        body=AnswerRequest,
        answer=Answered,
        acts=True,
        problems=_LIVE,
    ),
    Operation(
        name="personalization.reject",
        method="POST",
        path="/v1/personalization/reject",
        summary="Say no to a proposal: it does not come again in this session.",
        roles=THERAPIST_AND_SERVICE,
        handle=reject,
        body=AnswerRequest,
        answer=Answered,
        acts=True,
        problems=_LIVE,
    ),
    Operation(
        name="personalization.lock",
        method="POST",
        path="/v1/personalization/lock",
        summary="Lock parts of the stimulation against proposals, for one client.",
        roles=THERAPIST_AND_SERVICE,
        handle=lock,
        body=LockRequest,
        answer=Locked,
        acts=True,
        problems=frozenset({ProblemCode.NOT_FOUND}),
    ),
)
