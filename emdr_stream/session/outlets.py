"""Effects in that are not for the client; notices, alerts, records and live states out, each to its place."""

from typing import Final

import msgspec

from emdr_stream.broker.base import AlertEntry, Notice
from emdr_stream.domain import Scores
from emdr_stream.session.attendance import Attendance
from emdr_stream.session.core import SessionCore
from emdr_stream.session.effects import AlertAcknowledged, Effect, Keep, Notify, PauseConfirmed, Raise
from emdr_stream.session.gauges import Gauges
from emdr_stream.session.pacing import NEVER
from emdr_stream.session.ports import STATE_NOTICE, Surroundings
from emdr_stream.session.shadowing import ShadowWatch
from emdr_stream.store.base import Record, RecordKind
from emdr_stream.wire.values import ModelRef

_ENCODE: Final = msgspec.msgpack.Encoder().encode
_ENCODE_ALERT: Final = msgspec.json.Encoder().encode
"""The store reads an alert's state from its payload (`store/alert_life.py`): JSON."""
_EARLY: Final = 0.9
"""A state may come this share of its interval after the one before, so that jitter loses none."""


class Outlets:
    """Speaks for one session to everybody but its client. `next_state_ms`: from when a live state is due; never, before
    watchers have heard of the session."""

    __slots__ = ("_around", "_core", "_gauges", "_session_id", "_shadow", "_user", "attendance", "next_state_ms")

    def __init__(self, around: Surroundings, core: SessionCore, gauges: Gauges) -> None:
        self._around = around
        self._core = core
        self._gauges = gauges
        self._session_id = core.facts.session_id
        self._user = core.facts.user
        self._shadow: ShadowWatch | None = None
        self.attendance = Attendance(around.clock)
        self.next_state_ms = NEVER

    def tell(self, effect: Effect, at_ms: int) -> None:
        """Hand one effect on; those for the client, the predictor and the runner are none of ours."""
        around = self._around
        if isinstance(effect, Notify):
            around.announcer.publish(Notice(self._session_id, self._user, _ENCODE(effect.message)))
        elif isinstance(effect, Raise):
            self._raise(effect)
        elif isinstance(effect, Keep):
            fields = dict(effect.fields)
            if self._shadow is not None and effect.kind == RecordKind.SECOND and (told := self._shadow.second()):
                fields["shadow"] = told
            ts_ms = self._core.facts.started_ts + int(fields.pop("at_ms", at_ms))
            epoch = self._core.care.state.epoch
            around.records.offer(Record(RecordKind(effect.kind), self._session_id, self._user, epoch, ts_ms, fields))
        elif isinstance(effect, PauseConfirmed):
            around.metrics.pause_confirmed(effect.seconds)
        elif isinstance(effect, AlertAcknowledged):
            around.metrics.alert_acknowledged(effect.seconds)

    def shadowed(self, live: Scores, other: Scores | None, versions: tuple[ModelRef, ModelRef], at_ms: int) -> None:
        """What a version that only looks on says of a row that was just scored: recorded with the second.

        `versions`: the one that decides, and the one that looks on.
        """
        thresholds, watch = self._core.care.state.thresholds, self._shadow
        if watch is None or watch.versions != versions:
            watch = self._shadow = ShadowWatch(self._around.session.safety, thresholds, *versions)
        watch.take(live, other, thresholds, at_ms, self._core.facts.started_ts + at_ms)

    def publish_state(self, at_ms: int) -> None:
        """Publish what watchers see of the session now, and note when it is due again."""
        around = self._around
        interval = 1_000.0 / min(around.demand.rate_hz(self._user), around.socket.state_rate_hz)
        self.next_state_ms = at_ms + interval * _EARLY
        state = _ENCODE(self._core.state_message(at_ms, self.attendance.present()))
        around.announcer.publish(Notice(self._session_id, self._user, state, STATE_NOTICE))
        around.metrics.fold()

    def _raise(self, effect: Raise) -> None:
        body = effect.body
        if body.is_new:
            self._around.metrics.alert_raised(body.kind, body.severity)
        self._gauges.see_alert(body)
        epoch = self._core.care.state.epoch
        entry = AlertEntry(self._session_id, self._user, body.alert_seq, epoch, body.ts, _ENCODE_ALERT(body))
        self._around.alerts.append(entry)
