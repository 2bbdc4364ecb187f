"""The store asked now and then, the alerts in it that nobody has acknowledged out, for `/metrics`.

What no worker keeps any more waits on in the store: the alert of a session that is over, or that was there before a
restart.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

import msgspec

from emdr_stream.clock import wall_ms
from emdr_stream.domain import Severity
from emdr_stream.errors import StoreUnavailable
from emdr_stream.store.connections import TimedConnection
from emdr_stream.telemetry.waiting_alerts import UNSEEN, WATCHED, Waiting, WaitingAlerts

_EVERY_S: Final = 5.0
_REST: Final = 20.0
"""Rests are at least so many times as long as the look before them, should thousands of alerts wait."""

Find: TypeAlias = Callable[[], Awaitable[Mapping[str, Waiting]]]


class _Told(msgspec.Struct, frozen=True, gc=False):
    alert_id: str
    severity: Severity
    raised_ts: int


_TOLD: Final = msgspec.json.Decoder(_Told)


async def unacknowledged(connection: TimedConnection) -> dict[str, Waiting]:
    """The high and critical alerts that nobody has acknowledged, by id: a question for `PostgresStore.ask`."""
    found = await connection.fetch(
        "select a.payload from alert_heads h join alerts a using (session_id, alert_seq)"
        # The second condition is what the index is of.
        " where h.state = any($1) and h.state <> 'resolved'",
        [state.value for state in UNSEEN],
    )
    waiting = {}
    for row in found:
        # One that cannot be read is told by consoles, and nobody can acknowledge it: a rule would never end.
        with contextlib.suppress(msgspec.MsgspecError):
            told = _TOLD.decode(row["payload"])
            if told.severity in WATCHED:
                waiting[told.alert_id] = Waiting(told.severity, told.raised_ts)
    return waiting


class UnacknowledgedWatch:
    """Works until cancelled. Each worker asks for itself: whichever is scraped knows of all sessions."""

    def __init__(
        self, find: Find, alerts: WaitingAlerts, every_s: float = _EVERY_S, wall_ms: Callable[[], int] = wall_ms
    ) -> None:
        self._find = find
        self._alerts = alerts
        self._every_s = every_s
        self._wall_ms = wall_ms

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began_s, asked_ms = loop.time(), self._wall_ms()
            # While the store is away the last look stands; that it is away is a rule of its own.
            with contextlib.suppress(StoreUnavailable):
                self._alerts.looked(await self._find(), asked_ms)
            await asyncio.sleep(max(self._every_s, _REST * (loop.time() - began_s)))
