"""`emdr-stream export` on a real database: every form of a user's records, and what it says when it cannot."""

import asyncio
import csv
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fhir.resources.R4B.bundle import Bundle

from emdr_stream.__main__ import main
from emdr_stream.analytics.figures import Outcome
from emdr_stream.clock import wall_ms
from emdr_stream.errors import StoreUnavailable
from emdr_stream.progress.measures import Measure
from emdr_stream.store.archive_postgres import PostgresArchive
from emdr_stream.store.postgres import PostgresStore
from tests.contract.own_database import own_database
from tests.kept_sessions import DAY0, alerts_of, session
from tests.stores_process import RunningStores

pytestmark = [pytest.mark.integration, pytest.mark.anyio]


@pytest.fixture
async def url(stores: RunningStores) -> AsyncIterator[str]:
    """A database with two users; nobody has summed up their sessions yet."""
    async with own_database(stores.database_url) as found:
        store = PostgresStore(found, timeout_s=10.0)
        await store.start()
        for number, user in enumerate(("anna", "ben")):
            await store.write(session(f"s{number}", user, DAY0, seed=number + 1))
            await store.append_alerts(alerts_of(f"s{number}", user))
        await PostgresArchive(store).keep_outcome(Outcome("anna", Measure.PCL5, 44, DAY0 + 1))
        await store.aclose()
        yield found


async def export(url: str, *arguments: object) -> int:
    """Run the command beside the test's own loop."""
    options = ["export", *map(str, arguments), "--database-url", url, "--env-file", os.devnull]
    return await asyncio.to_thread(main, options)


async def test_each_form_holds_the_users_records_and_nobody_elses(url: str, tmp_path: Path) -> None:
    assert await export(url, "--user", "anna", "--format", "csv", "--out", tmp_path / "csv") == 0
    assert {path.name for path in (tmp_path / "csv").iterdir()} == {
        "sessions.csv",
        "seconds.csv",
        "events.csv",
        "alerts.csv",
        "outcomes.csv",
    }
    with (tmp_path / "csv" / "seconds.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 120
    assert await export(url, "--user", "anna", "--format", "jsonl", "--out", tmp_path / "a.jsonl") == 0
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert {line["session_id"] for line in lines if "session_id" in line} == {"s0"}
    assert await export(url, "--user", "anna", "--format", "fhir", "--out", tmp_path / "a.json") == 0
    bundle = Bundle.model_validate_json((tmp_path / "a.json").read_bytes())
    assert bundle.entry is not None and len(bundle.entry) > 10
    assert await export(url, "--session", "s0", "--format", "report", "--out", tmp_path / "r.html") == 0
    assert "<svg" in (tmp_path / "r.html").read_text()
    for path in (tmp_path / "a.jsonl", tmp_path / "a.json", tmp_path / "r.html"):
        assert path.stat().st_mode & 0o077 == 0, "only its owner may read it"


async def test_parquet_is_a_file_for_each_table(url: str, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra `export` is not installed")
    assert await export(url, "--user", "anna", "--format", "parquet", "--out", tmp_path / "p") == 0
    assert parquet.read_table(tmp_path / "p" / "seconds.parquet").num_rows == 120
    assert await export(url, "--user", "anna", "--format", "parquet", "--table", "alerts", "--out", tmp_path / "q") == 0
    assert [path.name for path in (tmp_path / "q").iterdir()] == ["alerts.parquet"]


async def test_a_table_goes_to_standard_output_when_asked(
    url: str, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert await export(url, "--user", "anna", "--format", "csv", "--table", "outcomes", "--out", "-") == 0
    assert capfdbinary.readouterr().out.splitlines()[0] == b"ts,measure,target,value,entered_by"


async def test_days_bound_what_is_exported(url: str, tmp_path: Path) -> None:
    out = tmp_path / "late.jsonl"
    since = ("--since", "2026-03-03")
    assert await export(url, "--user", "anna", "--format", "jsonl", *since, "--out", out) == 0
    assert out.read_text() == ""


async def test_an_export_that_breaks_off_leaves_the_file_before_it_and_no_other(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the lines stood in the old file's place, and nothing told them from a whole export."""

    async def broken(*_: object) -> AsyncIterator[bytes]:
        yield b'{"table":"sessions"}\n'
        raise StoreUnavailable("PostgreSQL went away")

    for arguments in (("--format", "jsonl"), ("--format", "csv", "--table", "alerts")):
        folder = tmp_path / arguments[1]
        folder.mkdir()
        out = folder / "alerts.csv"
        assert await export(url, "--user", "anna", *arguments, "--out", folder if "csv" in arguments else out) == 0
        whole = out.read_bytes()
        with monkeypatch.context() as patch:
            patch.setattr("emdr_stream.cli.export.jsonl_of", broken)
            patch.setattr("emdr_stream.cli.export.csv_of", broken)
            code = await export(url, "--user", "anna", *arguments, "--out", folder if "csv" in arguments else out)
        assert code == 1 and out.read_bytes() == whole
        assert [path.name for path in folder.iterdir()] == ["alerts.csv"]


async def test_a_session_that_runs_is_named_as_what_is_not_in_it(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a client in their first session the command said that nothing is known of them; others' it left out."""
    store = PostgresStore(url, timeout_s=10.0)
    for user in ("live", "anna"):
        await store.write(session(f"of-{user}", user, wall_ms() - 60_000, seconds=30)[:-1])
    await store.append_alerts(alerts_of("of-live", "live"))
    await store.aclose()
    for user, tables in (("live", {"alerts"}), ("anna", {"sessions", "seconds", "events", "alerts", "outcomes"})):
        out = tmp_path / f"{user}.jsonl"
        assert await export(url, "--user", user, "--format", "jsonl", "--out", out) == 0
        assert f"session of-{user} is not in it: it is running" in capsys.readouterr().err
        assert {json.loads(line)["table"] for line in out.read_text().splitlines()} == tables
    assert await export(url, "--user", "ben", "--format", "jsonl", "--out", tmp_path / "b") == 0
    assert "not in it" not in capsys.readouterr().err


async def test_an_unknown_user_or_session_is_told_and_leaves_no_file(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x"
    assert await export(url, "--user", "nobody", "--format", "jsonl", "--out", out) == 1
    assert "nothing is known of nobody" in capsys.readouterr().err
    assert await export(url, "--session", "none", "--format", "report", "--out", out) == 1
    assert "there is no session none" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--user", "anna", "--format", "report", "--out", "x"), "a report is of one session"),
        (("--session", "s0", "--format", "csv", "--out", "x"), "a report is of one session"),
        (("--user", "anna", "--format", "csv", "--out", "-"), "one table with --table"),
        (("--user", "anna", "--format", "fhir", "--table", "alerts", "--out", "x"), "--table is for csv and parquet"),
        (("--user", "anna", "--format", "jsonl", "--out", "/proc/no/x"), "cannot be written"),
        (("--user", "anna", "--format", "csv", "--out", "/proc/no"), "no folder"),
        (
            ("--user", "anna", "--format", "csv", "--out", "x", "--since", "2026-11-02", "--until", "2026-11-01"),
            "--until is a day after --since",
        ),
    ],
)
async def test_what_cannot_be_done_is_told_with_status_2(
    url: str, arguments: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await export(url, *arguments) == 2
    assert told in capsys.readouterr().err


async def test_a_day_that_is_none_is_told_with_its_form(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await export(url, "--user", "anna", "--format", "jsonl", "--since", "tomorrow", "--out", "x") == 2
    assert "write it as 2026-11-01" in capsys.readouterr().err
