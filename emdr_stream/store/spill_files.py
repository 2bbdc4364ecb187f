"""Records in, bounded files on this machine's disk out, and the records again in order; survives the process.

Each segment belongs to the process that has it locked; the kernel frees the lock with the process, however that ends,
and whoever starts next adopts what nobody holds. Rows of seconds have segments of their own, because they go first when
there is no room. Everything here blocks: it runs in the spill's own thread.
"""

import contextlib
import errno
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from emdr_stream.lines import line_body, open_own, pack_line, sync, sync_folder, try_lock, write_all
from emdr_stream.store.base import Record, RecordKind

SUFFIX: Final = ".spill"
_SEGMENT_BYTES: Final = 1024 * 1024
_LEAST_SEGMENT_BYTES: Final = 64 * 1024
_SEGMENTS_OF_A_LIMIT: Final = 16
_READ_BYTES: Final = 64 * 1024

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


@dataclass(slots=True, eq=False)
class Segment:
    """One file. `size`: bytes that are whole; `read_to`: bytes that the store has; `rows`: what it has not."""

    path: Path
    seconds: bool
    descriptor: int
    rows: int = 0
    size: int = 0
    read_to: int = 0
    broken: bool = False

    @property
    def done(self) -> bool:
        return self.read_to >= self.size


@dataclass(frozen=True, slots=True)
class SpilledBatch:
    """The oldest records that the store has not got. `bad`: lines among them that cannot be read."""

    records: list[Record]
    bad: int
    segment: Segment
    end: int


