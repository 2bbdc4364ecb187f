"""Reasons for alarm in, steps in the lives of alerts out: raised, acknowledged, escalated, resolved.

One alert of a kind is open at a time, but for one that rises after somebody was told to act (it was acknowledged, or
escalated), and a stop that is pressed after a takeover. Each step gets the next `alert_seq` of the session, so that a
watcher can tell a gap. Acknowledging silences, it does not resolve; an unacknowledged high or critical alert escalates
once.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
from msgspec import UNSET

from emdr_stream.broker.base import ALERT_BLOCK, AlertEntry
from emdr_stream.domain import AlertKind, AlertState, Severity
from emdr_stream.session.pacing import NEVER
from emdr_stream.settings import ControlSettings
from emdr_stream.wire.values import AlertBody, Evidence, ModelRef

_BODY: Final = msgspec.json.Decoder(AlertBody)
_CLOSED_KEPT = 256
"""Resolved alerts that are remembered, so that a late acknowledgement of one is no error."""


class AlertBookState(msgspec.Struct):
    """Open alerts by id, and the counters; restorable."""

    open: dict[str, AlertBody] = msgspec.field(default_factory=dict)
    closed: dict[str, str] = msgspec.field(default_factory=dict)
    """Resolved alerts by id, with the name of who acknowledged them: a late acknowledgement is not an error."""
    deadlines_ms: dict[str, float] = msgspec.field(default_factory=dict)
    count: int = 0
    alert_seq: int = 0


class AlertBook:
    """The alerts of one session. Times `at_ms` are session times, `ts` in alerts is wall clock."""

    __slots__ = ("_block", "_session_id", "_settings", "_started_ts", "state")

    def __init__(
        self, session_id: str, started_ts: int, settings: ControlSettings, state: AlertBookState | None = None
    ) -> None:
        self._session_id = session_id
        self._started_ts = started_ts
        self._settings = settings
        self._block = 0
        self.state = state or AlertBookState()
        # Session time may have stood still since the snapshot; what people were told is a time of theirs.
        for alert_id in self.state.deadlines_ms:
            self._await(self.state.open[alert_id])

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
        report: tuple[str, str] | None = None,
    ) -> AlertBody | None:
        """The step that tells of it; None when one of its kind is open already, unless `again` with a higher threshold.

        What rises while nobody has dealt with it yet is the same alert, raised once more: one crisis wants one
        acknowledgement, by the deadline that stands. What rises after that is a new alert, or it would be silent.
        A stop is raised anew, too, where the open alert is a former owner's: it may have been resolved in the moments
        that died with that owner, before every console's eyes, and a person's stop must not vanish behind it.

        `report`: who has seen something, and what, in their words: each is an alert of its own.
        """
        known = None if report is not None else self.find(kind)
        doubtful = known is not None and kind is AlertKind.CLIENT_STOP and known.alert_seq < self._block
        if known is not None and not doubtful:
            if not (again and _rose(known, threshold)):
                return None
            if known.state is AlertState.RAISED and known.alert_seq >= self._block:
                return self._move(
                    known,
                    AlertState.RAISED,
                    at_ms,
                    evidence=evidence,
                    probability=UNSET if probability is None else probability,
                    threshold=UNSET if threshold is None else threshold,
                    model=UNSET if model is None else model,
                )
        state = self.state
        state.count += 1
        wait = {Severity.CRITICAL: self._settings.ack_critical_ms, Severity.HIGH: self._settings.ack_high_ms}.get(
            severity
        )
        ts = self._started_ts + at_ms
        alert_seq = self._step()
        body = AlertBody(
            alert_id=alert_id_of(self._session_id, alert_seq),
            session_id=self._session_id,
            alert_seq=alert_seq,
            kind=kind,
            severity=severity,
            state=AlertState.RAISED,
            ts=ts,
            raised_ts=ts,
            evidence=evidence,
            probability=UNSET if probability is None else probability,
            threshold=UNSET if threshold is None else threshold,
            model=UNSET if model is None else model,
            ack_deadline_ts=UNSET if wait is None else ts + wait,
            reported_by=UNSET if report is None else report[0],
            report=UNSET if report is None else report[1],
        )
        state.open[body.alert_id] = body
        self._await(body)
        return body

    def find(self, kind: AlertKind) -> AlertBody | None:
        """The newest open alert of a kind."""
        return next((body for body in reversed(self.state.open.values()) if body.kind is kind), None)

    def knows(self, alert_id: str) -> bool:
        return alert_id in self.state.open or alert_id in self.state.closed

    def acknowledge(self, alert_id: str, by: str, note: str | None, at_ms: int) -> AlertBody | None:
        """The acknowledged alert; None when it is resolved or somebody was first: the first one wins."""
        body = self.state.open.get(alert_id)
        if body is None or body.by is not UNSET:
            return None
        self.state.deadlines_ms.pop(alert_id, None)
        return self._move(body, AlertState.ACKNOWLEDGED, at_ms, by=by, note=UNSET if note is None else note)

    def resolve(self, kind: AlertKind, at_ms: int) -> list[AlertBody]:
        """Close every open alert of a kind."""
        return [self.close(body.alert_id, at_ms) for body in list(self.state.open.values()) if body.kind is kind]

    def close(self, alert_id: str, at_ms: int) -> AlertBody:
        """Close one open alert."""
        state = self.state
        moved = self._move(state.open[alert_id], AlertState.RESOLVED, at_ms)
        del state.open[alert_id]
        state.deadlines_ms.pop(alert_id, None)
        state.closed[alert_id] = "" if moved.by is UNSET else str(moved.by)
        if len(state.closed) > _CLOSED_KEPT:
            del state.closed[next(iter(state.closed))]
        return moved

    def close_seen(self, at_ms: int) -> list[AlertBody]:
        """Close what nobody must still see: all but the high and critical alerts that wait for an acknowledgement."""
        state = self.state
        waiting = {body.alert_id for body in state.open.values() if body.state is AlertState.ESCALATED}
        waiting |= state.deadlines_ms.keys()
        return [self.close(alert_id, at_ms) for alert_id in list(state.open) if alert_id not in waiting]

    def escalate_due(self, at_ms: int) -> list[AlertBody]:
        """Escalate what nobody acknowledged in time; each alert once."""
        due = [alert_id for alert_id, deadline in self.state.deadlines_ms.items() if at_ms >= deadline]
        for alert_id in due:
            del self.state.deadlines_ms[alert_id]
        return [self._move(self.state.open[alert_id], AlertState.ESCALATED, at_ms) for alert_id in due]

    def next_deadline(self) -> float:
        deadlines = self.state.deadlines_ms
        return min(deadlines.values()) if deadlines else NEVER

    def learn(self, told: Iterable[AlertBody]) -> None:
        """Take steps that the former owner told after the snapshot, in order: what it raised is open here too."""
        state = self.state
        for body in told:
            state.alert_seq = max(state.alert_seq, body.alert_seq)
            state.deadlines_ms.pop(body.alert_id, None)
            if body.state is AlertState.RESOLVED:
                state.open.pop(body.alert_id, None)
                state.closed[body.alert_id] = "" if body.by is UNSET else str(body.by)
                continue
            state.count += body.alert_id not in state.open
            state.open[body.alert_id] = body
            if body.state is AlertState.RAISED:
                self._await(body)

    def begin_block(self, epoch: int) -> None:
        """A new owner counts on, in a block of its own (broker.base.ALERT_BLOCK): no two owners have one epoch."""
        self.state.alert_seq = self._block = max(epoch, self.state.alert_seq // ALERT_BLOCK + 1) * ALERT_BLOCK

    def _await(self, body: AlertBody) -> None:
        """Escalate it at the time that it names, if it names one."""
        if body.ack_deadline_ts is not UNSET:
            self.state.deadlines_ms[body.alert_id] = body.ack_deadline_ts - self._started_ts

    def _move(self, body: AlertBody, state: AlertState, at_ms: int, **changes: object) -> AlertBody:
        moved = msgspec.structs.replace(
            body, state=state, alert_seq=self._step(), ts=self._started_ts + at_ms, **changes
        )
        self.state.open[body.alert_id] = moved
        return moved

    def _step(self) -> int:
        self.state.alert_seq += 1
        return self.state.alert_seq


def alert_id_of(session_id: str, alert_seq: int) -> str:
    """An alert is named by its first step: no number is used twice, even after a takeover from an old snapshot."""
    return f"{session_id}.a{alert_seq}"


def body_of(entry: AlertEntry) -> AlertBody | None:
    """The alert as its session raised it; None when the payload cannot be read."""
    try:
        return _BODY.decode(entry.payload)
    except msgspec.MsgspecError:
        return None


def bodies_of(entries: Iterable[AlertEntry]) -> Iterator[AlertBody]:
    """Those that can be read."""
    return filter(None, map(body_of, entries))


def session_of(alert_id: str) -> str | None:
    """The session of `alert_id_of`, None for what is no alert id."""
    session_id, dot, number = alert_id.rpartition(".a")
    return session_id if dot and number.isascii() and number.isdigit() else None


def _rose(known: AlertBody, threshold: float | None) -> bool:
    return threshold is not None and (known.threshold is UNSET or threshold > known.threshold)
