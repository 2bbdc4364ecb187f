"""Exports of a user's records: each form read back by somebody else's reader, and nothing of another user in any."""

import csv
import io
import json
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from fhir.resources.R4B.bundle import Bundle

from emdr_stream.analytics.figures import Outcome
from emdr_stream.domain import AlertKind
from emdr_stream.errors import ConfigurationError
from emdr_stream.progress.measures import Measure
from emdr_stream.reports import fhir, writing
from emdr_stream.reports.fhir import bundle_parts
from emdr_stream.reports.fhir_codes import CODES, SYSTEM
from emdr_stream.reports.tables import PAGE_ROWS, TABLES, Kind, Page, Row, Wanted
from emdr_stream.reports.writing import check_parquet, csv_of, jsonl_of, parquet_of, parquet_pieces, time_text
from emdr_stream.store.archive import Archive
from emdr_stream.store.archive_memory import MemoryArchive
from emdr_stream.store.base import Record, RecordKind
from emdr_stream.store.memory import MemoryRecords, MemoryStore
from tests.kept_sessions import DAY0, alert, alerts_of, session

pytestmark = pytest.mark.anyio

NOW_MS = DAY0 + 86_400_000
WANTED = Wanted("anna", 0, NOW_MS)


@pytest.fixture
async def archive() -> MemoryArchive:
    records = MemoryRecords()
    store, found = MemoryStore(records), MemoryArchive(records)
    for number, user in enumerate(("anna", "someone-else", "anna")):
        await store.write(session(f"s{number}", user, DAY0 + number * 3_600_000, seed=number + 1))
        await store.append_alerts(alerts_of(f"s{number}", user))
    plain = alert("s0", "anna", 9, DAY0 + 80_000, name="a9")
    model = {"name": "emotion_safety", "version": "2", "sha256": "x"}
    by_a_model = msgspec.json.decode(plain.payload) | {"probability": 0.8125, "threshold": 0.7, "model": model}
    await store.append_alerts([replace(plain, payload=msgspec.json.encode(by_a_model))])
    audit = {"action": "ack", "by": "=cmd()", "refused": True}
    await store.write([Record(RecordKind.AUDIT, "s0", "anna", 1, DAY0 + 90_000, audit)])
    await found.keep_outcome(Outcome("anna", Measure.PCL5, 44, DAY0 + 1, by="t1"))
    await found.keep_outcome(Outcome("anna", Measure.SUD, 6, DAY0 + 2, target="=HYPERLINK(1)", by="t1"))
    await found.keep_outcome(Outcome("someone-else", Measure.PCL5, 20, DAY0 + 1))
    await found.refresh(100, 0.0)
    return found


async def written(parts: Any) -> bytes:
    return b"".join([part async for part in parts])


async def test_csv_has_a_row_for_each_record_and_every_value_comes_back(archive: MemoryArchive) -> None:
    text = (await written(csv_of(archive, TABLES["sessions"], WANTED))).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["session_id"] for row in rows] == ["s2", "s0"]
    told = await archive.session("s0")
    assert told is not None
    assert float(rows[1]["risk_mean"]) == told.risk_mean
    assert rows[1]["began"] == time_text(told.began_ms) == "2026-03-02T00:00:00.000Z"
    assert json.loads(rows[1]["kinds"]) == {"crisis": 2, "signal_lost": 1}
    seconds = list(csv.DictReader(io.StringIO((await written(csv_of(archive, TABLES["seconds"], WANTED))).decode())))
    assert len(seconds) == 240
    assert {row["heart_rate"] for row in seconds} == {""}


async def test_no_cell_of_a_csv_is_a_formula(archive: MemoryArchive) -> None:
    for table in TABLES.values():
        text = (await written(csv_of(archive, table, WANTED))).decode()
        for row in csv.DictReader(io.StringIO(text)):
            for column in table.columns:
                if column.kind is Kind.TEXT:
                    assert not row[column.name].startswith(("=", "+", "-", "@"))
    outcomes = (await written(csv_of(archive, TABLES["outcomes"], WANTED))).decode()
    assert "'=HYPERLINK(1)" in outcomes


async def test_json_lines_hold_every_table(archive: MemoryArchive) -> None:
    lines = [json.loads(line) for line in (await written(jsonl_of(archive, WANTED))).splitlines()]
    assert Counter(line["table"] for line in lines) == {
        "sessions": 2,
        "seconds": 240,
        "events": 20,
        "alerts": 9,
        "outcomes": 2,
    }
    for line in lines:
        assert line.keys() - {"table"} == {column.name for column in TABLES[line["table"]].columns}


