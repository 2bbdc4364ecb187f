"""Scores over time in, decisions out: the safety monitor, an explicit state machine with persistence and hysteresis.

    NORMAL ─▶ WATCH ─▶ ADVISE ─▶ PAUSE ─▶ ESCALATE        (any level may be skipped on the way up)

Thresholds are calibrated probabilities. A condition must hold for a while before it counts, and ends only well below
its threshold. The brief's rule paused at 0.7 with nothing to say; here every pause carries an intervention.
"""

from enum import StrEnum
from typing import Final

import msgspec

from emdr_stream.domain import AlertKind, SafetyLevel, Thresholds
from emdr_stream.settings import SafetySettings


class LevelEvent(StrEnum):
    """What moves the level."""

    WATCH = "watch"
    ADVISE = "advise"
    PAUSE = "pause"
    UNACKNOWLEDGED = "unacknowledged"
    ACKNOWLEDGED = "acknowledged"
    RESUMED = "resumed"
    ADVICE_OVER = "advice_over"
    CALM = "calm"


_N, _W, _A, _P, _E = SafetyLevel
TRANSITIONS: Final[dict[tuple[SafetyLevel, LevelEvent], SafetyLevel]] = {
    (_N, LevelEvent.WATCH): _W,
    (_N, LevelEvent.ADVISE): _A,
    (_N, LevelEvent.PAUSE): _P,
    (_W, LevelEvent.CALM): _N,
    (_W, LevelEvent.ADVISE): _A,
    (_W, LevelEvent.PAUSE): _P,
    (_A, LevelEvent.ADVICE_OVER): _W,
    (_A, LevelEvent.PAUSE): _P,
    (_P, LevelEvent.UNACKNOWLEDGED): _E,
    (_P, LevelEvent.RESUMED): _W,
    (_E, LevelEvent.ACKNOWLEDGED): _P,
    (_E, LevelEvent.RESUMED): _W,
}
"""All moves of the level. A pair that is not here leaves the level as it is: no event but these can lower it."""


def next_level(level: SafetyLevel, event: LevelEvent) -> SafetyLevel:
    return TRANSITIONS.get((level, event), level)


class Decision(msgspec.Struct, frozen=True):
    """What the monitor wants done. `over`: the condition ended; `immediate`: the higher threshold was passed."""

    kind: AlertKind
    probability: float
    threshold: float
    immediate: bool = False
    over: bool = False


class Condition(msgspec.Struct):
    """A value above a threshold for long enough; ends below the exit. Times in milliseconds."""

    held_ms: int = 0
    active: bool = False

    def update(self, value: float, threshold: float, leave: float, gap_ms: int, persist_ms: int) -> bool:
        """True when the condition becomes active. Between exit and threshold the time held neither grows nor falls."""
        if value <= leave:
            self.held_ms = 0
            self.active = False
        elif value > threshold and not self.active:
            self.held_ms += gap_ms
            if self.held_ms >= persist_ms:
                self.active = True
                return True
        return False


class Mute(msgspec.Struct):
    """A cause that an authorised person has seen and resumed from; silent until it ends, or the time is over."""

    until_ms: int
    immediate: bool


class MonitorState(msgspec.Struct):
    """What the monitor remembers; restorable."""

    level: SafetyLevel = SafetyLevel.NORMAL
    last_ms: int | None = None
    risk: Condition = msgspec.field(default_factory=Condition)
    pause: Condition = msgspec.field(default_factory=Condition)
    immediate: Condition = msgspec.field(default_factory=Condition)
    dissociation: Condition = msgspec.field(default_factory=Condition)
    risk_calm_ms: int = 0
    mutes: dict[AlertKind, Mute] = msgspec.field(default_factory=dict)


