"""The spill's files: what goes in comes out once and in order, whatever happens to the process, the disk or a line."""

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from emdr_stream.store.base import Record, RecordKind
from emdr_stream.store.spill_files import SpillFiles

MANY = 100_000_000
NOW_MS = 1_795_000_000_123


def row(number: int, kind: RecordKind = RecordKind.SECOND, **fields: Any) -> Record:
    return Record(kind, f"s-{number % 7}", "änna", 1, NOW_MS + number, {"number": number, **fields})


def opened(folder: Path, limit: int = MANY) -> SpillFiles:
    files = SpillFiles(folder, limit)
    files.open(NOW_MS)
    return files


def emptied(files: SpillFiles, most: int = 64) -> list[Record]:
    """Everything, read and confirmed batch by batch."""
    found: list[Record] = []
    while batch := files.read(most):
        found += batch.records
        files.mark_done(batch)
    return found


def numbers(records: list[Record], kind: RecordKind = RecordKind.SECOND) -> list[int]:
    return [record.fields["number"] for record in records if record.kind is kind]


def test_what_goes_in_comes_out_once_in_order_and_the_weightier_first(tmp_path: Path) -> None:
    files = opened(tmp_path / "spill")
    for first in range(0, 300, 100):
        files.append([row(number, text="ü\x00\n") for number in range(first, first + 100)])
        files.append([row(first, RecordKind.AUDIT)])
    assert files.rows == 303
    found = emptied(files)
    assert [record.kind for record in found[:3]] == [RecordKind.AUDIT] * 3
    assert numbers(found) == list(range(300)) and numbers(found, RecordKind.AUDIT) == [0, 100, 200]
    assert found[3] == row(0, text="ü\x00\n")
    assert (files.rows, files.size, list((tmp_path / "spill").iterdir())) == (0, 0, [])


def test_a_batch_that_is_not_confirmed_comes_again(tmp_path: Path) -> None:
    files = opened(tmp_path)
    files.append([row(number) for number in range(10)])
    first = files.read(4)
    assert first is not None and files.read(4) == first
    files.mark_done(first)
    assert numbers(emptied(files)) == list(range(4, 10))


def test_nobody_else_may_read_the_files(tmp_path: Path) -> None:
    files = opened(tmp_path / "spill")
    files.append([row(1)])
    assert stat.S_IMODE((tmp_path / "spill").stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "spill").iterdir()] == [0o600]


def test_the_next_process_adopts_what_one_left_and_never_what_a_running_one_holds(tmp_path: Path) -> None:
    running, gone = opened(tmp_path), opened(tmp_path)
    running.append([row(1)])
    gone._name = "00000000000001-1"  # as another process would call it
    gone.append([row(2), row(3)])
    gone.close()  # as the kernel does for a process that was killed
    heir = opened(tmp_path)
    assert numbers(emptied(heir)) == [2, 3]
    assert numbers(emptied(running)) == [1]


def test_a_crash_while_writing_costs_the_torn_line_alone_and_it_is_counted(tmp_path: Path) -> None:
    files = opened(tmp_path)
    files.append([row(number) for number in range(5)])
    files.close()
    (path,) = tmp_path.iterdir()
    data = path.read_bytes()
    lines = data.splitlines(keepends=True)
    path.write_bytes(lines[0] + b"00000000" + lines[1][8:] + b"".join(lines[2:])[:-3])
    heir = opened(tmp_path)
    assert heir.rows == 5
    assert numbers(emptied(heir)) == [0, 2, 3]
    assert (heir.corrupt, list(tmp_path.iterdir())) == (2, [])


def test_when_there_is_no_room_the_oldest_seconds_go_and_the_others_stay(tmp_path: Path) -> None:
    files = opened(tmp_path, limit=400_000)
    files.append([row(number, RecordKind.CONTROL, pad="x" * 100) for number in range(400)])
    for first in range(0, 4_000, 100):
        files.append([row(number, pad="x" * 100) for number in range(first, first + 100)])
    assert files.size <= 400_000
    found = emptied(files)
    assert numbers(found, RecordKind.CONTROL) == list(range(400))
    kept = numbers(found)
    assert kept == list(range(kept[0], 4_000)) and kept[0] > 0
    assert files.lost == kept[0]


def test_others_push_others_out_only_when_no_seconds_are_left_and_new_seconds_never_do(tmp_path: Path) -> None:
    files = opened(tmp_path, limit=200_000)
    for first in range(0, 2_000, 100):
        files.append([row(number, RecordKind.RATING, pad="x" * 100) for number in range(first, first + 100)])
    lost = files.lost
    assert lost > 0
    assert files.append([row(number, pad="x" * 1_000) for number in range(100)]) == 0
    assert files.lost == lost + 100
    kept = numbers(emptied(files), RecordKind.RATING)
    assert kept == list(range(lost, 2_000))


def test_a_row_that_json_cannot_say_is_counted_and_the_others_are_kept(tmp_path: Path) -> None:
    files = opened(tmp_path)
    assert files.append([row(1), row(2, thing=object()), row(3)]) == 2
    assert (numbers(emptied(files)), files.corrupt) == ([1, 3], 1)


def test_a_write_that_fails_half_way_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = opened(tmp_path)
    files.append([row(1)])

    def half(descriptor: int, data: bytes) -> None:
        os.write(descriptor, data[: len(data) // 2])
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as patch:
        patch.setattr("emdr_stream.store.spill_files.write_all", half)
        with pytest.raises(OSError, match="broken"):
            files.append([row(2), row(3)])
    files.append([row(4)])
    assert (numbers(emptied(files)), files.corrupt) == ([1, 4], 0)
