"""The bytes of an ONNX file go in, what is forbidden in them comes out: a walk over the protobuf, without `onnx`.

ONNX Runtime follows external data even when the model came as bytes (from the working folder, measured with 1.32), so
an altered model could read files of ours. We look before it does. Field numbers are those of onnx.proto3.
"""

from collections.abc import Iterator
from typing import Final

ALLOWED_DOMAINS: Final = frozenset({"", "ai.onnx", "ai.onnx.ml"})
"""Operator sets of the ONNX standard; everything else is somebody's own code."""

# A message type → its fields that hold further messages worth a look.
_INSIDE: Final = {
    "model": {7: "graph", 8: "opset"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "opset": {},
    "tensor": {},
}
_DOMAIN: Final = {"node": 7, "opset": 1}
_FORBIDDEN: Final = {
    ("model", 20): "training information",
    ("model", 25): "functions of its own",
    ("tensor", 13): "external data",
}
_DATA_LOCATION: Final = ("tensor", 14)
_DEEPEST: Final = 40  # messages inside messages; a loop's body in a branch reaches some 12

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class MalformedModel(Exception):
    """These bytes are no protobuf message."""


def forbidden_parts(data: bytes) -> set[str]:
    """What in this model must not be there: external data, foreign operators, functions. Raises MalformedModel."""
    found: set[str] = set()
    _walk(memoryview(data), "model", found, 0)
    return found


def _walk(message: memoryview, kind: str, found: set[str], depth: int) -> None:
    if depth > _DEEPEST:
        raise MalformedModel
    for number, value in _fields(message):
        if (kind, number) in _FORBIDDEN:
            found.add(_FORBIDDEN[kind, number])
        elif (kind, number) == _DATA_LOCATION and value != 0:
            found.add("external data")
        elif isinstance(value, int):
            continue
        elif _DOMAIN.get(kind) == number:
            _check_domain(value, found)
        elif number in _INSIDE[kind]:
            _walk(value, _INSIDE[kind][number], found, depth + 1)


def _check_domain(value: memoryview, found: set[str]) -> None:
    domain = bytes(value).decode("utf-8", "replace")
    if domain not in ALLOWED_DOMAINS:
        found.add(f"operators of {domain[:40]!r}")


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of one message: their number, and an integer or the bytes. Fixed-width numbers count as 0."""
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at)
        wire = tag & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        if wire == _BYTES:
            length, at = _varint(message, at)
        elif wire in {_FIXED64, _FIXED32}:
            length = 8 if wire == _FIXED64 else 4
        else:
            raise MalformedModel
        if length > end - at:
            raise MalformedModel
        yield tag >> 3, message[at : at + length] if wire == _BYTES else 0
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        if at >= len(message):
            raise MalformedModel
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise MalformedModel
