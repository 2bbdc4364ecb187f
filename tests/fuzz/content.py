"""Bytes go in, nothing comes out unless the codec or the MorphCast adapter did what it may not do.

Allowed is what these functions catch, and nothing else: a `ProtocolError` with one of the codes named here.
"""

from typing import Any, Final, get_args

from emdr_stream.domain import Observation
from emdr_stream.errors import CloseCode, ErrorCode, FatalProtocolError, ProtocolError
from emdr_stream.pipeline.morphcast import MorphcastAdapter
from emdr_stream.wire.codec import STREAM_CODECS, SUBPROTOCOLS, WATCH_CODECS, Codec
from emdr_stream.wire.refusals import error_message
from emdr_stream.wire.stream import ClientMessage, Morphcast
from emdr_stream.wire.watch import WatchMessage
from tests.observations import assert_in_range

CODECS: Final[tuple[tuple[Codec[Any], tuple[type, ...]], ...]] = tuple(
    (codecs[name], get_args(union))
    for codecs, union in ((STREAM_CODECS, ClientMessage), (WATCH_CODECS, WatchMessage))
    for name in SUBPROTOCOLS
)
_REFUSALS: Final = {ErrorCode.BAD_MESSAGE, ErrorCode.UNKNOWN_TYPE, ErrorCode.INVALID_FIELD}
_LONGEST_WORDS: Final = 300


def codec(data: bytes) -> None:
    """The first byte chooses socket and subprotocol, and whether the other kind of frame is used; the rest is sent."""
    if not data:
        return
    chosen: Codec[Any]
    chosen, types = CODECS[data[0] % len(CODECS)]
    payload: bytes | str = data[1:]
    if chosen.binary is (data[0] >= 128):
        try:
            payload = data[1:].decode()
        except UnicodeDecodeError:
            return  # the lane closes with 1007
    try:
        message: Any = chosen.decode(payload)
    except ProtocolError as problem:
        _check_refusal(chosen, problem, isinstance(payload, bytes) is chosen.binary)
        return
    assert type(message) in types
    # What was taken can be kept, told to others and read again: as text, since NaN is unlike itself.
    encoded: Any = chosen.encode(message)
    assert repr(chosen.decode(encoded)) == repr(message)


def _check_refusal(chosen: Codec[Any], problem: ProtocolError, right_kind: bool) -> None:
    assert problem.code in _REFUSALS
    assert 0 < len(problem.message) <= _LONGEST_WORDS
    assert isinstance(problem, FatalProtocolError) is not right_kind
    if isinstance(problem, FatalProtocolError):
        assert problem.close_code is CloseCode.UNSUPPORTED_DATA
    assert chosen.encode(error_message(problem, problem.re))


def morphcast(data: bytes) -> None:
    """Messages in MessagePack, each behind its length in two bytes, fed to one adapter in turn."""
    adapter = MorphcastAdapter()
    stream, at = CODECS[0][0], 0
    while at + 2 <= len(data):
        end = at + 2 + int.from_bytes(data[at : at + 2])
        try:
            message = stream.decode(data[at + 2 : end])
        except ProtocolError:
            message = None
        at = end
        if isinstance(message, Morphcast):
            _check_fed(adapter, message)


def _check_fed(adapter: MorphcastAdapter, message: Morphcast) -> None:
    try:
        answer: Observation | None = adapter.feed(message)
    except ProtocolError as problem:
        _check_named(problem)
        return
    if answer is not None:
        assert_in_range(answer)


def _check_named(problem: ProtocolError) -> None:
    assert problem.code is ErrorCode.INVALID_FIELD
    assert problem.param
