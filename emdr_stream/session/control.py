"""Causes and confirmations in, the latched pause out: who may resume, and whether the client really stopped.

A pause latches: it can be tightened by a stricter cause and ended by an authorised resume, by nothing else.
Each control message is confirmed twice (`applied` on receipt, and again with `stopped_ts` when the stimulus is at
rest); an unconfirmed one is sent again, and after a second it becomes an alert.
"""

from typing import Final

import msgspec

from emdr_stream.domain import AlertKind, PauseCause, PauseMode, ResumeRequires, Severity
from emdr_stream.session.pacing import NEVER
from emdr_stream.settings import ControlSettings


class PauseRule(msgspec.Struct, frozen=True):
    """How a cause pauses: mode, who may resume, and the severity of its alert (None: no alert)."""

    mode: PauseMode
    requires: ResumeRequires
    alert: AlertKind | None
    severity: Severity | None


_CLIENT, _THERAPIST = ResumeRequires
PAUSE_RULES: Final[dict[PauseCause, PauseRule]] = {
    PauseCause.CLIENT_STOP: PauseRule(PauseMode.HARD, _CLIENT, AlertKind.CLIENT_STOP, Severity.HIGH),
    PauseCause.CRISIS: PauseRule(PauseMode.HARD, _THERAPIST, AlertKind.CRISIS, Severity.CRITICAL),
    PauseCause.DISSOCIATION: PauseRule(PauseMode.EASE_TO_CENTER, _THERAPIST, AlertKind.DISSOCIATION, Severity.HIGH),
    PauseCause.SIGNAL_LOST: PauseRule(PauseMode.EASE_TO_CENTER, _CLIENT, AlertKind.SIGNAL_LOST, Severity.MEDIUM),
    PauseCause.MANY_FACES: PauseRule(PauseMode.EASE_TO_CENTER, _CLIENT, AlertKind.MANY_FACES, Severity.MEDIUM),
    PauseCause.DEGRADED: PauseRule(PauseMode.EASE_TO_CENTER, _CLIENT, AlertKind.DEGRADED, Severity.MEDIUM),
    PauseCause.CLIENT_DISCONNECTED: PauseRule(PauseMode.HARD, _CLIENT, AlertKind.CLIENT_DISCONNECTED, Severity.MEDIUM),
    PauseCause.THERAPIST: PauseRule(PauseMode.HARD, _THERAPIST, None, None),
}
"""The table of causes in protocol.md, section 2. A therapist's pause may name another mode."""

_STRICTNESS: Final = {PauseMode.EASE_TO_CENTER: 0, PauseMode.FINISH_PASS: 0, PauseMode.HARD: 1}


class ControlState(msgspec.Struct):
    """The latch and the confirmation under way. Session times in milliseconds; restorable."""

    paused: bool = False
    control_epoch: int = 0
    mode: PauseMode = PauseMode.HARD
    reason: str = ""
    requires: ResumeRequires = ResumeRequires.CLIENT
    alert_id: str | None = None
    awaiting_receipt: bool = False
    awaiting_rest: bool = False
    sent_ms: int = 0
    received: bool = False
    """The client has confirmed the newest control message, since it was last sent."""
    stopped_ms: int | None = None
    """When the stimulus came to rest for the pause that stands, as the client says."""
    resend_ms: float = NEVER
    receipt_due_ms: float = NEVER
    rest_due_ms: float = NEVER


class Control:
    """The pause latch of one session."""

    __slots__ = ("_settings", "state")

    def __init__(self, settings: ControlSettings, state: ControlState | None = None) -> None:
        self._settings = settings
        self.state = state or ControlState()

    def tighten(self, reason: str, mode: PauseMode, requires: ResumeRequires) -> bool:
        """Pause, or make the pause stricter; False when the pause that stands is at least as strict."""
        state = self.state
        if state.paused:
            stricter_mode = _STRICTNESS[mode] > _STRICTNESS[state.mode]
            stricter_resume = requires is _THERAPIST and state.requires is _CLIENT
            if not (stricter_mode or stricter_resume):
                return False
            mode = mode if stricter_mode else state.mode
            requires = _THERAPIST if _THERAPIST in (requires, state.requires) else _CLIENT
        state.paused = True
        state.mode, state.reason, state.requires = mode, reason, requires
        state.received, state.stopped_ms = False, None
        state.control_epoch += 1
        return True

    def release(self) -> None:
        """End the pause. The caller has checked who asks."""
        self.state.paused = False
        self.state.alert_id = None
        self.state.control_epoch += 1

    def await_confirmation(self, at_ms: int, pass_ms: float) -> None:
        """A control message was sent (perhaps anew, after a reconnect); `pass_ms`: one cycle of the stimulus."""
        state, settings = self.state, self._settings
        state.sent_ms = at_ms
        state.awaiting_receipt = True
        state.received, state.stopped_ms = False, None
        state.awaiting_rest = state.paused
        state.resend_ms = at_ms + settings.receipt_ms
        state.receipt_due_ms = at_ms + settings.unconfirmed_ms if state.paused else NEVER
        rest = {
            PauseMode.HARD: settings.rest_hard_ms,
            PauseMode.EASE_TO_CENTER: settings.rest_ease_ms,
            PauseMode.FINISH_PASS: pass_ms + settings.rest_finish_margin_ms,
        }[state.mode]
        state.rest_due_ms = at_ms + rest if state.paused else NEVER

    def confirm(self, control_epoch: int, at_rest: bool) -> bool:
        """Take an `applied`; True when it completed the confirmation of the present control message."""
        state = self.state
        if control_epoch != state.control_epoch:
            return False
        waiting = state.awaiting_receipt or state.awaiting_rest
        state.awaiting_receipt, state.received = False, True
        state.resend_ms = state.receipt_due_ms = NEVER
        if at_rest or not state.paused:
            state.awaiting_rest = False
            state.rest_due_ms = NEVER
        return waiting and not state.awaiting_rest

    def suspend(self) -> None:
        """Nobody is there to confirm: stop waiting. The message is confirmed anew after the reconnect."""
        state = self.state
        state.awaiting_receipt = state.awaiting_rest = False
        state.resend_ms = state.receipt_due_ms = state.rest_due_ms = NEVER

    def due(self, at_ms: int) -> tuple[bool, bool]:
        """(send again, raise pause_unconfirmed) at `at_ms`; each deadline fires once, resending repeats."""
        state = self.state
        resend = at_ms >= state.resend_ms
        if resend:
            state.resend_ms = at_ms + self._settings.resend_every_ms
        overdue = at_ms >= min(state.receipt_due_ms, state.rest_due_ms)
        if overdue:
            state.receipt_due_ms = state.rest_due_ms = NEVER
        return resend, overdue

    def next_deadline(self) -> float:
        state = self.state
        return min(state.resend_ms, state.receipt_due_ms, state.rest_due_ms)
