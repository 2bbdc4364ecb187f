"""Alerts of the log in, `alert` messages out: what is open or was missed first, then live, in order.

A subscription's past and its present are merged like this: from the moment a session is followed its live alerts are
held, the past is asked for and told, then the held ones follow. Nothing is told twice to one socket, except after an
unsubscribe; what a store that was away could not tell is asked for again.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from emdr_stream.alerts.cursor import make_cursor, parse_cursor
from emdr_stream.alerts.log import AlertLog, in_order
from emdr_stream.broker.base import AlertEntry
from emdr_stream.domain import AlertKind, AlertState, Severity
from emdr_stream.endpoints.coverage import Coverage
from emdr_stream.endpoints.outbox import Outbox
from emdr_stream.endpoints.receipts import Receipts
from emdr_stream.errors import ErrorCode, ProtocolError
from emdr_stream.session.alerts import body_of
from emdr_stream.store.alert_life import alert_step
from emdr_stream.telemetry.metrics import Metrics
from emdr_stream.wire.values import Evidence
from emdr_stream.wire.watch import AlertMessage

_SHARED: Final = tuple(name for name in AlertMessage.__struct_fields__ if name != "cursor")
_SESSIONS_REMEMBERED: Final = 10_000
_STEPS_REMEMBERED: Final = 2_000


class AlertDesk:
    """Tells one console its alerts. `coverage` gives what it follows now; `since_ms` comes from its `resume_after`."""

    def __init__(
        self,
        log: AlertLog,
        outbox: Outbox,
        metrics: Metrics,
        coverage: Callable[[], Coverage],
        since_ms: int | None,
        clock: Callable[[], float],
    ) -> None:
        self._log = log
        self._outbox = outbox
        self._metrics = metrics
        self._coverage = coverage
        self._since_ms = since_ms
        self._clock = clock
        self._receipts = Receipts()
        self._told: OrderedDict[str, set[int]] = OrderedDict()
        self._followed_before: Coverage | None = None
        self._held: list[AlertEntry] = []

    def live(self, entry: AlertEntry) -> None:
        """Take an entry of the feed."""
        if not self._coverage().covers(entry.session_id, entry.user):
            return
        before = self._followed_before
        if before is not None and not before.covers(entry.session_id, entry.user):
            self._held.append(entry)
        else:
            self._tell(entry)

    def hold(self, before: Coverage) -> None:
        """Sessions were added to `before`: keep their live alerts until `catch_up` has told the past."""
        self._followed_before = before

    async def catch_up(self, before: Coverage) -> bool:
        """Tell what the sessions that are followed now, and were not `before`, have open and what was missed.

        Returns False when a store was away, so that something may be missing: call again later.
        """
        found = await self._log.catch_up(self._coverage().users, self._since_ms)
        # Without a past there may still be held ones: raised, and perhaps resolved, while a store was waited for.
        waiting = found.entries or self._taken_held()
        while waiting:
            for entry in waiting:
                # A long replay goes out at the console's own pace, so that it never looks like a slow reader.
                await self._outbox.drained()
                if not before.covers(entry.session_id, entry.user):
                    self._tell(entry)
            waiting = self._taken_held()
        self._followed_before = None
        return found.complete

    def forget(self, coverage: Coverage) -> None:
        """Sessions left the coverage by name: followed again, they are told anew."""
        followed = coverage.named if coverage.all_rate_hz is None else None
        for session_id in list(self._told):
            if session_id in coverage.left_out or (followed is not None and session_id not in followed):
                del self._told[session_id]

    def received(self, cursor: str) -> None:
        """The console has taken everything up to `cursor`. Raises ProtocolError when it is none."""
        try:
            parse_cursor(cursor)
        except ProtocolError:
            why = "`cursor` is none of ours: send the `cursor` of the last alert that was taken"
            raise ProtocolError(ErrorCode.INVALID_FIELD, why, param="cursor") from None
        self._metrics.watcher_lag(self._receipts.received(cursor, self._clock()))

    def behind_s(self) -> float:
        """Age of the oldest alert that a console which confirms alerts has not confirmed."""
        return self._receipts.behind_s(self._clock())

    def _taken_held(self) -> list[AlertEntry]:
        held, self._held = self._held, []
        return in_order(held)

    def _tell(self, entry: AlertEntry) -> None:
        if not self._coverage().covers(entry.session_id, entry.user) or not self._is_news(entry):
            return
        message = alert_message(entry)
        self._outbox.send(message)
        self._receipts.sent(message.cursor, self._clock())

    def _is_news(self, entry: AlertEntry) -> bool:
        steps = self._told.setdefault(entry.session_id, set())
        if entry.alert_seq in steps:
            return False
        steps.add(entry.alert_seq)
        # Forgetting costs a repeat, never an alert.
        if len(steps) > _STEPS_REMEMBERED:
            steps.difference_update(sorted(steps)[: _STEPS_REMEMBERED // 2])
        self._told.move_to_end(entry.session_id)
        if len(self._told) > _SESSIONS_REMEMBERED:
            self._told.popitem(last=False)
        return True


def alert_message(entry: AlertEntry) -> AlertMessage:
    """The message that tells an entry; one that cannot be read is told as an alert of its own, never hidden."""
    body = body_of(entry)
    if body is None:
        return AlertMessage(
            cursor=make_cursor(entry),
            alert_id=alert_step(entry).alert_id,
            session_id=entry.session_id,
            kind=AlertKind.DEGRADED,
            severity=Severity.HIGH,
            state=AlertState.RAISED,
            raised_ts=entry.ts_ms,
            ts=entry.ts_ms,
            evidence=(Evidence(signal="unreadable_alert", value=None),),
        )
    fields: dict[str, Any] = {name: getattr(body, name) for name in _SHARED}
    return AlertMessage(cursor=make_cursor(entry), **fields)


def since_of(resume_after: str | None) -> int | None:
    """Milliseconds of the cursor in `hello`, None without one. Raises ProtocolError for what is no cursor."""
    return None if resume_after is None else parse_cursor(resume_after)[0]
