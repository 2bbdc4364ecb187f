"""A person's rows as they are exported, from a real database: whatever stands in a text, all of them come."""

import json
from typing import Any

import asyncpg
import msgspec
import pytest

from emdr_stream.broker.base import AlertEntry
from emdr_stream.store.export import page_of
from emdr_stream.store.personal import PERSONAL_TABLES
from emdr_stream.store.postgres import PostgresStore

pytestmark = [pytest.mark.anyio, pytest.mark.integration]
NOW = 1_795_420_800_000
(ALERTS,) = (table for table in PERSONAL_TABLES if table.name == "alerts")


def payload(text: str, number: int) -> bytes:
    return msgspec.json.encode({"alert_id": f"s-1.a{number}", "state": "raised", "report": text})


async def exported(store: PostgresStore) -> list[dict[str, Any]]:
    return [json.loads(line)["row"] for line in await store.ask(page_of(ALERTS, "u-1", 0))]


async def test_no_text_that_is_stored_keeps_an_alert_from_being_exported(store: PostgresStore, database: str) -> None:
    """With a NUL in one alert's text no export of the person came to its end any more; such rows stay as they are."""
    texts = ["plain", "a\x00b", "two\x00\x00", "a \\u0000 that was typed", "\\\x00", '"', "\ud7ff\ufffd"]
    connection = await asyncpg.connect(database)
    for number, text in enumerate(texts, 1):
        await insert(connection, number, payload(text, number))
    await insert(connection, 90, b"no JSON at all \xff")
    await insert(connection, 91, b'"\xff\n"')
    await connection.close()
    rows = await exported(store)
    assert [row["alert"]["report"] for row in rows[:-2]] == texts
    assert [row["alert"] for row in rows[-2:]] == ["no JSON at all \ufffd", '"\ufffd\n"']
    assert all("payload" not in row and row["user_id"] == "u-1" for row in rows)


async def insert(connection: "asyncpg.Connection[Any]", number: int, stored: bytes) -> None:
    await connection.execute(
        "insert into alerts (session_id, user_id, alert_seq, epoch, ts_ms, alert_id, state, payload)"
        " values ('s-1', 'u-1', $1, 1, $2, $3, 'raised', $4)",
        number,
        NOW,
        f"s-1.a{number}",
        stored,
    )


async def test_an_alert_is_stored_without_what_a_database_cannot_hold(store: PostgresStore) -> None:
    texts = ["a\x00b", "a \\u0000 that was typed", "plain"]
    entries = [AlertEntry("s-1", "u-1", n, 1, NOW, payload(text, n)) for n, text in enumerate(texts, 1)]
    await store.append_alerts([*entries, AlertEntry("s-1", "u-1", 9, 1, NOW, b'"\\u0000 \xff"')])
    found = await store.alerts_since(NOW)
    assert [entry.payload for entry in found] == [
        payload("a\ufffdb", 1),
        payload(texts[1], 2),
        payload(texts[2], 3),
        b'"\\u0000 \xff"',
    ]
