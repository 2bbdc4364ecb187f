"""A user in, everything that the database holds of them out: JSON texts, page by page, made by the database."""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from emdr_stream.store import rows
from emdr_stream.store.connections import TimedConnection
from emdr_stream.store.personal import Key, PersonalTable

PAGE: Final = 1_000


def sessions_of(user: str) -> Callable[[TimedConnection], Awaitable[list[str]]]:
    """The ids of all sessions of a user that the records know."""

    async def ask(connection: TimedConnection) -> list[str]:
        found = await connection.fetch(
            "select session_id from sessions where user_id = $1"
            " union select session_id from alerts where user_id = $1 order by session_id",
            rows.text(user),
        )
        return [row["session_id"] for row in found]

    return ask


def page_of(table: PersonalTable, key: str, skip: int) -> Callable[[TimedConnection], Awaitable[list[str]]]:
    """Up to PAGE rows of a user or a session, each the JSON text `{"table": ..., "row": ...}`; `skip` came before."""

    payload = ", t.payload" if table.document else ""

    async def ask(connection: TimedConnection) -> list[str]:
        found = await connection.fetch(
            f"select jsonb_build_object('table', '{table.name}', 'row', {table.row})::text as line{payload}"  # noqa: S608 - our names
            f" from {table.name} t where t.{table.key.value} = $1 order by {table.order} limit {PAGE} offset $2",
            rows.text(key),
            skip,
        )
        if table.document:
            return [_with_document(row["line"], table.document, bytes(row["payload"])) for row in found]
        return [row["line"] for row in found]

    return ask


def audit_of(user: str, after: int) -> Callable[[TimedConnection], Awaitable[list[tuple[int, str]]]]:
    """Up to PAGE entries of the audit log about a user, behind entry `after`: number and JSON text."""

    async def ask(connection: TimedConnection) -> list[tuple[int, str]]:
        found = await connection.fetch(
            "select id, jsonb_build_object('table', 'audit_log', 'row', jsonb_build_object('id', id, 'ts_ms', ts_ms,"
            " 'session_id', session_id, 'body', body::jsonb))::text as line"
            " from audit_log where user_id = $1 and id > $2 order by id limit $3",
            rows.text(user),
            after,
            PAGE,
        )
        return [(row["id"], row["line"]) for row in found]

    return ask


def is_of_sessions(table: PersonalTable) -> bool:
    """Whether its rows are found session by session."""
    return table.key is Key.SESSION


def _with_document(line: str, field: str, payload: bytes) -> str:
    """The line with the payload in its row, read here: PostgreSQL's jsonb refuses what a text of a peer may hold."""
    told = msgspec.json.decode(line)
    try:
        told["row"][field] = msgspec.json.decode(payload)
    except ValueError:
        told["row"][field] = payload.decode(errors="replace")
    return msgspec.json.encode(told).decode()