class SpillFiles:
    """One process's segments. `lost` counts rows that had to go for want of room.

    `corrupt` counts lines that could not be read and rows that JSON cannot say.
    """

    def __init__(self, directory: Path, limit_bytes: int) -> None:
        self._directory = directory
        self._limit_bytes = limit_bytes
        self._segment_bytes = max(_LEAST_SEGMENT_BYTES, min(_SEGMENT_BYTES, limit_bytes // _SEGMENTS_OF_A_LIMIT))
        self._segments: list[Segment] = []
        self._serial = itertools.count(1)
        self._name = ""
        self.lost = 0
        self.corrupt = 0

    @property
    def rows(self) -> int:
        """Rows that the store has not got."""
        return sum(segment.rows for segment in self._segments)

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return sum(segment.size for segment in self._segments)

    def open(self, began_ms: int) -> None:
        """Adopt what processes that are gone have left. `began_ms`: the wall clock; names sort by it.

        Raises OSError when the folder cannot be used.
        """
        self._name = f"{began_ms:014d}-{os.getpid()}"
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in sorted(self._directory.glob(f"*{SUFFIX}")):
            adopted = _adopt(path)
            if adopted is not None:
                self._segments.append(adopted)
                self._drop_if_done(adopted)

    def append(self, records: Sequence[Record]) -> int:
        """Write and sync rows, all of seconds or none; gives how many. On OSError none counts as written.

        What goes for want of room: the oldest rows of seconds, also the new ones; the others only when nothing else
        is left.
        """
        seconds = records[0].kind is RecordKind.SECOND
        lines = [line for record in records if (line := _line(record)) is not None]
        self.corrupt += len(records) - len(lines)
        data = b"".join(lines)
        while self.size + len(data) > self._limit_bytes:
            if not self._make_room(others_too=not seconds):
                self.lost += len(lines)
                return 0
        while True:
            try:
                self._write(data, len(lines), seconds)
            except OSError as problem:
                if seconds or problem.errno != errno.ENOSPC or not self._make_room(others_too=False):
                    raise
            else:
                return len(lines)

    def read(self, most: int) -> SpilledBatch | None:
        """The oldest rows, at most `most`, what must not be lost first; the same again until `mark_done`."""
        waiting = sorted((segment for segment in self._segments if not segment.done), key=lambda s: s.seconds)
        if not waiting:
            return None
        segment = waiting[0]
        lines = list(itertools.islice(_lines(segment), most))
        bodies = [_read_line(line) for line in lines]
        records = [record for record in bodies if record is not None]
        end = segment.read_to + sum(map(len, lines)) + len(lines)
        return SpilledBatch(records, len(lines) - len(records), segment, end)

    def mark_done(self, batch: SpilledBatch) -> None:
        """The store has the batch. Losing this with the process costs a repeat, never a row."""
        segment = batch.segment
        if segment not in self._segments:
            return  # it had to make room meanwhile
        segment.read_to = batch.end
        segment.rows = max(0, segment.rows - len(batch.records) - batch.bad)
        self.corrupt += batch.bad
        self._drop_if_done(segment)

    def close(self) -> None:
        """Close the files; what is in them waits for the next start."""
        for segment in self._segments:
            os.close(segment.descriptor)
        self._segments.clear()

    def _write(self, data: bytes, rows: int, seconds: bool) -> None:
        segment = self._current(seconds)
        try:
            write_all(segment.descriptor, data)
            sync(segment.descriptor)
        except OSError:
            self._forget_partial(segment)
            raise
        segment.size += len(data)
        segment.rows += rows

    def _current(self, seconds: bool) -> Segment:
        """The newest segment of these rows that is ours to write, or a new one."""
        for segment in reversed(self._segments):
            if segment.seconds is seconds:
                if segment.size < self._segment_bytes and not segment.broken:
                    return segment
                break
        path = self._directory / f"{self._name}-{next(self._serial):06d}-{'seconds' if seconds else 'others'}{SUFFIX}"
        descriptor = open_own(path)
        try_lock(descriptor)
        segment = Segment(path, seconds, descriptor)
        self._segments.append(segment)
        sync_folder(self._directory)
        return segment

    def _forget_partial(self, segment: Segment) -> None:
        """Cut a half-written batch off; where that fails too, nothing more is written behind it."""
        try:
            os.ftruncate(segment.descriptor, segment.size)
        except OSError:
            segment.broken = True
        if segment.size == 0:
            self._drop(segment)

    def _make_room(self, *, others_too: bool) -> bool:
        """Give up the oldest segment of seconds, or of anything; False when there is none."""
        seconds = [segment for segment in self._segments if segment.seconds]
        going = seconds or (self._segments if others_too else [])
        if not going:
            return False
        self.lost += going[0].rows
        self._drop(going[0])
        return True

    def _drop_if_done(self, segment: Segment) -> None:
        if segment.done:
            self._drop(segment)

    def _drop(self, segment: Segment) -> None:
        self._segments.remove(segment)
        with contextlib.suppress(OSError):
            segment.path.unlink()
        os.close(segment.descriptor)


def _adopt(path: Path) -> Segment | None:
    """A segment that a process left which is gone; None when one that runs has it. A cut last line counts as a row."""
    try:
        descriptor = open_own(path)
    except OSError:
        return None
    if not try_lock(descriptor) or os.fstat(descriptor).st_nlink == 0:
        os.close(descriptor)
        return None
    segment = Segment(path, path.stem.endswith("-seconds"), descriptor, broken=True)
    segment.size = os.fstat(descriptor).st_size
    segment.rows = sum(1 for _ in _lines(segment))
    return segment


def _lines(segment: Segment) -> Iterator[bytes]:
    """Lines without their ends, from the first that the store has not got."""
    at, rest = segment.read_to, b""
    while at < segment.size:
        piece = os.pread(segment.descriptor, min(_READ_BYTES, segment.size - at), at)
        if not piece:
            break
        at += len(piece)
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
    if rest:
        yield rest


def _line(record: Record) -> bytes | None:
    try:
        return pack_line(_encode(record))
    except (TypeError, ValueError, OverflowError):
        return None  # the store would refuse it too


def _read_line(line: bytes) -> Record | None:
    body = line_body(line)
    try:
        return None if body is None else _decode(body)
    except msgspec.MsgspecError:
        return None
