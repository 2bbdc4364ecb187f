"""A live session in, how it stands between two sets out: what a proposal is made of, whether an old one still holds."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import UNSET

from emdr_stream.domain import SafetyLevel, SignalStatus, Status
from emdr_stream.personalization.arms import GENTLER, Arm, Part
from emdr_stream.personalization.gathering import own_setting
from emdr_stream.personalization.optimiser import Situation, careful
from emdr_stream.personalization.setting import Setting, bounds_of, setting_of
from emdr_stream.rest.operation import Call
from emdr_stream.rest.personalizer import History, applied_in, setting_from
from emdr_stream.rest.problems import Problem, ProblemCode
from emdr_stream.session.facts import merged
from emdr_stream.store.client_history import newest_levels
from emdr_stream.store.decisions import ACCEPTED, REJECTED, KeptDecision
from emdr_stream.wire.values import SessionConfig, SessionSummary

LOOK_BACK_MS: Final = 15_000
"""The highest level of so many last seconds counts: records lag by a second or two, and calm is not of one second."""
HOLDS_MS: Final = 600_000
"""A proposal that nobody has answered after this long is old."""
_LEVELS: Final = list(SafetyLevel)


@dataclass(frozen=True, slots=True)
class Standing:
    """A live session between two sets, and what is kept of its client."""

    summary: SessionSummary
    history: History
    situation: Situation


async def standing(call: Call[Any, Any], summary: SessionSummary) -> Standing:
    """How it stands. Raises Problem(conflict) within a set or while the client is away, StoreUnavailable."""
    if summary.set_started_ts is not UNSET:
        raise Problem(ProblemCode.CONFLICT, "a set is running: proposals are made between sets")
    if summary.status not in {Status.RUNNING, Status.PAUSED}:
        raise Problem(ProblemCode.CONFLICT, "the client is not connected")
    history = await call.parts.personalizer.history(summary.user)
    return Standing(summary, history, await _situation(call, summary, history))


def coming_config(summary: SessionSummary) -> SessionConfig:
    """What the next set begins with: what is in force, and what a therapist set while the session was not running. A
    proposal that knew the first alone would take back a gentler wish that waits for the resume."""
    return summary.config if summary.pending is UNSET else merged(summary.config, summary.pending)


async def _situation(call: Call[Any, Any], summary: SessionSummary, history: History) -> Situation:
    present = setting_of(coming_config(summary))
    done = [each for each in history.sets if each.session == summary.session_id]
    last = done[-1] if done else None
    return Situation(
        present=present,
        reference=_reference(history, summary.session_id, present),
        set_no=(summary.set_no or 0) + 1,
        level=await _level(call, summary),
        seen=summary.signal.status is SignalStatus.OK,
        phase=summary.phase,
        sud=None if summary.sud is UNSET else float(summary.sud),
        recovery=None if last is None else last.recovery,
        attention=None if last is None else last.attention,
        locked=history.locked,
        rejected=_rejected(history, summary.session_id),
    )


def _reference(history: History, session_id: str, present: Setting) -> Setting:
    """The therapist's own setting: where a proposal is in force, what it was held against; else what the rows say."""
    accepted = [each for each in history.decisions if each.session_id == session_id and each.answer == ACCEPTED]
    if accepted and setting_from(accepted[-1].proposal["setting"]) == present:
        return setting_from(accepted[-1].present["reference"])
    return own_setting(history.events.get(session_id, []), present, applied_in(history, session_id))


async def _level(call: Call[Any, Any], summary: SessionSummary) -> SafetyLevel:
    """The highest level of late: in the records, and in the session's own core where it lives here. A pause that stands
    counts; without a second to tell, nobody knows, and the careful side is taken."""
    since = call.parts.wall_ms() - LOOK_BACK_MS
    told = await call.parts.records.ask(newest_levels(summary.session_id, since))
    found = [SafetyLevel(each) for each in told if each in _LEVELS]
    runner = call.parts.registry.get(summary.session_id)
    if runner is not None:
        found.append(runner.core.care.monitor.level)
    if summary.status is Status.PAUSED:
        found.append(SafetyLevel.PAUSE)
    return max(found, key=_LEVELS.index) if told and found else SafetyLevel.WATCH


def _rejected(history: History, session_id: str) -> frozenset[Arm]:
    return frozenset(
        Arm(each.proposal["arm"])
        for each in history.decisions
        if each.session_id == session_id and each.answer == REJECTED
    )


def check_it_holds(decision: KeptDecision, now: Standing, now_ms: int) -> None:
    """Raises Problem(conflict) when what was proposed no longer fits: too old, something else in force, a risen level,
    another phase whose ranges it leaves, or a part that was locked since."""
    situation, proposed = now.situation, setting_from(decision.proposal["setting"])
    present, arm = setting_from(decision.present["present"]), Arm(decision.proposal["arm"])
    if now_ms - decision.ts_ms > HOLDS_MS:
        raise Problem(ProblemCode.CONFLICT, "the proposal is old: ask for another one")
    if situation.present not in {present, proposed}:
        raise Problem(ProblemCode.CONFLICT, "the stimulation was changed since: ask for another proposal")
    if careful(situation) and arm not in GENTLER:
        why = "the client's state has changed since: only gentler things can be applied now"
        raise Problem(ProblemCode.CONFLICT, why)
    # The therapist's own setting is theirs in any phase, as it is when proposals are drawn.
    if arm is not Arm.DEFAULT and bounds_of(situation.phase).left_by(situation.present, proposed):
        raise Problem(ProblemCode.CONFLICT, "the phase has changed since, and it leaves the ranges of this one")
    moved = _moved(situation.present, proposed) & situation.locked
    if moved:
        raise Problem(ProblemCode.CONFLICT, f"locked since it was proposed: {', '.join(sorted(moved))}")


def check_unmoved(before: SessionSummary, now: SessionSummary) -> None:
    """Raises Problem(conflict) when the session is no longer as it was when a proposal was found to hold."""
    if _state_of(before) != _state_of(now):
        raise Problem(ProblemCode.CONFLICT, "the session has changed this moment: look again")


def _state_of(summary: SessionSummary) -> tuple[object, ...]:
    return summary.status, summary.set_started_ts, summary.phase, setting_of(coming_config(summary))


def _moved(present: Setting, proposed: Setting) -> frozenset[Part]:
    changes = {
        Part.SPEED: present.speed != proposed.speed,
        Part.LENGTH: present.length != proposed.length,
        Part.PATH: present.path != proposed.path,
        Part.SOUND: present.sound != proposed.sound,
    }
    return frozenset(part for part, differs in changes.items() if differs)


def change_of(config: SessionConfig, present: SessionConfig) -> SessionConfig:
    """The fields of a proposed configuration that differ from what is in force. What was expected of it stays out: the
    client is sent these fields."""
    names = ("pattern_type", "speed", "duration", "audio_config")
    wanted = {name: getattr(config, name) for name in names if getattr(config, name) != getattr(present, name)}
    return SessionConfig(**wanted)


def kept(value: Any) -> Any:
    """A value as plain JSON values, for the records."""
    return msgspec.to_builtins(value)
