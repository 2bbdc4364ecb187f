"""In: a data frame as R saves it (.RData, gzip, XDR, format 2 or 3). Out: its columns of numbers by name.

As much of the format as data frames of numbers need (R Internals, "Serialization Formats"); anything else is refused.
"""

import gzip
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from emdr_stream.errors import ConfigurationError
from emdr_stream.progress.measures import Floats

_MAGICS: Final = (b"RDX2\nX\n", b"RDX3\nX\n")
_LARGEST: Final = 16 * 1024 * 1024
_NIL, _REFERENCE = 254, 255
_SYMBOL, _PAIRS, _TEXT, _LOGICAL, _INTEGER, _REAL, _STRINGS, _LIST = 1, 2, 9, 10, 13, 14, 16, 19


def read_frame(path: Path) -> dict[str, Floats]:
    """The columns of the first object in the file. Raises ConfigurationError."""
    try:
        with gzip.open(path) as file:
            data = file.read(_LARGEST)
        name, columns = _Reader(data).first()
        named = columns["attributes"]["names"]["value"]
        found = {key: each["value"] for key, each in zip(named, columns["value"], strict=True)}
    except (OSError, EOFError, zlib.error, struct.error, KeyError, TypeError, ValueError) as problem:
        raise ConfigurationError(f"{path} cannot be read as a data frame of R ({problem}): fetch it anew") from None
    return {f"{key}": np.asarray(values, dtype=np.float64) for key, values in found.items() if name}


class _Reader:
    """One pass over the bytes; an object is {"value", "attributes"}."""

    def __init__(self, data: bytes) -> None:
        if data[:7] not in _MAGICS:
            raise ValueError("no RDX2 or RDX3 file in XDR")
        self._data = data
        self._at = 7
        self._symbols: list[str] = []

    def first(self) -> tuple[str, dict[str, Any]]:
        """Name and content of the first object of the file."""
        version, _, _ = self._int(), self._int(), self._int()
        if version >= 3:
            self._take(self._int())
        pairs: dict[str, dict[str, Any]] = self._object()["value"]
        return next(iter(pairs.items()))

    def _take(self, count: int) -> bytes:
        if count < 0 or self._at + count > len(self._data):
            raise ValueError("it ends too early")
        self._at += count
        return self._data[self._at - count : self._at]

    def _int(self) -> int:
        found: int = struct.unpack(">i", self._take(4))[0]
        return found

    def _object(self) -> dict[str, Any]:
        flags = self._int()
        kind = flags & 255
        if kind == _NIL:
            return {"value": {}, "attributes": {}}
        if kind == _REFERENCE:
            return {"value": self._symbols[(flags >> 8) - 1], "attributes": {}}
        if kind == _PAIRS:
            return {"value": self._pairs(flags), "attributes": {}}
        read = self._readers().get(kind)
        if read is None:
            raise ValueError(f"objects of type {kind} are not known")
        value = read()
        attributes = self._object()["value"] if flags & 0x200 and kind != _TEXT else {}
        return {"value": value, "attributes": attributes}

    def _readers(self) -> dict[int, Callable[[], Any]]:
        return {
            _SYMBOL: self._symbol,
            _TEXT: self._text,
            _LOGICAL: lambda: self._array(">i4", 4),
            _INTEGER: lambda: self._array(">i4", 4),
            _REAL: lambda: self._array(">f8", 8),
            _STRINGS: lambda: [self._object()["value"] for _ in range(self._int())],
            _LIST: lambda: [self._object() for _ in range(self._int())],
        }

    def _pairs(self, flags: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while flags & 255 == _PAIRS:
            if flags & 0x200:
                self._object()
            tag = self._object()["value"] if flags & 0x400 else f"{len(found)}"
            found[tag] = self._object()
            flags = self._int()
        return found

    def _symbol(self) -> str:
        name = str(self._object()["value"])
        self._symbols.append(name)
        return name

    def _text(self) -> str:
        length = self._int()
        return "" if length < 0 else self._take(length).decode("utf-8", "replace")

    def _array(self, kind: str, size: int) -> Floats:
        count = self._int()
        return np.frombuffer(self._take(count * size), dtype=kind).astype(np.float64)
