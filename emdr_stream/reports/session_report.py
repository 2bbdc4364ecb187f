"""The archive and a session's id in, its report out, ready for `page.py`."""

from typing import Any

from emdr_stream.analytics.rollup import alert_told
from emdr_stream.domain import Thresholds
from emdr_stream.reports.page import Report
from emdr_stream.store.archive import MOST_ROWS, Archive


async def report_of(archive: Archive, session_id: str, made_ms: int) -> Report | None:
    """None without such a session. Raises StoreUnavailable."""
    figures = await archive.session(session_id)
    if figures is None:
        return None
    seconds: list[tuple[int, dict[str, Any]]] = []
    after = 0
    while found := await archive.seconds(session_id, after, MOST_ROWS):
        seconds += found
        after = found[-1][0]
    steps = await archive.alerts(figures.user, (session_id, -1), MOST_ROWS)
    mine = [alert_told(step.payload) for step in steps if step.session_id == session_id]
    events = await archive.events(session_id, MOST_ROWS)
    return Report(figures, seconds, events, [step for step in mine if step is not None], Thresholds(), made_ms)
