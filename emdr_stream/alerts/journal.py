"""Takes alert entries, keeps them in files that survive this process, gives back after a crash what was not shipped.

Each record is a line: eight hex digits of CRC-32, a space, JSON. Records are numbered from 1 without end; a segment's
file name is the number of its first record. Everything here blocks: it runs in the journal's own thread.
"""

import contextlib
import itertools
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from emdr_stream.broker.base import AlertEntry
from emdr_stream.errors import ConfigurationError
from emdr_stream.lines import line_body, pack_line, sync, sync_folder, try_lock, write_all

_SEGMENT_BYTES: Final = 4 * 1024 * 1024
_SUFFIX: Final = ".journal"
_SHIPPED: Final = "shipped.json"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(AlertEntry).decode


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a start found. `torn`: an incomplete last line (a crash while writing); `corrupt`: any other bad line."""

    records: int
    torn: int
    corrupt: int


@dataclass(frozen=True, slots=True)
class Numbered:
    """An entry and its place in the journal; None when the journal could not take it."""

    number: int | None
    entry: AlertEntry


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a segment; `entry` is None when it is bad, `is_cut` when its newline is missing."""

    number: int
    entry: AlertEntry | None
    is_cut: bool


class Journal:
    """One process's append-only file of alerts. `open` first, `close` last."""

    def __init__(self, directory: Path, sinks: Sequence[str], *, segment_bytes: int = _SEGMENT_BYTES) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._shipped = dict.fromkeys(sinks, 0)
        self._next = 1
        self._file = -1
        self._size = 0
        self._lock = -1
        self._broken = False

    def open(self) -> Recovered:
        """Lock the folder, read what is there, begin a new segment behind it.

        Raises ConfigurationError when another process has the folder, OSError when it cannot be used.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._lock < 0:
            self._take_lock()
        self._shipped |= self._read_shipped()
        records = torn = corrupt = 0
        for line in self._lines():
            records += line.entry is not None
            torn += line.entry is None and line.is_cut
            corrupt += line.entry is None and not line.is_cut
            self._next = line.number + 1
        # A position beyond the records belongs to files that are gone: numbering goes on behind it.
        self._next = max(self._next, *(position + 1 for position in self._shipped.values()))
        self.drop_shipped()
        return Recovered(records, torn, corrupt)

    def append(self, entries: Sequence[AlertEntry]) -> int:
        """Write and sync a batch; gives the number of its first record. On OSError none of it counts as written."""
        if self._file < 0 or self._broken or self._size >= self._segment_bytes:
            self._begin_segment()
        data = b"".join(pack_line(_encode(entry)) for entry in entries)
        try:
            write_all(self._file, data)
            sync(self._file)
        except OSError:
            self._forget_partial()
            raise
        first = self._next
        self._next += len(entries)
        self._size += len(data)
        return first

    def unshipped(self, sink: str, most: int) -> list[Numbered]:
        """The oldest records that the sink has not got, at most `most`."""
        after = self._shipped[sink]
        waiting = (
            Numbered(line.number, line.entry)
            for line in self._lines()
            if after < line.number < self._next and line.entry is not None
        )
        return list(itertools.islice(waiting, most))

    def mark_shipped(self, sink: str, number: int) -> None:
        """The sink has everything up to and including `number`. Losing this costs a repeat, never an alert."""
        if number <= self._shipped[sink]:
            return
        self._shipped[sink] = number
        partial = self._directory / f"{_SHIPPED}.new"
        partial.write_text(json.dumps(self._shipped))
        partial.replace(self._directory / _SHIPPED)

    def sessions_waiting(self) -> dict[str, str]:
        """The sessions of which a sink has not got all, each with its user."""
        after = min(self._shipped.values())
        waiting = (line.entry for line in self._lines() if after < line.number < self._next)
        return {entry.session_id: entry.user for entry in waiting if entry is not None}

    def drop_shipped(self) -> None:
        """Delete the segments that every sink has, but for the one that is written to."""
        done = min(self._shipped.values())
        segments = self._segments()
        for segment, following in itertools.zip_longest(segments, segments[1:]):
            end = int(following.stem) if following else self._next
            is_current = self._file >= 0 and following is None
            if end - 1 <= done and not is_current:
                with contextlib.suppress(OSError):
                    segment.unlink()

    def renew(self) -> bool:
        """Begin a new segment, so that everything before it goes; False, and nothing done, while a sink waits for some.

        Raises OSError.
        """
        if min(self._shipped.values()) < self._next - 1:
            return False
        self._begin_segment()
        return True

    def close(self) -> None:
        """Close the files and free the folder."""
        for descriptor in (self._file, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._lock = -1

    def _take_lock(self) -> None:
        self._lock = os.open(self._directory / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        if not try_lock(self._lock):
            os.close(self._lock)
            self._lock = -1
            raise ConfigurationError(
                f"the alert journal {self._directory} belongs to another running process: "
                "give each worker a folder of its own, or stop the other service"
            )

    def _read_shipped(self) -> dict[str, int]:
        try:
            told = json.loads((self._directory / _SHIPPED).read_text())
            return {sink: int(told[sink]) for sink in self._shipped if sink in told}
        except (OSError, ValueError, TypeError):
            return {}

    def _segments(self) -> list[Path]:
        return sorted(path for path in self._directory.glob(f"*{_SUFFIX}") if path.stem.isdigit())

    def _lines(self) -> Iterator["_Line"]:
        """All lines in order. What a failed batch left behind ends where the next segment's numbers begin."""
        segments = self._segments()
        for segment, following in itertools.zip_longest(segments, segments[1:]):
            first = int(segment.stem)
            lines = segment.read_bytes().split(b"\n")
            cut = lines.pop()
            last = int(following.stem) - first if following else None
            for number, line in enumerate(lines[:last], first):
                yield _Line(number, _read_line(line), is_cut=False)
            if cut and (last is None or len(lines) < last):
                yield _Line(first + len(lines), _read_line(cut), is_cut=True)

    def _begin_segment(self) -> None:
        path = self._directory / f"{self._next:012d}{_SUFFIX}"
        # O_TRUNC: records of the same numbers can only be a batch that failed and was told as failed.
        flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_TRUNC | os.O_CLOEXEC
        opened = os.open(path, flags, 0o600)
        if self._file >= 0:
            os.close(self._file)
        self._file, self._size, self._broken = opened, 0, False
        sync_folder(self._directory)
        self.drop_shipped()

    def _forget_partial(self) -> None:
        """Cut a half-written batch off; where that fails too, the next batch begins a new segment."""
        try:
            os.ftruncate(self._file, self._size)
        except OSError:
            self._broken = True


def _read_line(line: bytes) -> AlertEntry | None:
    body = line_body(line)
    try:
        return None if body is None else _decode(body)
    except msgspec.MsgspecError:
        return None
