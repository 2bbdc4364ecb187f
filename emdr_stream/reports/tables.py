"""A user's records in, page by page; the tables of an export out, each row by the names of its columns.

A page is as the archive gives it; its rows are made by whoever writes them, in a thread of theirs: a loop that serves
live sessions has no time for them.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import partial
from typing import Any, Final, TypeAlias

import msgspec

from emdr_stream.analytics.figures import Outcome, SessionFigures
from emdr_stream.analytics.rollup import alert_told
from emdr_stream.broker.base import AlertEntry
from emdr_stream.domain import SIGNALS
from emdr_stream.store.archive import MOST_ROWS, MOST_SESSIONS, Archive
from emdr_stream.store.base import RecordKind

Row = Mapping[str, Any]
Page = Callable[[], Sequence[Row]]
"""The rows of a page, made when it is called."""
Seconds: TypeAlias = Sequence[tuple[int, dict[str, Any]]]
PAGE_ROWS: Final = 500
"""Rows that are asked for, and written, at a time: what the loop does for so many is over in a few milliseconds."""


class Kind(StrEnum):
    """What a column holds. A time is ms of the Unix epoch until it is written."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose records, of sessions that began (and outcomes rated, and alerts raised) within [`since_ms`, `until_ms`)."""

    user: str
    since_ms: int
    until_ms: int


@dataclass(frozen=True, slots=True)
class Table:
    """`pages`: the rows, some at a time, so that no export needs room for all of them."""

    name: str
    columns: Sequence[Column]
    pages: Callable[[Archive, Wanted], AsyncIterator[Page]]


_TEXTS: Final = frozenset({"session_id", "user", "kinds"})
_COUNTS: Final = "seconds seen scored calm processing hyperarousal hypoarousal drowsy cautious alarmed paused"
_INTEGERS: Final = frozenset(f"{_COUNTS} sets pauses client_stops alerts severe acks".split())


def _column_of_figures(name: str) -> Column:
    if name.endswith("_ms"):
        return Column(name.removesuffix("_ms"), Kind.TIME)
    if name in _TEXTS:
        return Column(name, Kind.TEXT)
    return Column(name, Kind.INTEGER if name in _INTEGERS else Kind.NUMBER)


_FIGURES: Final = tuple(part.name for part in fields(SessionFigures))
_OF_SECONDS: Final = (*SIGNALS, "risk", "crisis", "state", "level", "signal", "status")


async def sessions_of(archive: Archive, wanted: Wanted) -> AsyncIterator[list[SessionFigures]]:
    """The sessions that are summed up, newest first."""
    before = (wanted.until_ms, "")
    while found := await archive.sessions(wanted.user, before, MOST_SESSIONS):
        within = [session for session in found if session.began_ms >= wanted.since_ms]
        if within:
            yield within
        if len(within) < len(found):
            return
        before = (found[-1].began_ms, found[-1].session_id)


async def _sessions(archive: Archive, wanted: Wanted) -> AsyncIterator[Page]:
    async for sessions in sessions_of(archive, wanted):
        yield partial(_session_rows, sessions)


def _session_rows(sessions: Sequence[SessionFigures]) -> Sequence[Row]:
    return [_session_row(session) for session in sessions]


def _session_row(session: SessionFigures) -> Row:
    row = {name.removesuffix("_ms"): getattr(session, name) for name in _FIGURES}
    return row | {"kinds": msgspec.json.encode(dict(session.kinds)).decode()}


async def seconds_of(archive: Archive, session_id: str) -> AsyncIterator[Seconds]:
    """A session's rows of seconds, some at a time."""
    after = 0
    while found := await archive.seconds(session_id, after, PAGE_ROWS):
        yield found
        after = found[-1][0]


async def _seconds(archive: Archive, wanted: Wanted) -> AsyncIterator[Page]:
    async for sessions in sessions_of(archive, wanted):
        for session in sessions:
            async for found in seconds_of(archive, session.session_id):
                yield partial(_second_rows, session.session_id, found)


