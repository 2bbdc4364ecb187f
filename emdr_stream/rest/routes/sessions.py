"""Requests about sessions in, what is and was of them out: the list, one of them, its timeline, its recording."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

from emdr_stream.endpoints.auth import EVERYBODY
from emdr_stream.endpoints.history import newest_steps
from emdr_stream.errors import StoreUnavailable
from emdr_stream.recording.recorder import SUFFIX
from emdr_stream.rest.operation import (
    NDJSON,
    THERAPIST_AND_SERVICE,
    Asked,
    Call,
    Lines,
    NoQuery,
    Operation,
    Told,
)
from emdr_stream.rest.paging import Paged, PlaceMs, cursor_of, place_of
from emdr_stream.rest.problems import Problem, ProblemCode
from emdr_stream.rest.reach import summary_of
from emdr_stream.store.session_rows import SessionRow, curve_rows, session_row, session_rows
from emdr_stream.wire.values import AlertBody, HistoryCurve, HistoryEvent, ModelRef, Name, SessionSummary, Totals

Kept = TypeVar("Kept")

_EVENTS: Final = 500
_NO_SECONDS_MS: Final = 4_000_000_000_000
"""A time after every record: `past` is asked for events alone."""
_PIECE: Final = 65_536


class SessionRecord(Told, frozen=True, kw_only=True):
    """What the records hold of a session as a whole; they lag by a second or two. Times in milliseconds.

    `ended`: whether its end was recorded; `reason` and `totals` come with it.
    """

    session_id: str
    user: str
    started_ts: int
    updated_ts: int
    ended: bool
    source: str | None
    phase: str | None
    models: tuple[ModelRef, ...]
    reason: str | None
    totals: Totals | None


class SessionPage(Told, frozen=True, kw_only=True):
    """Newest first. `next`: give it as `after`; null on the last page."""

    items: tuple[SessionRecord, ...]
    next: str | None


class SessionNow(Told, frozen=True, kw_only=True):
    """A session. `live`: as it stands now, wherever it lives; null when it has ended or no worker has it.

    `record`: null while nothing of it has been written yet.
    """

    session_id: str
    user: str
    live: SessionSummary | None
    record: SessionRecord | None


class Timeline(Told, frozen=True, kw_only=True):
    """What happened in a session, oldest first. `complete`: no event or alert was cut off.

    `alerts`: the newest step of each. `curve`: columns of recorded seconds; `curve_next`: give it as `curve_after`,
    null when there are no more.
    """

    session_id: str
    user: str
    complete: bool
    events: tuple[HistoryEvent, ...]
    alerts: tuple[AlertBody, ...]
    curve: HistoryCurve
    curve_next: int | None


class SessionsQuery(Paged, frozen=True, kw_only=True):
    user: Annotated[Name | None, Meta(description="of this client alone")] = None


class TimelineQuery(Asked, frozen=True, kw_only=True):
    curve_after: Annotated[int, Meta(ge=0, le=4_000_000_000_000, description="milliseconds since the Unix epoch")] = 0
    curve_limit: Annotated[int, Meta(ge=0, le=600, description="seconds of the curve, at most")] = 600


async def list_sessions(call: Call[None, SessionsQuery]) -> SessionPage:
    """One page of the sessions that the caller may see."""
    query, clients = call.query, call.principal.clients
    users = None if clients == EVERYBODY or "*" in clients else sorted(clients)
    if query.user is not None:
        users = [call.check_user(query.user)]
    before = place_of(query.after, tuple[PlaceMs, str])
    found = await call.parts.records.ask(session_rows(users, before, query.limit + 1))
    page = found[: query.limit]
    more = len(found) > query.limit
    return SessionPage(
        items=tuple(map(record_of, page)),
        next=cursor_of(page[-1].first_seen_ms, page[-1].session_id) if more else None,
    )


async def one_session(call: Call[None, NoQuery]) -> SessionNow:
    """A session as it stands, and as it is recorded."""
    session_id = call.path["session_id"]
    live, row = await _found(call, session_id)
    return SessionNow(
        session_id=session_id,
        user=_owner_of(call, session_id, live, row),
        live=live,
        record=None if row is None else record_of(row),
    )


async def timeline(call: Call[None, TimelineQuery]) -> Timeline:
    """What happened, and the curves, page by page."""
    session_id = call.path["session_id"]
    user = await owner(call, session_id)
    records = call.parts.records
    past = await records.past(session_id, _NO_SECONDS_MS, _EVENTS)
    limit = call.query.curve_limit
    seconds = await records.ask(curve_rows(session_id, call.query.curve_after, limit + 1))
    shown = seconds[:limit]
    columns = zip(*(row.values for row in shown), strict=True) if shown else ((),) * 5
    valence, arousal, attention, risk, crisis = columns
    return Timeline(
        session_id=session_id,
        user=user,
        complete=not past.cut,
        events=tuple(HistoryEvent(kind=kind.value, ts=ts, fields=fields) for kind, ts, fields in past.events),
        alerts=newest_steps(past),
        curve=HistoryCurve(
            ts=tuple(row.ts_ms for row in shown),
            valence=valence,
            arousal=arousal,
            attention=attention,
            risk=risk,
            crisis=crisis,
            signal=tuple(row.signal for row in shown),
        ),
        curve_next=shown[-1].ts_ms if shown and len(seconds) > limit else None,
    )


async def recording(call: Call[None, NoQuery]) -> Lines:
    """The recording of a session as it lies on this machine's disk: JSON Lines, no picture in it."""
    folder = call.parts.settings.server.record_dir
    session_id = call.path["session_id"]
    await owner(call, session_id)
    path = None if folder is None else folder / f"{session_id}{SUFFIX}"
    if path is None or not await asyncio.to_thread(path.is_file):
        raise Problem(ProblemCode.NOT_FOUND, "nothing was recorded of this session (EMDR_RECORD_DIR)")
    return Lines(_pieces(path), {"content-type": NDJSON})


