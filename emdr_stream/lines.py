"""Bodies of bytes in, checksummed lines for append-only files out, and back; with the writes such files need.

A line is eight hex digits of CRC-32, a space, the body (which holds no newline). Everything here may block.
"""

import fcntl
import os
import zlib
from pathlib import Path
from typing import Final

_OPEN: Final = os.O_CREAT | os.O_RDWR | os.O_APPEND | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)

# macOS has no fdatasync; its fsync leaves the drive's cache alone, which costs power safety there only.
sync = getattr(os, "fdatasync", os.fsync)


def pack_line(body: bytes) -> bytes:
    """The line of a body, with its line end."""
    return b"%08x %b\n" % (zlib.crc32(body), body)


def line_body(line: bytes) -> bytes | None:
    """The body of a line without its line end; None when it is not whole."""
    checksum, _, body = line.partition(b" ")
    try:
        return body if len(checksum) == 8 and int(checksum, 16) == zlib.crc32(body) else None
    except ValueError:
        return None


def write_all(descriptor: int, data: bytes) -> None:
    """A full disk shows as a short write first."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def open_own(path: Path) -> int:
    """Open a file for appending, for our account's eyes only; made if it is not there."""
    return os.open(path, _OPEN, 0o600)


def try_lock(descriptor: int) -> bool:
    """Lock an open file; False when another process has it. The kernel frees it when its process ends, however."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sync_folder(folder: Path) -> None:
    """Make new and removed names last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