async def test_parquet_has_types_and_the_same_rows(archive: MemoryArchive) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra `export` is not installed")
    found = parquet.read_table(io.BytesIO(await parquet_of(archive, TABLES["seconds"], WANTED)))
    assert found.num_rows == 240
    assert str(found.schema.field("ts").type) == "timestamp[ms, tz=UTC]"
    assert str(found.schema.field("valence").type) == "double"
    assert str(found.schema.field("state").type) == "string"
    lines = [json.loads(line) for line in (await written(jsonl_of(archive, WANTED))).splitlines()]
    expected = [line["valence"] for line in lines if line["table"] == "seconds"]
    assert found.column("valence").to_pylist() == expected
    empty = await parquet_of(archive, TABLES["outcomes"], Wanted("nobody", 0, NOW_MS))
    assert parquet.read_table(io.BytesIO(empty)).num_rows == 0


class Watched(MemoryArchive):
    """Notes how many rows it is asked for at a time."""

    def __init__(self, records: MemoryRecords) -> None:
        super().__init__(records)
        self.asked: set[int] = set()

    async def seconds(self, session_id: str, after_ms: int, most: int) -> list[tuple[int, dict[str, Any]]]:
        self.asked.add(most)
        return await super().seconds(session_id, after_ms, most)


async def test_no_export_holds_the_loop_for_more_than_a_small_page(monkeypatch: pytest.MonkeyPatch) -> None:
    # Five thousand rows at a time, encoded on the loop, held up every live session of the worker for 0.2 to 0.4 s.
    records = MemoryRecords()
    archive = Watched(records)
    await MemoryStore(records).write(session("s0", "anna", DAY0, seconds=1_200))
    await archive.refresh(100, 0.0)
    table, threads, of_series = TABLES["seconds"], set(), fhir.of_series

    async def pages(archive: Archive, wanted: Wanted) -> AsyncIterator[Page]:
        async for page in table.pages(archive, wanted):

            def made(page: Page = page) -> Sequence[Row]:
                threads.add(threading.get_ident())
                return page()

            yield made

    def series(*given: Any) -> Any:
        threads.add(threading.get_ident())
        return of_series(*given)

    watched = replace(table, pages=pages)
    monkeypatch.setattr(fhir, "of_series", series)
    monkeypatch.setattr(writing, "TABLES", {"seconds": watched})
    for parts in (csv_of(archive, watched, WANTED), jsonl_of(archive, WANTED), bundle_parts(archive, WANTED, NOW_MS)):
        threads.clear()
        assert await written(parts)
        assert threads and threading.get_ident() not in threads
    assert archive.asked == {PAGE_ROWS} and PAGE_ROWS <= 500
    pytest.importorskip("pyarrow.parquet", reason="the extra `export` is not installed")
    threads.clear()
    assert await parquet_of(archive, watched, WANTED)
    assert threads and threading.get_ident() not in threads


async def test_parquet_comes_in_pieces_with_large_groups_of_rows() -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra `export` is not installed")
    records = MemoryRecords()
    archive = MemoryArchive(records)
    await MemoryStore(records).write(session("s0", "anna", DAY0, seconds=7_000))
    await archive.refresh(100, 0.0)
    pieces = [piece async for piece in parquet_pieces(archive, TABLES["seconds"], WANTED)]
    assert len(pieces) == 2 and all(pieces)
    file = parquet.ParquetFile(io.BytesIO(b"".join(pieces)))
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [5_000, 2_000]


def test_without_the_extra_parquet_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'emdr-stream\[export\]'"):
        check_parquet()


async def test_nothing_of_another_user_or_time_is_in_any_form(archive: MemoryArchive) -> None:
    everything = [await written(csv_of(archive, table, WANTED)) for table in TABLES.values()]
    everything += [await written(jsonl_of(archive, WANTED)), await written(bundle_parts(archive, WANTED, NOW_MS))]
    for text in everything:
        assert b"someone-else" not in text and b'"s1"' not in text and b"s1," not in text
    early = Wanted("anna", 0, DAY0 + 3_600_000)
    lines = [json.loads(line) for line in (await written(jsonl_of(archive, early))).splitlines()]
    assert {line["session_id"] for line in lines if line["table"] == "sessions"} == {"s0"}
    assert {line["session_id"] for line in lines if line["table"] == "seconds"} == {"s0"}


# FHIR -----------------------------------------------------------------------------------------------------------------
async def resources(archive: MemoryArchive, wanted: Wanted = WANTED) -> dict[str, list[dict[str, Any]]]:
    bundle = json.loads(await written(bundle_parts(archive, wanted, NOW_MS)))
    found: dict[str, list[dict[str, Any]]] = {}
    for entry in bundle["entry"]:
        found.setdefault(entry["resource"]["resourceType"], []).append(entry["resource"])
    return found