async def owner(call: Call[Any, Any], session_id: str) -> str:
    """Whose session it is. Raises Problem(not_found) when it is none of theirs."""
    return _owner_of(call, session_id, *await _found(call, session_id))


def record_of(row: SessionRow) -> SessionRecord:
    """A row as it is told; what a later version wrote otherwise is left out."""
    fields = row.fields
    totals = fields.get("totals")
    return SessionRecord(
        session_id=row.session_id,
        user=row.user,
        started_ts=row.first_seen_ms,
        updated_ts=row.updated_ms,
        ended=totals is not None,
        source=fields.get("source"),
        phase=fields.get("phase"),
        models=tuple(filter(None, (_readable(model, ModelRef) for model in fields.get("models", ())))),
        reason=fields.get("reason") if totals is not None else None,
        totals=_readable(totals, Totals),
    )


def _readable(kept: object, kind: type[Kept]) -> Kept | None:
    """None for what another version wrote in a form that this one cannot read; fields that it added are passed over."""
    try:
        return msgspec.convert(kept, kind)
    except msgspec.ValidationError:
        return None


async def _found(call: Call[Any, Any], session_id: str) -> tuple[SessionSummary | None, SessionRow | None]:
    """What is known of a session: live, here or in another worker, and recorded. Raises StoreUnavailable."""
    live = await summary_of(call, session_id)
    try:
        row = await call.parts.records.ask(session_row(session_id))
    except StoreUnavailable:
        if live is None:
            raise
        row = None
    return live, row


def _owner_of(call: Call[Any, Any], session_id: str, live: SessionSummary | None, row: SessionRow | None) -> str:
    found = live or row
    if found is None or not call.principal.may_see(found.user):
        raise call.refused_session(session_id)
    return found.user


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(path.open, "rb")
    try:
        while piece := await asyncio.to_thread(file.read, _PIECE):
            yield piece
    finally:
        await asyncio.to_thread(file.close)


OPERATIONS: Final = (
    Operation(
        name="sessions.list",
        method="GET",
        path="/v1/sessions",
        summary="The sessions of your clients, newest first.",
        roles=THERAPIST_AND_SERVICE,
        handle=list_sessions,
        query=SessionsQuery,
        answer=SessionPage,
        problems=frozenset({ProblemCode.NOT_FOUND}),
    ),
    Operation(
        name="sessions.one",
        method="GET",
        path="/v1/sessions/{session_id}",
        summary="One session: as it stands now, and as it is recorded.",
        roles=THERAPIST_AND_SERVICE,
        handle=one_session,
        answer=SessionNow,
    ),
    Operation(
        name="sessions.timeline",
        method="GET",
        path="/v1/sessions/{session_id}/timeline",
        summary="What happened in a session, its alerts and its curves.",
        roles=THERAPIST_AND_SERVICE,
        handle=timeline,
        query=TimelineQuery,
        answer=Timeline,
    ),
    Operation(
        name="sessions.recording",
        method="GET",
        path="/v1/sessions/{session_id}/recording",
        summary="The recording of a session, where recordings are made.",
        roles=THERAPIST_AND_SERVICE,
        handle=recording,
        media=(NDJSON,),
        answers_with="One JSON object a line: a header, then what came in and went out.",
    ),
)
