"""Causes for action in, effects out: pauses, interventions, alerts and adaptation of one session, and who may end them.

The part of the core that acts. It holds the session's status, the pause latch, the open alerts, the safety level and
the stimulation; `seeing.py` is the part that looks.
"""

from typing import Any, Final

import msgspec
from msgspec import UNSET

from emdr_stream.domain import AlertKind, AlertState, PauseCause, PauseMode, ResumeRequires, Severity, Status
from emdr_stream.errors import ErrorCode, ProtocolError
from emdr_stream.pipeline.safety import LevelEvent, SafetyMonitor
from emdr_stream.session.alerts import AlertBook
from emdr_stream.session.control import PAUSE_RULES, Control
from emdr_stream.session.effects import AlertAcknowledged, Over, PauseConfirmed, Raise, Send
from emdr_stream.session.facts import CoreState, SessionFacts, SessionSnapshot
from emdr_stream.session.interventions import FOR_PAUSE
from emdr_stream.session.ledger import Ledger
from emdr_stream.session.lifecycle import Trigger, next_status
from emdr_stream.session.pacing import NEVER
from emdr_stream.session.stimulation import Stimulation
from emdr_stream.settings import SessionSettings
from emdr_stream.wire.stream import ControlPause, ControlResume, Ended, InterventionMessage
from emdr_stream.wire.values import AlertBody, Evidence, Intervention, ModelRef, Totals
from emdr_stream.wire.watch import AppliedNotice, ControlNotice, InterventionNotice, SessionClosed, SessionDetached

_FROM_CLIENT_STATE: Final = frozenset({PauseCause.CRISIS, PauseCause.DISSOCIATION, PauseCause.CLIENT_STOP})
"""Causes that lie in the client, not in the technique: they raise the safety level."""
_GENTLER_AFTER: Final = frozenset({PauseCause.CRISIS, PauseCause.DISSOCIATION})
_ENDED_BY_RESUME: Final = (
    AlertKind.CRISIS,
    AlertKind.DISSOCIATION,
    AlertKind.CLIENT_STOP,
    AlertKind.PAUSE_UNCONFIRMED,
)


