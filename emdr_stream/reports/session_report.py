"""The archive and a session's id in, its report out, ready for `page.py`."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from emdr_stream.analytics.rollup import alert_told
from emdr_stream.broker.base import AlertEntry
from emdr_stream.domain import Thresholds
from emdr_stream.reports.page import Report
from emdr_stream.reports.tables import PAGE_ROWS, seconds_of
from emdr_stream.store.archive import MOST_ROWS, Archive
from emdr_stream.store.base import RecordKind


class _Told(msgspec.Struct, frozen=True):
    """All of them: one that is missing is not taken for its default."""

    risk: float
    crisis_pause: float
    crisis_immediate: float


async def report_of(archive: Archive, session_id: str, made_ms: int) -> Report | None:
    """None without such a session. Raises StoreUnavailable."""
    figures = await archive.session(session_id)
    if figures is None:
        return None
    seconds = [row async for found in seconds_of(archive, session_id) for row in found]
    mine = [alert_told(step.payload) for step in await _steps_of(archive, figures.user, session_id)]
    events = await archive.events(session_id, MOST_ROWS)
    alerts = [step for step in mine if step is not None]
    return Report(figures, seconds, events, alerts, thresholds_of(events), made_ms)


def thresholds_of(events: Sequence[tuple[RecordKind, int, Mapping[str, Any]]]) -> list[tuple[int, Thresholds]]:
    """The thresholds that stood, each with the time from which on; none where the records do not tell, as old ones."""
    found: list[tuple[int, Thresholds]] = []
    for kind, ts_ms, fields in events:
        if kind is RecordKind.CONTROL and fields.get("action") == "thresholds":
            with suppress(msgspec.ValidationError):
                told = msgspec.convert(fields, _Told)
                thresholds = Thresholds(**msgspec.structs.asdict(told))
                if not found or found[-1][1] != thresholds:
                    found.append((ts_ms, thresholds))
    return found


async def _steps_of(archive: Archive, user: str, session_id: str) -> list[AlertEntry]:
    steps: list[AlertEntry] = []
    while found := await archive.alerts(user, (session_id, steps[-1].alert_seq if steps else -1), PAGE_ROWS):
        mine = [step for step in found if step.session_id == session_id]
        steps += mine
        if len(mine) < len(found):
            break
    return steps
