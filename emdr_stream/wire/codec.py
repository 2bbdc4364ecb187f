"""Bytes or text in, messages out, and back: one `Codec` a subprotocol and socket; bad input gives a `ProtocolError`."""

import re as regex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, get_args

import msgspec

from emdr_stream.errors import CloseCode, ErrorCode, FatalProtocolError, ProtocolError
from emdr_stream.wire.stream import ClientMessage, Outgoing
from emdr_stream.wire.values import LARGEST_ID, LONGEST_ID
from emdr_stream.wire.watch import WatchMessage

MSGPACK: Final = "emdr.v1.msgpack"
JSON: Final = "emdr.v1.json"
SUBPROTOCOLS: Final = (MSGPACK, JSON)

_PATH: Final = regex.compile(r"at `\$(?:\.|\[\.\.\.\])*([^`]*)`$")
_MISSING: Final = regex.compile(r"missing required field `([^`]+)`")

M = TypeVar("M", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Codec(Generic[M]):
    """How one socket's messages are read and written.

    `decode` raises ProtocolError (`bad_message`, `unknown_type`, `invalid_field` with `param` and `re`), and
    FatalProtocolError with 1003 when text came where bytes were agreed or the reverse.
    `encode` never fails on a message of this package; bytes fields become base64 in JSON.
    """

    name: str
    binary: bool
    known_types: frozenset[str]
    encode: Callable[[Outgoing], bytes | str]
    _decode: Callable[[Any], M]
    _decode_any: Callable[[Any], Any]

    def decode(self, data: bytes | str) -> M:
        if isinstance(data, bytes) is not self.binary:
            wanted, got = ("binary", "text") if self.binary else ("text", "binary")
            raise FatalProtocolError(
                ErrorCode.BAD_MESSAGE, f"{self.name} takes {wanted} messages, got {got}", CloseCode.UNSUPPORTED_DATA
            )
        try:
            return self._decode(data)
        except (msgspec.DecodeError, UnicodeError, RecursionError, OverflowError, ValueError) as problem:
            raise self._explain(data, problem) from None

    def _explain(self, data: bytes | str, problem: Exception) -> ProtocolError:
        """Name what is wrong with a refused message; slow, but only refused messages come here."""
        try:
            plain = self._decode_any(data)
        except (msgspec.DecodeError, UnicodeError, RecursionError, OverflowError, ValueError):
            return ProtocolError(ErrorCode.BAD_MESSAGE, f"the message is not valid {self.name}")
        if not isinstance(plain, dict):
            return ProtocolError(ErrorCode.BAD_MESSAGE, "a message is a map with `type`")
        re = _id_of(plain)
        kind = plain.get("type")
        if not isinstance(kind, str):
            return ProtocolError(ErrorCode.INVALID_FIELD, "`type` must be a text", param="type", re=re)
        if kind not in self.known_types:
            return ProtocolError(ErrorCode.UNKNOWN_TYPE, "this message type is not known here", param="type", re=re)
        return ProtocolError(ErrorCode.INVALID_FIELD, describe(problem), param=field_of(problem), re=re)


def _id_of(plain: dict[Any, Any]) -> int | str | None:
    """The message's `id`; None for what is none, which is not echoed."""
    re = plain.get("id")
    if isinstance(re, str):
        return re if len(re) <= LONGEST_ID else None
    return re if isinstance(re, int) and not isinstance(re, bool) and abs(re) <= LARGEST_ID else None


def describe(problem: Exception) -> str:
    """msgspec's description of the fault; it quotes field names and types, and at most an enum's wrong value."""
    return str(problem)[:200]


def field_of(problem: Exception) -> str | None:
    text = str(problem)
    found, missing = _PATH.search(text), _MISSING.search(text)
    parent = found.group(1) if found else ""
    if missing:
        return f"{parent}.{missing.group(1)}" if parent else missing.group(1)
    return parent or None


def _types_of(union: Any) -> frozenset[str]:
    return frozenset(member.__struct_config__.tag for member in get_args(union))


def _no_extension(_code: int, _data: memoryview) -> None:
    """MessagePack's extension types are no part of the protocol, and what they stand for has no form in JSON."""
    raise ValueError("an extension type")


_TO_JSON: Final = msgspec.json.Encoder().encode


def _to_text(message: Outgoing) -> str:
    return _TO_JSON(message).decode()


def _codecs(union: Any) -> dict[str, Codec[Any]]:
    known = _types_of(union)
    return {
        MSGPACK: Codec(
            MSGPACK,
            True,
            known,
            msgspec.msgpack.Encoder().encode,
            msgspec.msgpack.Decoder(union, ext_hook=_no_extension).decode,
            msgspec.msgpack.Decoder(ext_hook=_no_extension).decode,
        ),
        JSON: Codec(
            JSON,
            False,
            known,
            _to_text,
            msgspec.json.Decoder(union).decode,
            msgspec.json.Decoder().decode,
        ),
    }


STREAM_CODECS: Final[dict[str, Codec[Any]]] = _codecs(ClientMessage)
"""Codecs of `/v1/stream` by subprotocol; they decode ClientMessage."""

WATCH_CODECS: Final[dict[str, Codec[Any]]] = _codecs(WatchMessage)
"""Codecs of `/v1/watch` by subprotocol; they decode WatchMessage."""