def shape(value: Any) -> Any:
    """Names and lengths alone: the library writes times and decimals in another form than ours."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    return [shape(inner) for inner in value] if isinstance(value, list) else None


async def test_the_bundle_is_valid_fhir_and_no_element_of_it_is_lost_on_the_way(archive: MemoryArchive) -> None:
    text = await written(bundle_parts(archive, WANTED, NOW_MS))
    bundle = Bundle.model_validate_json(text)
    assert bundle.type == "collection"
    assert shape(json.loads(bundle.model_dump_json())) == shape(json.loads(text))


async def test_a_wrong_bundle_would_be_refused_by_the_same_check(archive: MemoryArchive) -> None:
    good = json.loads(await written(bundle_parts(archive, WANTED, NOW_MS)))
    for entry in good["entry"]:
        kind = entry["resource"]["resourceType"]
        if kind in ("Observation", "RiskAssessment", "Flag", "AuditEvent"):
            broken = json.loads(json.dumps(good))
            (other,) = [e for e in broken["entry"] if e["fullUrl"] == entry["fullUrl"]]
            other["resource"]["invented"] = 1
            with pytest.raises(ValueError, match="invented"):
                Bundle.model_validate(broken)


async def test_every_kind_of_resource_is_there_and_refers_to_the_one_patient(archive: MemoryArchive) -> None:
    found = await resources(archive)
    assert {kind: len(of) for kind, of in found.items() if kind != "Observation"} == {
        "Patient": 1,
        "CodeSystem": 1,
        "Flag": 5,
        "RiskAssessment": 1,
        "AuditEvent": 1,
    }
    (patient,) = found["Patient"]
    assert patient.keys() == {"resourceType", "id", "identifier"}
    for kind in ("Observation", "Flag", "RiskAssessment"):
        for resource in found[kind]:
            assert resource["subject"] == {"reference": f"urn:uuid:{patient['id']}"}


async def test_ids_are_the_same_in_each_export_and_no_two_are_alike(archive: MemoryArchive) -> None:
    first, second = await resources(archive), await resources(archive)
    assert first == second
    ids = [resource["id"] for of in first.values() for resource in of]
    assert len(ids) == len(set(ids))


async def test_scores_carry_the_value_that_was_given_and_codes_are_what_they_say(archive: MemoryArchive) -> None:
    found = (await resources(archive))["Observation"]
    by_code: dict[str, list[dict[str, Any]]] = {}
    for observation in found:
        by_code.setdefault(observation["code"]["coding"][0]["code"], []).append(observation)
    (pcl5,) = by_code["pcl5"]
    assert pcl5["valueQuantity"]["value"] == 44
    assert {c["system"]: c["code"] for c in pcl5["code"]["coding"]} == {SYSTEM: "pcl5", "http://loinc.org": "101698-9"}
    assert sorted(o["valueQuantity"]["value"] for o in by_code["sud"]) == [1, 3, 6, 8, 8]
    for name in ("sud", "voc", "valence", "risk"):
        for observation in by_code[name]:
            assert [c["system"] for c in observation["code"]["coding"]] == [SYSTEM]
    (risk,) = (await resources(archive))["RiskAssessment"]
    assert risk["prediction"][0]["probabilityDecimal"] == 81.25
    assert risk["method"] == {"text": "model emotion_safety 2"}


async def test_a_series_has_one_value_a_second_and_says_where_there_was_none(archive: MemoryArchive) -> None:
    found = (await resources(archive))["Observation"]
    series = [o for o in found if o["code"]["coding"][0]["code"] == "risk" and "valueSampledData" in o]
    assert len(series) == 2
    told = [fields for _, fields in await archive.seconds("s0", 0, 500)]
    data = next(o for o in series if o["note"][0]["text"] == "session s0")["valueSampledData"]
    assert data["period"] == 1_000
    values = data["data"].split(" ")
    assert len(values) == 120
    for value, fields in zip(values, told, strict=True):
        assert value == "E" if fields["risk"] is None else float(value) == pytest.approx(fields["risk"], abs=1e-3)


async def test_every_code_in_the_bundle_is_defined_in_it(archive: MemoryArchive) -> None:
    found = await resources(archive)
    (system,) = found["CodeSystem"]
    defined = {concept["code"] for concept in system["concept"]}
    assert defined == set(CODES) and {f"alert-{kind.value}" for kind in AlertKind} <= defined
    used = {
        coding["code"]
        for kind in ("Observation", "Flag")
        for resource in found[kind]
        for coding in resource["code"]["coding"]
        if coding["system"] == SYSTEM
    }
    assert used <= defined
    (audit,) = found["AuditEvent"]
    assert (audit["outcome"], audit["agent"][0]["who"]["identifier"]["value"]) == ("4", "=cmd()")
