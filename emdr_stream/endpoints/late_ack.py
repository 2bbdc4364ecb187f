"""Acknowledgements of alerts whose session does not live here go in, new steps in the alert log come out.

While a session lives its core acknowledges, in whichever worker that is. Afterwards its open alerts are in the log
alone, and still wait for somebody to say that they were seen.
"""

from collections.abc import Callable, Collection
from typing import Final
from zlib import crc32

import msgspec
from msgspec import UNSET

from emdr_stream.alerts.follow import HISTORY_MS
from emdr_stream.alerts.log import AlertLog
from emdr_stream.broker.base import ALERT_BLOCK, AlertEntry
from emdr_stream.domain import AlertState
from emdr_stream.endpoints.auth import Principal
from emdr_stream.endpoints.distant import acknowledge_elsewhere
from emdr_stream.endpoints.trail import note_refusal
from emdr_stream.errors import ErrorCode, ProtocolError
from emdr_stream.session.alerts import body_of
from emdr_stream.session.registry import SessionRegistry
from emdr_stream.telemetry.metrics import Metrics
from emdr_stream.wire.values import AlertBody

_BLOCKS: Final = 97
_SESSIONS_KEPT: Final = 1_000
"""Sessions whose late steps are remembered: far more than are acknowledged while the log takes to give them back."""
_ENCODE: Final = msgspec.json.Encoder().encode


class LateAcknowledgements:
    """Shared by the consoles of one worker: two of them may acknowledge at the same time."""

    def __init__(self, registry: SessionRegistry, log: AlertLog, metrics: Metrics, wall_ms: Callable[[], int]) -> None:
        self._registry = registry
        self._log = log
        self._metrics = metrics
        self._wall_ms = wall_ms
        self._steps: dict[str, dict[str, AlertEntry]] = {}
        """By session and alert: steps made here, which the log may not give back yet."""

    async def acknowledge(self, session_id: str, alert_id: str, note: str | None, by: Principal) -> None:
        """The first one wins; a repeat does nothing but stand in the audit log, as every acknowledgement does.

        Raises ProtocolError when the alert cannot be found.
        """
        said = {"alert_id": alert_id, "note": note}
        try:
            entry, body = await self._newest(session_id, alert_id, by)
            seen = body.by is not UNSET or body.state is AlertState.RESOLVED
            if not seen and await acknowledge_elsewhere(self._registry, session_id, alert_id, note, by.sub):
                return
        except ProtocolError as problem:
            note_refusal(self._registry, by, "ack", problem, session_id=session_id, **said)
            raise
        deed = {"action": "ack", "by": by.sub, **said}
        self._registry.audit(deed, session_id=session_id, user=entry.user, epoch=entry.epoch)
        made = self._steps.setdefault(session_id, {})
        if len(self._steps) > _SESSIONS_KEPT:
            del self._steps[next(iter(self._steps))]
        if seen or alert_id in made:
            return
        known = max(self._log.last_seq(session_id), entry.alert_seq, *(step.alert_seq for step in made.values()))
        # A block for each alert: who else counts, here or in another worker, is not to be met.
        sequence = (known // ALERT_BLOCK + 1 + crc32(alert_id.encode()) % _BLOCKS) * ALERT_BLOCK
        now_ms = self._wall_ms()
        acknowledged = msgspec.structs.replace(
            body,
            state=AlertState.ACKNOWLEDGED,
            alert_seq=sequence + 1,
            ts=now_ms,
            by=by.sub,
            note=UNSET if note is None else note,
        )
        # The session is over: nothing else will ever resolve the alert.
        resolved = msgspec.structs.replace(acknowledged, state=AlertState.RESOLVED, alert_seq=sequence + 2)
        for step in (acknowledged, resolved):
            made[alert_id] = AlertEntry(session_id, entry.user, step.alert_seq, entry.epoch, now_ms, _ENCODE(step))
            self._log.append(made[alert_id])
        self._metrics.waiting.acknowledged(alert_id)
        self._metrics.alert_acknowledged((now_ms - body.raised_ts) / 1_000)

    def forget(self, session_ids: Collection[str]) -> None:
        """These sessions were erased."""
        for session_id in session_ids:
            self._steps.pop(session_id, None)

    async def _newest(self, session_id: str, alert_id: str, by: Principal) -> tuple[AlertEntry, AlertBody]:
        found = await self._log.catch_up(by.clients, self._wall_ms() - HISTORY_MS)
        steps = [entry for entry in found.entries if entry.session_id == session_id and by.may_see(entry.user)]
        for entry in sorted(steps, key=lambda step: -step.alert_seq):
            body = body_of(entry)
            if body is not None and body.alert_id == alert_id:
                return entry, body
        if not found.complete:
            raise ProtocolError(ErrorCode.INTERNAL, "a store is away, the alert was not found: acknowledge again soon")
        raise unknown_alert()


def unknown_alert() -> ProtocolError:
    """The answer to an alert that does not exist, or that is none of theirs: which of the two is not told."""
    return ProtocolError(ErrorCode.INVALID_FIELD, "`alert_id` names no alert of your sessions", param="alert_id")