class Care:
    """What is done for one client. Methods write their effects to the ledger, which the core hands on."""

    __slots__ = ("_settings", "alerts", "control", "facts", "ledger", "monitor", "state", "stimulation")

    def __init__(self, facts: SessionFacts, settings: SessionSettings, snapshot: SessionSnapshot | None = None) -> None:
        self.facts = facts
        self._settings = settings.control
        s = snapshot
        self.state = s.core if s else CoreState(config=facts.config, thresholds=facts.thresholds)
        self.ledger = Ledger(facts, self.state, settings.control.durable_kept)
        self.control = Control(settings.control, s.control if s else None)
        self.alerts = AlertBook(facts.session_id, facts.started_ts, settings.control, s.alerts if s else None)
        self.monitor = SafetyMonitor(settings.safety, self.state.thresholds, s.monitor if s else None)
        self.stimulation = Stimulation(self.ledger, settings.adaptation, s.adaptation if s else None)

    @property
    def models(self) -> tuple[ModelRef, ...]:
        """Who speaks now; the first decides."""
        models = self.state.models
        return self.facts.models if models is None else models

    # the pause latch ----------------------------------------------------------------------------------------------

    def pause(
        self,
        cause: PauseCause,
        at_ms: int,
        *,
        evidence: tuple[Evidence, ...] = (),
        alert: AlertBody | None = None,
        with_alert: bool = True,
        mode: PauseMode | None = None,
        requires: ResumeRequires | None = None,
        intervention: Intervention | None = None,
    ) -> None:
        """Pause for `cause`, with its alert and an intervention; a pause that stands is only made stricter.

        `mode` and `requires`: in place of those of the cause.
        """
        if self.state.status is Status.ENDED:
            return
        rule = PAUSE_RULES[cause]
        if alert is None and with_alert and rule.alert is not None and rule.severity is not None:
            alert = self.raise_alert(rule.alert, rule.severity, at_ms, evidence) or self.alerts.find(rule.alert)
        if cause in _FROM_CLIENT_STATE:
            self.monitor.note(LevelEvent.PAUSE)
        self.state.gentler_after_resume |= cause in _GENTLER_AFTER
        self.state.tally.pauses += not self.control.state.paused
        if not self.control.tighten(cause, mode or rule.mode, requires or rule.requires):
            if intervention is not None:
                self.intervene(intervention, at_ms)
            return
        self.state.status = next_status(self.state.status, Trigger.PAUSE) or self.state.status
        self.control.state.alert_id = alert.alert_id if alert else None
        self.stimulation.interrupt_set(at_ms)
        self.tell_pause(at_ms)
        self.intervene(intervention or FOR_PAUSE[cause], at_ms)

    def resume(self, by: str, at_ms: int) -> None:
        """End the pause; the caller has checked that `by` may. Raises ProtocolError(resume_denied) unless paused."""
        if self.state.status is not Status.PAUSED:
            why = "the client is not connected" if self.state.status is Status.DETACHED else "the session is not paused"
            raise ProtocolError(ErrorCode.RESUME_DENIED, f"nothing to resume: {why}")
        self.control.release()
        self.state.status = next_status(Status.PAUSED, Trigger.RESUME) or Status.PAUSED
        self.monitor.resumed(at_ms)
        if self.state.sud_rising:
            self.monitor.note(LevelEvent.ADVISE)
        ledger, epoch = self.ledger, self.state.epoch
        fields: dict[str, Any] = {
            "seq": ledger.next_seq(),
            "control_epoch": self.control.state.control_epoch,
            "by": by,
        }
        ledger.send_durable(ControlResume(epoch=epoch, **fields))
        self._await_confirmation(at_ms)
        ledger.notify(
            ControlNotice(
                session_id=self.facts.session_id,
                epoch=epoch,
                action="resume",
                ts=self.facts.started_ts + at_ms,
                **fields,
            )
        )
        ledger.keep("control", at_ms, action="resume", **fields)
        for kind in _ENDED_BY_RESUME:
            self.resolve(kind, at_ms)
        self.stimulation.grant_waiting(at_ms)
        if self.state.gentler_after_resume:
            self.state.gentler_after_resume = False
            self.stimulation.begin_gentler(at_ms)

    def tell_pause(self, at_ms: int) -> None:
        """Tell client and watchers of the pause that stands, with a number of its own."""
        control, ledger, epoch = self.control.state, self.ledger, self.state.epoch
        fields: dict[str, Any] = {
            "seq": ledger.next_seq(),
            "control_epoch": control.control_epoch,
            "mode": control.mode,
            "reason": control.reason,
            "resume_requires": control.requires,
            "alert_id": UNSET if control.alert_id is None else control.alert_id,
        }
        ledger.send_durable(ControlPause(epoch=epoch, **fields))
        if self.state.status is Status.PAUSED:
            self._await_confirmation(at_ms)
        ledger.notify(
            ControlNotice(
                session_id=self.facts.session_id,
                epoch=epoch,
                action="pause",
                ts=self.facts.started_ts + at_ms,
                **fields,
            )
        )
        ledger.keep("control", at_ms, action="pause", **{**fields, "alert_id": control.alert_id})

    def confirm(self, control_epoch: int, stopped_ms: int | None, at_ms: int) -> None:
        """The client confirms a control message, on receipt or at rest; one for an earlier message changes nothing.

        `stopped_ms`: session time at which the stimulus came to rest, None on receipt.
        Raises ProtocolError(invalid_field) for a `control_epoch` that was never sent.
        """
        control = self.control.state
        if not 0 < control_epoch <= control.control_epoch:
            why = f"`control_epoch` {'is newer than' if control_epoch > 0 else 'names no'} message of this session"
            raise ProtocolError(ErrorCode.INVALID_FIELD, why, param="control_epoch")
        if control_epoch < control.control_epoch or not (control.awaiting_receipt or control.awaiting_rest):
            return
        stopped = stopped_ms is not None
        if self.control.confirm(control_epoch, stopped) and control.paused:
            self.resolve(AlertKind.PAUSE_UNCONFIRMED, at_ms)
            self.ledger.out.append(PauseConfirmed((at_ms - control.sent_ms) / 1_000))
        rest: dict[str, Any] = {}
        if stopped and control.paused:
            control.stopped_ms = stopped_ms if control.stopped_ms is None else control.stopped_ms
            rest["stopped_ts"] = self.facts.started_ts + (control.stopped_ms or 0)
        self.ledger.notify(
            AppliedNotice(
                session_id=self.facts.session_id,
                control_epoch=control_epoch,
                ts=self.facts.started_ts + at_ms,
                **rest,
            )
        )
        self.ledger.keep("control", at_ms, action="applied", control_epoch=control_epoch, stopped=stopped, **rest)

    def check_confirmation(self, at_ms: int) -> None:
        """Send an unconfirmed control message again; raise the alert when its time is over."""
        again, overdue = self.control.due(at_ms)
        if again:
            self._send_anew()
        if overdue:
            self.raise_alert(AlertKind.PAUSE_UNCONFIRMED, Severity.HIGH, at_ms, ())

    # alerts and interventions -------------------------------------------------------------------------------------

    def raise_alert(
        self,
        kind: AlertKind,
        severity: Severity,
        at_ms: int,
        evidence: tuple[Evidence, ...],
        *,
        probability: float | None = None,
        threshold: float | None = None,
        model: ModelRef | None = None,
        again: bool = False,
    ) -> AlertBody | None:
        body = self.alerts.raise_alert(
            kind,
            severity,
            at_ms,
            evidence,
            probability=probability,
            threshold=threshold,
            model=model,
            again=again,
        )
        if body is not None:
            self.ledger.out.append(Raise(body))
            self.ledger.wake_by(self.alerts.next_deadline())
        return body

    def report(self, severity: Severity, text: str, by: str, at_ms: int) -> None:
        """Raise the alert that a person or a back end asks for; whoever acknowledges it has dealt with it."""
        body = self.alerts.raise_alert(AlertKind.REPORTED, severity, at_ms, (), report=(by, text))
        if body is not None:
            self.ledger.out.append(Raise(body))
            self.ledger.wake_by(self.alerts.next_deadline())

    def resolve(self, kind: AlertKind, at_ms: int) -> None:
        self.ledger.out.extend(Raise(body) for body in self.alerts.resolve(kind, at_ms))

    def acknowledge(self, alert_id: str, by: str, note: str | None, at_ms: int) -> None:
        """The first one wins. Raises ProtocolError(invalid_field) for an alert that this session never raised."""
        deed: dict[str, Any] = {"action": "ack", "by": by, "alert_id": alert_id, "note": note}
        if not self.alerts.knows(alert_id):
            self.ledger.keep("audit", at_ms, **deed, refused=True)
            raise ProtocolError(ErrorCode.INVALID_FIELD, "`alert_id` names no alert of this session", param="alert_id")
        self.ledger.keep("audit", at_ms, **deed)
        body = self.alerts.acknowledge(alert_id, by, note, at_ms)
        if body is None:
            return
        self.ledger.out.append(Raise(body))
        self.ledger.out.append(AlertAcknowledged((body.ts - body.raised_ts) / 1_000))
        if not any(b.state is AlertState.ESCALATED for b in self.alerts.state.open.values()):
            self.monitor.note(LevelEvent.ACKNOWLEDGED)
        if self.state.status is Status.ENDED or body.kind is AlertKind.REPORTED:
            # Nothing else will ever end it.
            self.ledger.out.append(Raise(self.alerts.close(alert_id, at_ms)))

    def escalate(self, at_ms: int) -> None:
        for body in self.alerts.escalate_due(at_ms):
            self.ledger.out.append(Raise(body))
            if body.kind in (AlertKind.CRISIS, AlertKind.DISSOCIATION, AlertKind.CLIENT_STOP):
                self.monitor.note(LevelEvent.UNACKNOWLEDGED)

    def intervene(self, intervention: Intervention, at_ms: int) -> None:
        """Say something to the client."""
        fields: dict[str, Any] = {
            "seq": self.ledger.next_seq(),
            "epoch": self.state.epoch,
            "intervention": intervention,
        }
        self.state.tally.interventions += 1
        self.ledger.send_durable(InterventionMessage(**fields))
        ts = self.facts.started_ts + at_ms
        self.ledger.notify(InterventionNotice(session_id=self.facts.session_id, ts=ts, **fields))

    def keep_thresholds(self, at_ms: int) -> None:
        """Record which stand from now on: what the scores led to cannot be understood without them."""
        self.ledger.keep("control", at_ms, action="thresholds", **msgspec.structs.asdict(self.state.thresholds))

    # the life of the session --------------------------------------------------------------------------------------

    def hold_grace(self, at_ms: int) -> None:
        """The client is here: a grace time that ran out unseen did so while no worker could be reached."""
        state = self.state
        if state.detached_ms is not None:
            state.detached_ms = max(state.detached_ms, at_ms - self._settings.grace_ms + 1)

    def attach_again(self, at_ms: int) -> None:
        """The client is back: pause, or stay paused. The pause itself is told by `insist`, after the `welcome`."""
        state = self.state
        state.status = next_status(state.status, Trigger.REATTACH) or state.status
        state.detached_ms, state.disconnect_told = None, False
        self.stimulation.interrupt_set(at_ms)
        self.resolve(AlertKind.CLIENT_DISCONNECTED, at_ms)

    def insist(self, at_ms: int) -> None:
        """After a reconnect: the pause that stands is sent and confirmed anew, or a new one begins."""
        if self.control.state.paused:
            self._send_anew()
            self._await_confirmation(at_ms)
        else:
            self.pause(PauseCause.CLIENT_DISCONNECTED, at_ms, with_alert=False)

    def detach(self, at_ms: int) -> None:
        state = self.state
        moved = next_status(state.status, Trigger.DETACH)
        if moved is None:
            return
        state.status, state.detached_ms = moved, at_ms
        self.control.suspend()
        self.stimulation.interrupt_set(at_ms)
        self.ledger.notify(SessionDetached(session_id=self.facts.session_id, user=self.facts.user))
        self.ledger.keep("control", at_ms, action="detached")
        self.ledger.wake_ms = 0.0

    def check_absence(self, at_ms: int) -> None:
        """Detached for 5 s: an alert; for the grace time: the end."""
        state, settings = self.state, self._settings
        if state.detached_ms is None:
            return
        away = at_ms - state.detached_ms
        if away >= settings.disconnect_alert_ms and not state.disconnect_told:
            state.disconnect_told = True
            self.raise_alert(AlertKind.CLIENT_DISCONNECTED, Severity.MEDIUM, at_ms, ())
        if away >= settings.grace_ms:
            self.end("client did not come back", at_ms, Trigger.GRACE_OVER)

    def absence_deadline(self) -> float:
        state, settings = self.state, self._settings
        if state.detached_ms is None:
            return NEVER
        wait = settings.grace_ms
        if not state.disconnect_told:
            wait = min(wait, settings.disconnect_alert_ms)
        return state.detached_ms + wait

    def end(self, reason: str, at_ms: int, trigger: Trigger = Trigger.END) -> None:
        """End the session: no alert that somebody must still see is closed by it."""
        state = self.state
        moved = next_status(state.status, trigger)
        if moved is None:
            return
        self.stimulation.interrupt_set(at_ms)
        state.status, state.detached_ms = moved, None
        self.control.suspend()
        ledger, totals = self.ledger, self.totals(at_ms)
        ledger.out.extend(Raise(body) for body in self.alerts.close_seen(at_ms))
        ledger.send_durable(Ended(seq=ledger.next_seq(), epoch=state.epoch, reason=reason, totals=totals))
        ledger.notify(SessionClosed(session_id=self.facts.session_id, user=self.facts.user, reason=reason))
        ledger.keep("session", at_ms, action="closed", reason=reason, totals=msgspec.to_builtins(totals))
        ledger.out.append(Over(reason))
        ledger.wake_ms = 0.0

    def totals(self, at_ms: int) -> Totals:
        tally = self.state.tally
        return Totals(
            samples=tally.samples,
            dropped_late=tally.too_late,
            duplicates=tally.duplicates,
            results=tally.results,
            pauses=tally.pauses,
            adaptations=tally.adaptations,
            interventions=tally.interventions,
            alerts=self.alerts.state.count,
            sets=tally.sets,
            duration_s=at_ms / 1_000,
        )

    # within -------------------------------------------------------------------------------------------------------

    def _send_anew(self) -> None:
        newest = self.ledger.newest_control()
        if newest is not None:
            self.ledger.out.append(Send(newest))

    def _await_confirmation(self, at_ms: int) -> None:
        self.control.await_confirmation(at_ms, 1_000.0 / (self.state.config.speed or 1.0))
        self.ledger.wake_by(self.control.next_deadline())
