"""Takes what other commands and later starts must know of the stores, keeps it in the data folder as `stores.json`."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

_FILE: Final = "stores.json"


@dataclass(frozen=True, slots=True)
class StoreAddresses:
    """Where the stores listen: `redis_url` for redis-py (unix://...), `database_url` for asyncpg (host: a folder)."""

    redis_url: str
    database_url: str


@dataclass(frozen=True, slots=True)
class StoresRecord:
    """The last start on this folder: addresses, the socket folder, and which server wrote Valkey's files."""

    redis_url: str
    database_url: str
    run_dir: str
    valkey_product: str
    valkey_version: str


def read_record(data_dir: Path) -> StoresRecord | None:
    """The record, or None when there is none or it is not readable as one (it can be made anew)."""
    try:
        return StoresRecord(**json.loads((data_dir / _FILE).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def write_record(data_dir: Path, record: StoresRecord) -> None:
    """Replace the record in one step, so that a reader never sees half of it."""
    partial = data_dir / f"{_FILE}.partial"
    partial.write_text(json.dumps(asdict(record), indent=1) + "\n")
    partial.replace(data_dir / _FILE)
