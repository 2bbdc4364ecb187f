"""A session and what the records keep of it in, the `history` that a console is answered out."""

from collections.abc import Sequence
from typing import Any, Final

from emdr_stream.errors import StoreUnavailable
from emdr_stream.session.alerts import bodies_of
from emdr_stream.store.base import RecordKind, SessionPast, Store
from emdr_stream.wire.values import AlertBody, HistoryCurve, HistoryEvent
from emdr_stream.wire.watch import History, HistoryRequest

_MOST: Final = 1_000
"""Events of one session, and steps of its alerts, that are told: a session of an hour has a few hundred."""
_COLUMNS: Final = ("valence", "arousal", "attention", "risk", "crisis", "signal")


async def history(store: Store, request: HistoryRequest, now_ms: int) -> History:
    """What is kept; nothing, and told as incomplete, while the store is away. The caller has checked who asks."""
    since_ms = now_ms - request.curve_s * 1_000
    try:
        past = await store.past(request.session_id, since_ms, _MOST)
    except StoreUnavailable:
        past = SessionPast((), (), (), cut=True)
    return History(
        re=request.id,
        session_id=request.session_id,
        complete=not past.cut,
        events=tuple(HistoryEvent(kind=kind.value, ts=ts_ms, fields=fields) for kind, ts_ms, fields in past.events),
        alerts=newest_steps(past),
        curve=curve_of(past.seconds) if request.curve_s else HistoryCurve(),
    )


def curve_of(seconds: Sequence[tuple[RecordKind, int, dict[str, Any]]]) -> HistoryCurve:
    """Rows of seconds as columns; what a row lacks stays missing."""
    columns = {name: tuple(fields.get(name) for _, _, fields in seconds) for name in _COLUMNS}
    return HistoryCurve(ts=tuple(ts_ms for _, ts_ms, _ in seconds), **columns)


def newest_steps(past: SessionPast) -> tuple[AlertBody, ...]:
    """The newest step of each alert, in the order in which they were raised."""
    newest: dict[str, AlertBody] = {}
    for body in bodies_of(past.alerts):
        newest[body.alert_id] = body
    return tuple(newest.values())
