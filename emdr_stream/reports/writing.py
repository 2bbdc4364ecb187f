"""Tables of an export in, bytes out: CSV, JSON Lines or Parquet. Times are ISO 8601 in UTC; the unknown is empty.

Pages are made in a thread, beside the loop.
"""

import asyncio
import csv
import datetime
import io
from collections.abc import AsyncIterator, Iterable
from enum import StrEnum
from typing import Any, Final

import msgspec

from emdr_stream.errors import ConfigurationError
from emdr_stream.reports.tables import TABLES, Kind, Page, Row, Table, Wanted
from emdr_stream.store.archive import Archive

_UNIX_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet would compute a text that begins so: an apostrophe before it keeps it a text."""


_GROUP_PAGES: Final = 10
"""Pages of one row group: smaller groups make larger files."""


class Format(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"
    FHIR = "fhir"


def time_text(ts_ms: int) -> str:
    """ISO 8601 in UTC with milliseconds."""
    moment = _UNIX_EPOCH + datetime.timedelta(milliseconds=ts_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def csv_of(archive: Archive, table: Table, wanted: Wanted) -> AsyncIterator[bytes]:
    """RFC 4180 with a head line."""
    yield _csv_text([[column.name for column in table.columns]])
    async for page in table.pages(archive, wanted):
        yield await asyncio.to_thread(_csv_page, table, page)


async def jsonl_of(archive: Archive, wanted: Wanted) -> AsyncIterator[bytes]:
    """One object a line, with the name of its table."""
    for table in TABLES.values():
        async for page in table.pages(archive, wanted):
            yield await asyncio.to_thread(_json_page, table, page)


async def parquet_of(archive: Archive, table: Table, wanted: Wanted) -> bytes:
    """One file, at once. Raises ConfigurationError without the extra `export`."""
    return b"".join([piece async for piece in parquet_pieces(archive, table, wanted)])


async def parquet_pieces(archive: Archive, table: Table, wanted: Wanted) -> AsyncIterator[bytes]:
    """One file, as it grows. Raises ConfigurationError without the extra `export`."""
    arrow, parquet = _arrow()
    schema = arrow.schema([(column.name, _arrow_type(arrow, column.kind)) for column in table.columns])
    sink = _Sink()
    with parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
        waiting: list[Any] = []
        async for page in table.pages(archive, wanted):
            waiting.append(await asyncio.to_thread(_arrow_page, arrow, schema, page))
            if len(waiting) == _GROUP_PAGES:
                await asyncio.to_thread(_write_group, arrow, writer, waiting)
                yield sink.taken()
        if waiting:
            await asyncio.to_thread(_write_group, arrow, writer, waiting)
    yield sink.taken()


class _Sink(io.RawIOBase):
    """What a writer of Parquet takes for a file that only grows; what was written is taken out, piece by piece."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size

    def write(self, data: Any, /) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        self._size += len(piece)
        return len(piece)

    def taken(self) -> bytes:
        """What came since the last time."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def check_parquet() -> None:
    """Raises ConfigurationError without the extra `export`, before anything was asked of the store."""
    _arrow()


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise ConfigurationError(
            "Parquet needs pyarrow: pip install 'emdr-stream[export]'; csv and jsonl need nothing"
        ) from None
    return pyarrow, parquet


def _arrow_type(arrow: Any, kind: Kind) -> Any:
    made = {Kind.TEXT: arrow.string, Kind.INTEGER: arrow.int64, Kind.NUMBER: arrow.float64}
    return made[kind]() if kind in made else arrow.timestamp("ms", tz="UTC")


def _arrow_page(arrow: Any, schema: Any, page: Page) -> Any:
    return arrow.Table.from_pylist([dict(row) for row in page()], schema=schema)


def _write_group(arrow: Any, writer: Any, waiting: list[Any]) -> None:
    writer.write_table(arrow.concat_tables(waiting))
    waiting.clear()


def _csv_page(table: Table, page: Page) -> bytes:
    return _csv_text([_csv_value(row[column.name], column.kind) for column in table.columns] for row in page())


def _json_page(table: Table, page: Page) -> bytes:
    return b"".join(msgspec.json.encode(_json_row(table, row)) + b"\n" for row in page())


def _csv_text(rows: Iterable[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def _csv_value(value: Any, kind: Kind) -> str:
    if value is None:
        return ""
    if kind is Kind.TIME:
        return time_text(value)
    if kind is Kind.TEXT:
        return f"'{value}" if value.startswith(_FORMULA) else str(value)
    return repr(value)


def _json_row(table: Table, row: Row) -> dict[str, Any]:
    told: dict[str, Any] = {"table": table.name}
    for column in table.columns:
        value = row[column.name]
        told[column.name] = time_text(value) if column.kind is Kind.TIME and value is not None else value
    return told