def _second_rows(session_id: str, found: Seconds) -> Sequence[Row]:
    return [
        {"session_id": session_id, "ts": ts_ms, **{name: told.get(name) for name in _OF_SECONDS}}
        for ts_ms, told in found
    ]


async def _events(archive: Archive, wanted: Wanted) -> AsyncIterator[Page]:
    async for sessions in sessions_of(archive, wanted):
        for session in sessions:
            found = await archive.events(session.session_id, MOST_ROWS)
            for first in range(0, len(found), PAGE_ROWS):
                yield partial(_event_rows, session.session_id, found[first : first + PAGE_ROWS])


def _event_rows(session_id: str, found: Sequence[tuple[RecordKind, int, Row]]) -> Sequence[Row]:
    return [
        {"session_id": session_id, "ts": ts_ms, "kind": kind.value, "fields": _json(told)}
        for kind, ts_ms, told in found
    ]


async def steps_of(archive: Archive, user: str) -> AsyncIterator[Sequence[AlertEntry]]:
    """Every step of a user's alerts, some at a time."""
    after: tuple[str, int] | None = None
    while found := await archive.alerts(user, after, PAGE_ROWS):
        yield found
        after = (found[-1].session_id, found[-1].alert_seq)


async def _alerts(archive: Archive, wanted: Wanted) -> AsyncIterator[Page]:
    async for found in steps_of(archive, wanted.user):
        yield partial(_alert_rows, found, wanted)


def _alert_rows(found: Sequence[AlertEntry], wanted: Wanted) -> Sequence[Row]:
    rows = []
    for entry in found:
        told = alert_told(entry.payload)
        if told is not None and wanted.since_ms <= entry.ts_ms < wanted.until_ms:
            rows.append(
                {
                    "session_id": entry.session_id,
                    "ts": entry.ts_ms,
                    "alert_seq": entry.alert_seq,
                    "alert_id": told.alert_id,
                    "kind": told.kind.value,
                    "severity": told.severity.value,
                    "state": told.state.value,
                    "raised": told.raised_ts,
                    "told": entry.payload.decode(errors="replace"),
                }
            )
    return rows


async def _outcomes(archive: Archive, wanted: Wanted) -> AsyncIterator[Page]:
    found = await archive.outcomes(wanted.user, wanted.since_ms, MOST_ROWS)
    for first in range(0, len(found), PAGE_ROWS):
        yield partial(_outcome_rows, found[first : first + PAGE_ROWS], wanted)


def _outcome_rows(found: Sequence[Outcome], wanted: Wanted) -> Sequence[Row]:
    return [
        {"ts": o.ts_ms, "measure": o.measure.value, "target": o.target, "value": o.value, "entered_by": o.by}
        for o in found
        if o.ts_ms < wanted.until_ms
    ]


def _json(value: object) -> str:
    return msgspec.json.encode(value, order="deterministic").decode()


def _columns(text: str) -> tuple[Column, ...]:
    return tuple(Column(name, Kind(kind)) for name, _, kind in (part.partition(":") for part in text.split()))


TABLES: Final[Mapping[str, Table]] = {
    table.name: table
    for table in (
        Table("sessions", tuple(map(_column_of_figures, _FIGURES)), _sessions),
        Table(
            "seconds",
            (
                *_columns("session_id:text ts:time"),
                *(Column(name, Kind.NUMBER) for name in _OF_SECONDS[: len(SIGNALS) + 2]),
                *(Column(name, Kind.TEXT) for name in _OF_SECONDS[len(SIGNALS) + 2 :]),
            ),
            _seconds,
        ),
        Table("events", _columns("session_id:text ts:time kind:text fields:text"), _events),
        Table(
            "alerts",
            _columns(
                "session_id:text ts:time alert_seq:integer alert_id:text kind:text severity:text state:text"
                " raised:time told:text"
            ),
            _alerts,
        ),
        Table("outcomes", _columns("ts:time measure:text target:text value:number entered_by:text"), _outcomes),
    )
}
"""By name, in the order in which an export has them."""
