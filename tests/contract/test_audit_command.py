"""`emdr-stream audit verify` on a real PostgreSQL: what it finds, what it says, and with which exit status."""

import asyncio
import json
import os
import pty
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from emdr_stream.__main__ import main
from emdr_stream.store import rows
from emdr_stream.store.base import Record, RecordKind
from emdr_stream.store.postgres import PostgresStore
from tests.conftest import REPOSITORY
from tests.contract.own_database import own_database
from tests.stores_process import RunningStores

pytestmark = [pytest.mark.anyio, pytest.mark.integration]

ENTRIES = 12
NOW_MS = 1_795_000_000_123
Outcome: TypeAlias = tuple[int, str, str]
Verify: TypeAlias = Callable[..., Awaitable[Outcome]]


@pytest.fixture
async def url(stores: RunningStores, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[str]:
    """A database of its own with an audit log of some entries."""
    for name in [name for name in os.environ if name.upper().startswith("EMDR_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    async with own_database(stores.database_url) as address:
        await write(address, range(ENTRIES))
        yield address


@pytest.fixture
def verify(url: str, capsys: pytest.CaptureFixture[str]) -> Verify:
    """Runs the command on the database; gives exit status, stdout and stderr."""

    async def run(*arguments: str) -> Outcome:
        code = await asyncio.to_thread(main, ["audit", "verify", "--database-url", url, *arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return run


async def write(url: str, numbers: range, word: str = "ack") -> None:
    store = PostgresStore(url, timeout_s=10.0)
    await store.start()
    await store.write([Record(RecordKind.AUDIT, "s1", "anna", 1, NOW_MS + n, {"action": word}) for n in numbers])
    await store.aclose()


async def tamper(url: str, statement: str) -> None:
    """What somebody does who owns the database: the triggers are no obstacle to them."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"alter table audit_log disable trigger all; {statement}")
    finally:
        await connection.close()


async def noted(verify: Verify) -> tuple[str, str]:
    """Count and newest hash as an operator notes them."""
    code, out, _ = await verify("--json")
    told = json.loads(out)
    assert (code, told["intact"], told["first_bad"], told["problem"]) == (0, True, None, None)
    return str(told["entries"]), told["newest_hash"]


async def test_an_intact_log_is_told_with_its_count_and_newest_hash(url: str, verify: Verify) -> None:
    count, newest = await noted(verify)
    assert (count, len(newest)) == (str(ENTRIES), 64)
    assert await verify() == (0, f"intact: {ENTRIES} entries\nnewest hash: {newest}\n", "")
    await write(url, range(ENTRIES, ENTRIES + 3))
    code, out, _ = await verify("--expect-count", count, "--expect-hash", newest.upper())
    assert (code, out.splitlines()[0]) == (0, f"intact: {ENTRIES + 3} entries, and goes on from what was noted")


@pytest.mark.parametrize(
    "statement",
    [
        "update audit_log set body = '{}' where id = 7",
        "update audit_log set user_id = 'eve' where id = 7",
        "delete from audit_log where id = 7",
    ],
)
async def test_a_changed_or_removed_entry_is_named_with_status_1(url: str, verify: Verify, statement: str) -> None:
    await tamper(url, statement)
    code, out, _ = await verify()
    assert code == 1
    assert out.startswith("BROKEN: entry 7 is changed, missing or out of place\nsound before it: 6 entries")
    code, out, _ = await verify("--json")
    told = json.loads(out)
    assert (code, told["intact"], told["entries"], told["first_bad"]) == (1, False, 6, 7)


async def test_entries_cut_off_at_the_end_show_against_what_was_noted_and_only_so(url: str, verify: Verify) -> None:
    count, newest = await noted(verify)
    await tamper(url, "delete from audit_log where id > 9")
    assert (await verify())[0] == 0
    for anchor in (["--expect-count", count], ["--expect-count", count, "--expect-hash", newest]):
        code, out, _ = await verify(*anchor)
        assert (code, out.splitlines()[0]) == (
            1,
            f"BROKEN: entry 10 and all after it are cut off: {ENTRIES} were there before",
        )
    code, out, _ = await verify("--expect-hash", newest)
    assert (code, out.splitlines()[0].startswith("BROKEN: no entry has the hash")) == (1, True)
    code, out, _ = await verify("--json", "--expect-count", count)
    assert json.loads(out)["first_bad"] == 10


async def test_a_log_written_anew_with_good_hashes_shows_against_the_hash(url: str, verify: Verify) -> None:
    count, newest = await noted(verify)
    await tamper(url, "truncate audit_log")
    await write(url, range(ENTRIES), word="nothing happened")
    assert (await verify("--expect-count", count))[0] == 0
    code, out, _ = await verify("--expect-count", count, "--expect-hash", newest)
    assert (code, out.splitlines()[0]) == (
        1,
        f"BROKEN: entry {ENTRIES}, or one before it, was written anew: it has another hash than before",
    )


async def test_an_empty_log_is_intact(url: str, verify: Verify) -> None:
    await tamper(url, "truncate audit_log")
    assert await noted(verify) == ("0", rows.GENESIS.hex())


async def test_a_log_longer_than_a_page_is_followed_to_its_end(url: str, verify: Verify) -> None:
    await write(url, range(ENTRIES, 5_100))
    assert (await noted(verify))[0] == "5100"
    await tamper(url, "delete from audit_log where id = 5050")
    code, out, _ = await verify()
    assert (code, "entry 5050" in out) == (1, True)


async def test_what_cannot_be_checked_is_no_finding_and_has_status_2(
    url: str, stores: RunningStores, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    async def asked(*arguments: str) -> str:
        code = await asyncio.to_thread(main, ["audit", "verify", *arguments])
        out, err = capsys.readouterr()
        assert (code, out) == (2, ""), err
        return err

    async with own_database(stores.database_url) as empty:
        assert "holds no audit log" in await asked("--database-url", empty)
    secret = "postgresql://somebody:a-password@127.0.0.1:1/nowhere"
    away = await asked("--database-url", secret)
    assert "could not be checked" in away and "a-password" not in away
    assert "EMDR_DATABASE_URL must begin with" in await asked("--database-url", "mysql://elsewhere")
    assert "holds no database" in await asked("--data-dir", str(tmp_path / "nothing here"))
    assert "64 hexadecimal digits" in await asked("--database-url", url, "--expect-hash", "deadbeef")
    assert "number of entries" in await asked("--database-url", url, "--expect-count", "-1")


async def test_progress_is_shown_on_a_terminal_only(url: str, tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "emdr_stream", "audit", "verify", "--database-url", url]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TERM": "xterm"}
    try:
        done = await asyncio.to_thread(
            subprocess.run, command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=theirs, timeout=30
        )
        shown = os.read(ours, 65_536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 0
    assert "audit log" in shown and "audit log" not in done.stdout.decode()
