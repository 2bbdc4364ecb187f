"""Files of recordings: whole lines, one header, nobody else's to read; a bad disk stops no session."""

import json
import logging
import resource
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emdr_stream.errors import ConfigurationError
from emdr_stream.recording.line_file import LineFile, LineWriter
from emdr_stream.recording.reading import read_recording
from emdr_stream.recording.recorder import Recorder
from emdr_stream.session.effects import Analyse, At, Send
from emdr_stream.session.ports import SessionRecord
from emdr_stream.wire.stream import Done, Morphcast, MorphcastEvent, Stop
from tests.unit.recording.live_session import facts, sample

INTERVAL_S = 0.005


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(INTERVAL_S)


@pytest.fixture
def writer() -> Iterator[LineWriter]:
    made = LineWriter(interval_s=INTERVAL_S)
    yield made
    made.close()


def recorded(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "s-1.jsonl").read_bytes().splitlines()]


def test_a_session_is_recorded_line_by_line_behind_its_header(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "new" / "folder")
    record: SessionRecord = recorder.open(facts())
    record.event(0, "connected", epoch=1)
    record.message(5, sample(5))
    record.effects(6, [At(2), Send(Done(re=1)), At(6), Send(Done(re=2))])
    record.close()
    recorder.close()
    header, *lines = recorded(tmp_path / "new" / "folder")
    assert (header["emdr_recording"], header["session_id"]) == (1, "s-1")
    assert [(line["at_ms"], line["dir"]) for line in lines] == [(0, "in"), (5, "in"), (2, "out"), (6, "out")]


def test_a_recording_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "records")
    recorder.open(facts()).close()
    recorder.close()
    assert stat.S_IMODE((tmp_path / "records" / "s-1.jsonl").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "records").stat().st_mode) == 0o700


def test_a_session_that_is_opened_again_is_appended_to(tmp_path: Path) -> None:
    for at_ms in (1, 2):
        recorder = Recorder(tmp_path)
        record = recorder.open(facts())
        record.message(at_ms, Stop())
        recorder.close()
    assert [line.get("at_ms", "header") for line in recorded(tmp_path)] == ["header", 1, 2]


def test_a_line_that_a_killed_process_left_unfinished_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "s-1.jsonl"
    path.write_bytes(b'{"emdr_recording":1}\n{"at_ms":1,"dir":"in","event":"disconnected"}\n{"at_ms":2,"di')
    recorder = Recorder(tmp_path)
    recorder.open(facts()).message(9, Stop())
    recorder.close()
    assert [entry.at_ms for entry in read_recording(path.read_bytes().splitlines()).entries] == [1, 9]


def test_lines_reach_the_disk_while_the_session_runs(tmp_path: Path, writer: LineWriter) -> None:
    record = Recorder(tmp_path, writer=writer).open(facts())
    record.message(1, Stop())
    wait_for(lambda: (tmp_path / "s-1.jsonl").exists() and len(recorded(tmp_path)) == 2)
    assert writer.pending_bytes == 0


def test_answers_that_come_too_late_are_not_recorded(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    record = recorder.open(facts())
    record.effects(1, [Analyse(1, None)])
    record.effects(2, [Analyse(2, None)])
    record.event(3, "model_failed", ticket=1)
    record.event(4, "model_failed", ticket=2)
    record.event(5, "model_failed", ticket=2)
    recorder.close()
    assert [line["at_ms"] for line in recorded(tmp_path)[1:]] == [4]


def test_values_that_json_cannot_hold_do_not_reach_the_session(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    record = recorder.open(facts())
    odd = {"output": {"emotion": {"Sad": 0.5, b"\xff": {1: object()}}, "n": float("nan")}}
    record.message(1, Morphcast(ts=1.0, events=[MorphcastEvent(type="CY_FACE_EMOTION_RESULT", detail=odd)]))
    recorder.close()
    (event,) = recorded(tmp_path)[1]["msg"]["events"]
    assert event["detail"] == {"output": {"emotion": {"Sad": 0.5}, "n": None}}


def full_disk(writer: LineWriter, path: Path, lines: int) -> LineFile:
    file = writer.open(path, b'{"emdr_recording":1}')
    for number in range(lines):
        writer.put(file, b'{"at_ms":%d,"dir":"in","event":"disconnected"}' % number)
    return file


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, the disk that is always full")
def test_a_full_disk_is_reported_and_counted_and_raises_nothing(
    writer: LineWriter, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        file = full_disk(writer, Path("/dev/full"), 3)
        wait_for(lambda: file.broken)
        writer.put(file, b"{}")
        wait_for(lambda: writer.pending_bytes == 0)
    assert (writer.lost_lines, writer.broken_files) == (4, 1)
    assert "No space left" in caplog.records[0].__dict__["problem"]
    assert "EMDR_RECORD_DIR" in caplog.text


def test_a_disk_that_fills_up_leaves_whole_lines_that_can_be_replayed(tmp_path: Path, writer: LineWriter) -> None:
    path = tmp_path / "s-1.jsonl"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    file = full_disk(writer, path, 10)
    wait_for(lambda: path.exists() and writer.pending_bytes == 0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 70, hard))
    try:
        for number in range(10, 20):
            writer.put(file, b'{"at_ms":%d,"dir":"in","event":"disconnected"}' % number)
        wait_for(lambda: file.broken)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(read_recording(path.read_bytes().splitlines(keepends=True)).entries) == 10
    assert path.read_bytes().endswith(b"\n")


def test_one_bad_file_does_not_disturb_the_others(tmp_path: Path, writer: LineWriter) -> None:
    (tmp_path / "s-1.jsonl").mkdir()
    recorder = Recorder(tmp_path, writer=writer)
    bad, good = recorder.open(facts()), recorder.open(facts(session_id="s-2"))
    for at_ms in range(5):
        bad.message(at_ms, Stop())
        good.message(at_ms, Stop())
    good.close()
    wait_for(lambda: (tmp_path / "s-2.jsonl").exists() and writer.pending_bytes == 0)
    assert writer.broken_files == 1
    assert len((tmp_path / "s-2.jsonl").read_bytes().splitlines()) == 6


def test_a_link_is_not_followed(tmp_path: Path, writer: LineWriter) -> None:
    (tmp_path / "elsewhere").write_bytes(b"")
    (tmp_path / "s-1.jsonl").symlink_to(tmp_path / "elsewhere")
    Recorder(tmp_path, writer=writer).open(facts()).message(1, Stop())
    wait_for(lambda: writer.broken_files == 1)
    assert (tmp_path / "elsewhere").read_bytes() == b""


def test_a_disk_that_hangs_holds_only_so_much_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    slow = LineWriter(max_pending_bytes=100, interval_s=3_600.0)
    file = slow.open(tmp_path / "s-1.jsonl", b'{"emdr_recording":1}')
    for _ in range(5):
        slow.put(file, b"x" * 40)
    assert slow.pending_bytes == 80
    assert (slow.lost_lines, slow.broken_files) == (3, 1)
    assert "too slow" in caplog.records[0].__dict__["problem"]
    slow.close()
    assert (tmp_path / "s-1.jsonl").read_bytes().count(b"x") == 80


@pytest.mark.parametrize("name", ["", ".hidden", "../outside", "a/b"])
def test_a_session_id_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="session_id"):
        Recorder(tmp_path).open(facts(session_id=name))


def test_a_folder_that_cannot_be_made_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="EMDR_RECORD_DIR"):
        Recorder(tmp_path / "file" / "records")