class SafetyMonitor:
    """The monitor of one session. `thresholds` may be replaced at any time."""

    __slots__ = (
        "_pause_at",
        "_quiet",
        "_quiet_crisis",
        "_quiet_hypoarousal",
        "_quiet_risk",
        "_settings",
        "_thresholds",
        "_watch_from",
        "state",
    )

    def __init__(self, settings: SafetySettings, thresholds: Thresholds, state: MonitorState | None = None) -> None:
        self._settings = settings
        self.state = state or MonitorState()
        self.thresholds = thresholds

    @property
    def thresholds(self) -> Thresholds:
        return self._thresholds

    @thresholds.setter
    def thresholds(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        # What calls for an immediate intervention pauses, too, wherever the other one stands.
        self._pause_at = min(thresholds.crisis_pause, thresholds.crisis_immediate)
        self._quiet = False
        self._quiet_risk = self._leave(thresholds.risk)
        self._watch_from = max(self._quiet_risk, thresholds.risk - self._settings.watch_margin)
        self._quiet_crisis = min(self._quiet_risk, self._leave(self._pause_at))
        self._quiet_hypoarousal = self._leave(self._settings.dissociation_threshold)

    @property
    def level(self) -> SafetyLevel:
        return self.state.level

    def note(self, event: LevelEvent) -> None:
        """Move the level for something that the session knows: a pause of its own, an acknowledgement."""
        self.state.level = next_level(self.state.level, event)
        self._quiet = False

    def update(self, risk: float, crisis: float, hypoarousal: float, at_ms: int) -> list[Decision]:
        """Evaluate finite probabilities at session time `at_ms`; the decisions in order of their weight."""
        state = self.state
        quiet = risk <= self._quiet_risk and crisis <= self._quiet_crisis and hypoarousal <= self._quiet_hypoarousal
        if quiet and self._quiet:
            state.last_ms = at_ms
            return []
        decisions = self._weigh(risk, crisis, hypoarousal, at_ms)
        # After a quiet reading nothing is held or, bar an advice that fades, active: the next one has nothing to end.
        self._quiet = quiet and state.level is SafetyLevel.NORMAL and not state.mutes and not state.risk.active
        return decisions

    def _weigh(self, risk: float, crisis: float, hypoarousal: float, at_ms: int) -> list[Decision]:
        state, settings = self.state, self._settings
        gap = 0 if state.last_ms is None else min(at_ms - state.last_ms, settings.max_gap_ms)
        state.last_ms = at_ms
        decisions: list[Decision] = []
        self._crisis(crisis, gap, at_ms, decisions)
        limit = settings.dissociation_threshold
        leave = self._leave(limit)
        rose = state.dissociation.update(hypoarousal, limit, leave, gap, settings.dissociation_persist_ms)
        self._end_mute(AlertKind.DISSOCIATION, hypoarousal <= leave, at_ms)
        if rose and not self._muted(AlertKind.DISSOCIATION):
            decisions.append(Decision(AlertKind.DISSOCIATION, hypoarousal, limit))
        self._risk(risk, gap, decisions)
        if decisions:
            self._raise_level(decisions)
        worst = max(risk, crisis)
        if worst > self._watch_from:
            self.note(LevelEvent.WATCH)
        elif worst <= self._quiet_risk:
            self.note(LevelEvent.CALM)
        return decisions

    def resumed(self, at_ms: int) -> None:
        """An authorised person resumed: what is active now is known to them and not repeated at once."""
        state = self.state
        until = at_ms + self._settings.refractory_ms
        if state.pause.active or state.immediate.active:
            state.mutes[AlertKind.CRISIS] = Mute(until, state.immediate.active)
        if state.dissociation.active:
            state.mutes[AlertKind.DISSOCIATION] = Mute(until, False)
        self.note(LevelEvent.RESUMED)
        if state.risk.active:
            self.note(LevelEvent.ADVISE)

    def _leave(self, limit: float) -> float:
        """Where a condition with this threshold ends; a low threshold keeps an end that can be reached."""
        return max(limit - self._settings.hysteresis, limit / 2)

    def _crisis(self, crisis: float, gap: int, at_ms: int, decisions: list[Decision]) -> None:
        state, settings = self.state, self._settings
        pause_at, immediate_at = self._pause_at, self._thresholds.crisis_immediate
        leave, high_leave = self._leave(pause_at), self._leave(immediate_at)
        rose_high = state.immediate.update(crisis, immediate_at, high_leave, gap, settings.immediate_persist_ms)
        rose = state.pause.update(crisis, pause_at, leave, gap, settings.pause_persist_ms)
        self._end_mute(AlertKind.CRISIS, crisis <= leave, at_ms)
        if rose_high:
            state.pause.active = True
            if not self._muted(AlertKind.CRISIS, immediate=True):
                decisions.append(Decision(AlertKind.CRISIS, crisis, immediate_at, immediate=True))
        elif rose and not self._muted(AlertKind.CRISIS):
            decisions.append(Decision(AlertKind.CRISIS, crisis, pause_at))

    def _risk(self, risk: float, gap: int, decisions: list[Decision]) -> None:
        state, settings, limit = self.state, self._settings, self.thresholds.risk
        leave = self._leave(limit)
        was = state.risk.active
        if state.risk.active:
            state.risk_calm_ms = state.risk_calm_ms + gap if risk <= leave else 0
            if state.risk_calm_ms >= settings.clear_ms:
                state.risk, state.risk_calm_ms = Condition(), 0
                self.note(LevelEvent.ADVICE_OVER)
        elif state.risk.update(risk, limit, leave, gap, settings.advise_persist_ms):
            decisions.append(Decision(AlertKind.HIGH_RISK, risk, limit))
        if was and not state.risk.active:
            decisions.append(Decision(AlertKind.HIGH_RISK, risk, limit, over=True))

    def _muted(self, kind: AlertKind, immediate: bool = False) -> bool:
        """Whether a cause is known to whoever resumed, and no more urgent now than it was then."""
        mute = self.state.mutes.get(kind)
        return mute is not None and (mute.immediate or not immediate)

    def _end_mute(self, kind: AlertKind, ended: bool, at_ms: int) -> None:
        """A mute ends with its cause, or with its time: then a cause that still holds must rise anew."""
        mute = self.state.mutes.get(kind)
        if mute is None or not (ended or at_ms >= mute.until_ms):
            return
        del self.state.mutes[kind]
        if ended:
            return
        if kind is AlertKind.CRISIS:
            self.state.pause, self.state.immediate = Condition(), Condition()
        else:
            self.state.dissociation = Condition()

    def _raise_level(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            if not decision.over:
                pauses = decision.kind is not AlertKind.HIGH_RISK
                self.note(LevelEvent.PAUSE if pauses else LevelEvent.ADVISE)
