"""A request for records of a client in, files out, as a stream: exports in four forms, and a session's report."""

from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, Final

from msgspec import Meta

from emdr_stream.errors import ConfigurationError
from emdr_stream.reports.fhir import bundle_parts
from emdr_stream.reports.page import CSP, html_of
from emdr_stream.reports.session_report import report_of
from emdr_stream.reports.tables import TABLES, Wanted
from emdr_stream.reports.writing import Format, check_parquet, csv_of, jsonl_of, parquet_pieces
from emdr_stream.rest.operation import NDJSON, THERAPIST_AND_SERVICE, Asked, Call, Lines, NoQuery, Operation
from emdr_stream.rest.problems import ProblemCode, refuse
from emdr_stream.wire.values import Name

CSV, PARQUET, FHIR, HTML = "text/csv", "application/vnd.apache.parquet", "application/fhir+json", "text/html"
_MEDIA: Final[Mapping[Format, str]] = {
    Format.CSV: f"{CSV}; charset=utf-8",
    Format.JSONL: NDJSON,
    Format.PARQUET: PARQUET,
    Format.FHIR: FHIR,
}
_SUFFIXES: Final[Mapping[Format, str]] = {
    Format.CSV: "csv",
    Format.JSONL: "jsonl",
    Format.PARQUET: "parquet",
    Format.FHIR: "json",
}
_MOST_NAMED: Final = 50
"""Sessions that a header names: one more is one too many for some proxies."""
_LATEST_MS: Final = 4_102_444_800_000
Moment = Annotated[int, Meta(ge=0, le=_LATEST_MS, description="milliseconds since the Unix epoch")]


class ExportRequest(Asked, frozen=True, kw_only=True):
    """`table`: of csv and parquet, which are of one table each: sessions, seconds, events, alerts or outcomes."""

    user: Name
    format: Format
    table: Annotated[str, Meta(max_length=32)] = "sessions"
    since: Moment = 0
    until: Moment | None = None


async def export(call: Call[ExportRequest, NoQuery]) -> Lines:
    """A client's records in the form that is asked for; who took them is written into the audit log."""
    body, parts = call.body, call.parts
    user = call.check_user(body.user)
    if body.table not in TABLES:
        raise refuse(f"`table` is one of {', '.join(TABLES)}", "table")
    if body.format is Format.PARQUET:
        try:
            check_parquet()
        except ConfigurationError:
            raise refuse("this service was installed without parquet (extra `export`): ask for csv", "format") from None
    wanted = Wanted(user, body.since, parts.wall_ms() if body.until is None else body.until)
    parts.exports.check()
    # A store that is away is a problem now, and a broken stream later.
    missing = await parts.archive.unsummed(user, wanted.since_ms, wanted.until_ms, _MOST_NAMED)
    pieces = parts.exports.pieces(_pieces(call, wanted))
    deed = {"action": call.operation, "by": call.principal.sub, "role": call.principal.role.value}
    parts.registry.audit({**deed, "format": body.format.value}, user=user)
    name = body.table if body.format in (Format.CSV, Format.PARQUET) else "records"
    headers = {
        "content-type": _MEDIA[body.format],
        "content-disposition": f'attachment; filename="{name}.{_SUFFIXES[body.format]}"',
    }
    if missing:
        headers["sessions-missing"] = ", ".join(f"{session.session_id};{session.why.value}" for session in missing)
    return Lines(pieces, headers)


def _pieces(call: Call[ExportRequest, NoQuery], wanted: Wanted) -> AsyncIterator[bytes]:
    body, archive = call.body, call.parts.archive
    if body.format is Format.CSV:
        return csv_of(archive, TABLES[body.table], wanted)
    if body.format is Format.JSONL:
        return jsonl_of(archive, wanted)
    if body.format is Format.FHIR:
        return bundle_parts(archive, wanted, call.parts.wall_ms())
    return parquet_pieces(archive, TABLES[body.table], wanted)


async def report(call: Call[Any, NoQuery]) -> Lines:
    """A session as a page to print."""
    session_id, parts = call.path["session_id"], call.parts
    figures = await parts.archive.session(session_id)
    if figures is None or not call.principal.may_see(figures.user):
        raise call.refused_session(session_id)
    with parts.exports.place():
        found = await report_of(parts.archive, session_id, parts.wall_ms())
        if found is None:
            raise call.refused_session(session_id)
        page = await parts.exports.in_turn(lambda: html_of(found))
    headers = {
        "content-type": f"{HTML}; charset=utf-8",
        "content-security-policy": CSP,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
    }
    return Lines(_once(page.encode()), headers)


async def _once(piece: bytes) -> AsyncIterator[bytes]:
    yield piece


OPERATIONS: Final = (
    Operation(
        name="analytics.export",
        method="POST",
        path="/v1/analytics/export",
        summary="A client's records as CSV, JSON Lines, Parquet or a FHIR R4 bundle.",
        roles=THERAPIST_AND_SERVICE,
        handle=export,
        body=ExportRequest,
        media=(CSV, NDJSON, PARQUET, FHIR),
        answers_with="The file, in the form that was asked for. One that breaks off before its end is not whole. The "
        "header `Sessions-Missing` names sessions that are not in it yet: `id;why`, which is `running`, `due` or "
        "`unreadable`.",
        problems=frozenset({ProblemCode.NOT_FOUND, ProblemCode.BUSY}),
    ),
    Operation(
        name="analytics.report",
        method="GET",
        path="/v1/sessions/{session_id}/report",
        summary="A session's report: one HTML page with its curves, to be printed.",
        roles=THERAPIST_AND_SERVICE,
        handle=report,
        media=(HTML,),
        problems=frozenset({ProblemCode.BUSY}),
        answers_with="A page without scripts, which fetches nothing.",
    ),
)
