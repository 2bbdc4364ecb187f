"""Lines from the event loop in, appended files out: one thread for all files, so that a slow disk stops no session.

A file that cannot be written ends at its last whole line and takes no more: a recording with a hole could not be
replayed, a shorter one can.
"""

import logging
import os
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final

from emdr_stream.lines import write_all

_logger: Final = logging.getLogger(__name__)
_MODE: Final = 0o600
_TAIL_BYTES: Final = 1_048_576
"""How far back the end of the last whole line is looked for."""
_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class LineFile:
    """One file. The loop appends to `lines`, the writer's thread takes from it; no lock is needed between the two."""

    __slots__ = ("broken", "closed", "descriptor", "failed", "header", "lines", "path")

    def __init__(self, path: Path, header: bytes) -> None:
        self.path = path
        self.header = header
        self.lines: deque[bytes] = deque()
        self.descriptor: int | None = None
        self.closed = False
        self.broken = False
        """Takes no more lines."""
        self.failed = False
        """Cannot be written: what was queued behind the fault is lost too, so that no hole arises."""


class LineWriter:
    """Writes all files. `lost_lines` and `broken_files` count what could not be kept; `pending_bytes` what waits."""

    def __init__(self, *, max_pending_bytes: int = 16_777_216, interval_s: float = 0.25) -> None:
        self._max_pending = max_pending_bytes
        self._interval_s = interval_s
        self._files: list[LineFile] = []
        self._opened: deque[LineFile] = deque()
        self._removed: deque[Path] = deque()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._put_bytes = 0
        self._done_bytes = 0
        self._overflowed = 0
        self._unwritten = 0
        self.broken_files = 0

    @property
    def lost_lines(self) -> int:
        return self._overflowed + self._unwritten

    @property
    def pending_bytes(self) -> int:
        return self._put_bytes - self._done_bytes

    def open(self, path: Path, header: bytes) -> LineFile:
        """A file to append to; a new one begins with `header`. Returns at once, whatever the disk does."""
        file = LineFile(path, header)
        self._opened.append(file)
        self._start()
        return file

    def remove(self, path: Path) -> None:
        """Remove a file, behind what waits to be written. Returns at once."""
        self._removed.append(path)
        self._start()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
            self._thread.start()

    def put(self, file: LineFile, line: bytes) -> None:
        """Queue one line, without its line end. Lost, and counted, if the file takes no more or too much waits."""
        if not file.broken and self.pending_bytes + len(line) > self._max_pending:
            self._give_up(file, "the disk is too slow")
        if file.broken or file.closed:
            self._overflowed += 1
            return
        self._put_bytes += len(line)
        file.lines.append(line)

    def close(self, timeout_s: float = 5.0) -> None:
        """Write what waits and end the thread, if the disk lets it within `timeout_s`."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stop.wait(self._interval_s):
            self._flush()
        self._flush()
        for file in self._files:
            self._release(file)

    def _flush(self) -> None:
        while self._opened:
            self._files.append(self._opened.popleft())
        for file in self._files:
            # Read before the lines are: what came before the close is written.
            closed = file.closed
            self._write(file)
            if closed:
                self._release(file)
        while self._removed:
            with suppress(OSError):
                self._removed.popleft().unlink(missing_ok=True)
        self._files = [file for file in self._files if not (file.closed and file.descriptor is None and not file.lines)]

    def _write(self, file: LineFile) -> None:
        lines = [file.lines.popleft() for _ in range(len(file.lines))]
        if not lines and file.descriptor is not None:
            return
        try:
            if not file.failed:
                self._append(file, lines)
        except OSError as problem:
            file.failed = True
            self._give_up(file, problem.strerror or "the file cannot be written")
        if file.failed:
            self._unwritten += len(lines)
        self._done_bytes += sum(map(len, lines))

    @staticmethod
    def _append(file: LineFile, lines: list[bytes]) -> None:
        if file.descriptor is None:
            file.descriptor = _opened(file.path, file.header)
        if lines:
            _append(file.descriptor, b"\n".join(lines) + b"\n")

    def _give_up(self, file: LineFile, why: str) -> None:
        if file.broken:
            return
        file.broken = True
        self.broken_files += 1
        _logger.error(
            "a recording ended early, its session goes on: free space, or correct EMDR_RECORD_DIR",
            extra={"session_id": file.path.stem, "problem": why},
        )

    @staticmethod
    def _release(file: LineFile) -> None:
        descriptor, file.descriptor = file.descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _opened(path: Path, header: bytes) -> int:
    """Open for appending behind the last whole line: a killed process may have left a part of one."""
    descriptor = os.open(path, _FLAGS, _MODE)
    try:
        size = os.fstat(descriptor).st_size
        tail = os.pread(descriptor, min(size, _TAIL_BYTES), max(0, size - _TAIL_BYTES))
        whole = size - len(tail) + tail.rfind(b"\n") + 1
        if whole < size:
            os.ftruncate(descriptor, whole)
        if whole == 0:
            _append(descriptor, header + b"\n")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _append(descriptor: int, data: bytes) -> None:
    """Append all of `data`, or nothing: a full disk may take a part, which is cut off again."""
    size = os.fstat(descriptor).st_size
    try:
        write_all(descriptor, data)
    except OSError:
        with suppress(OSError):
            os.ftruncate(descriptor, size)
        raise
