"""Takes a connection and the SQL files beside this module, gives a database of this version; forward only."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from emdr_stream.errors import ConfigurationError

_FOLDER: Final = Path(__file__).parent / "migrations"
_LOCK: Final = 0x656D6472  # "emdr": any number that everyone agrees on


class Connection(Protocol):
    """The part of a database connection that migrations use."""

    async def execute(self, query: str, *args: object) -> Any: ...

    async def fetch(self, query: str, *args: object) -> Sequence[Any]: ...


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered step; `checksum` is the SHA-256 of its text."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """Tells whether the file was edited after it had been applied."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations(folder: Path = _FOLDER) -> list[Migration]:
    """All steps in order, from files named `0001_what.sql`."""
    files = sorted(folder.glob("[0-9]*_*.sql"))
    return [Migration(int(file.stem.split("_")[0]), file.stem, file.read_text(encoding="utf-8")) for file in files]


async def migrate(connection: Connection, steps: Sequence[Migration]) -> list[str]:
    """Apply what is missing, under an advisory lock; gives the names of the steps applied.

    Raises ConfigurationError when the database is newer than this program, or an applied step was changed since.
    """
    await connection.execute("select pg_advisory_lock($1)", _LOCK)
    try:
        await connection.execute(
            "create table if not exists schema_migrations"
            " (version int primary key, name text not null, checksum text not null,"
            " applied_at timestamptz not null default now())"
        )
        rows = await connection.fetch("select version, name, checksum from schema_migrations order by version")
        applied = {int(row["version"]): str(row["checksum"]) for row in rows}
        _check(applied, steps)
        missing = [step for step in steps if step.version not in applied]
        for step in missing:
            await _apply(connection, step)
        return [step.name for step in missing]
    finally:
        await connection.execute("select pg_advisory_unlock($1)", _LOCK)


def _check(applied: dict[int, str], steps: Sequence[Migration]) -> None:
    known = {step.version: step for step in steps}
    for version, checksum in applied.items():
        if version not in known:
            raise ConfigurationError(
                f"the database has schema version {version}, this program knows {max(known, default=0)} at most: "
                "start the newer program, or name another database (EMDR_DATABASE_URL)"
            )
        if known[version].checksum != checksum:
            raise ConfigurationError(
                f"migration {known[version].name} was changed after this database had applied it: "
                "restore the file and put the change into a new migration"
            )


async def _apply(connection: Connection, step: Migration) -> None:
    await connection.execute("begin")
    try:
        await connection.execute(step.sql)
        await connection.execute(
            "insert into schema_migrations (version, name, checksum) values ($1, $2, $3)",
            step.version,
            step.name,
            step.checksum,
        )
        await connection.execute("commit")
    except Exception:
        await connection.execute("rollback")
        raise
