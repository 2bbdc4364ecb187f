"""Bombs and lies in every codec in use: a message or a named refusal, in no more memory than the message explains."""

import json
import math
import tracemalloc
from typing import Any, get_args

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emdr_stream.domain import Observation
from emdr_stream.errors import ErrorCode, ProtocolError
from emdr_stream.pipeline.decode import decode_sample
from emdr_stream.wire.codec import JSON, MSGPACK, STREAM_CODECS, SUBPROTOCOLS, WATCH_CODECS, Codec
from emdr_stream.wire.stream import ClientMessage, Sample
from emdr_stream.wire.watch import WatchMessage
from tests.hostile.bombs import whole_messages
from tests.hostile.valid import BY_PATH

SOCKETS = {"/v1/stream": (STREAM_CODECS, get_args(ClientMessage)), "/v1/watch": (WATCH_CODECS, get_args(WatchMessage))}
CODECS = [(path, name) for path in sorted(SOCKETS) for name in SUBPROTOCOLS]
REFUSALS = {ErrorCode.BAD_MESSAGE, ErrorCode.UNKNOWN_TYPE, ErrorCode.INVALID_FIELD}
MOST_PER_BYTE = 80
"""An empty map takes one byte on the wire and 64 here: nothing that can be sent grows more."""
LARGEST = 262_144


def decoded(codec: Codec[Any], data: bytes) -> Any:
    """The message or the refusal."""
    try:
        return codec.decode(data if codec.binary else data.decode())
    except ProtocolError as problem:
        return problem


def check(path: str, name: str, data: bytes) -> Any:
    """A message of this socket, or a refusal with a word of the protocol; gives it."""
    codecs, types = SOCKETS[path]
    answer = decoded(codecs[name], data)
    if isinstance(answer, ProtocolError):
        assert answer.code in REFUSALS
        assert answer.message
    else:
        assert isinstance(answer, types)
    return answer


def peak_bytes(path: str, name: str, data: bytes) -> int:
    tracemalloc.start()
    try:
        check(path, name, data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("path", "name"), CODECS)
def test_every_bomb_is_refused_by_name_or_taken_in_bounded_memory(path: str, name: str) -> None:
    for how, bomb in whole_messages(is_text=name == JSON).items():
        assert peak_bytes(path, name, bomb) <= MOST_PER_BYTE * len(bomb) + 100_000, how


@pytest.mark.parametrize(("path", "name"), CODECS)
@pytest.mark.parametrize("unit", [(b"[],", b"["), (b'{"":[', b""), (b'"a",', b"[")], ids=str)
def test_the_largest_message_of_nothings_takes_bounded_memory(path: str, name: str, unit: tuple[bytes, bytes]) -> None:
    text = unit[1] + unit[0] * (LARGEST // len(unit[0]))
    data = text if name == JSON else b"\xdd" + (LARGEST - 5).to_bytes(4, "big") + b"\x80" * (LARGEST - 5)
    assert peak_bytes(path, name, data) <= MOST_PER_BYTE * LARGEST


@given(
    st.sampled_from(sorted(SOCKETS)),
    st.sampled_from([b"\xdc", b"\xdd", b"\xde", b"\xdf", b"\xd9", b"\xda", b"\xdb", b"\xc4", b"\xc5", b"\xc6"]),
    st.integers(1, 2**32 - 1),
    st.binary(max_size=50),
)
def test_a_length_that_lies_reserves_nothing(path: str, kind: bytes, length: int, rest: bytes) -> None:
    size = {b"\xd9": 1, b"\xc4": 1, b"\xdc": 2, b"\xde": 2, b"\xda": 2, b"\xc5": 2}.get(kind, 4)
    lie = kind + (length % 256**size).to_bytes(size, "big") + rest
    message = b"\x83\xa4type\xa4ping\xa2t0\x01\xa1x" + lie
    assert peak_bytes(path, MSGPACK, message) < 200_000
    assert peak_bytes(path, MSGPACK, lie) < 200_000


@given(st.sampled_from(CODECS), st.integers(1, 60_000), st.booleans(), st.booleans())
def test_no_depth_breaks_the_stack(codec: tuple[str, str], depth: int, maps: bool, ends: bool) -> None:
    path, name = codec
    if name == JSON:
        opening, closing = (b'{"a":', b"}") if maps else (b"[", b"]")
        deep = opening * depth + b"0" + (closing * depth if ends else b"")
        data = b'{"type":"ping","t0":1,"x":' + deep + (b"}" if ends else b"")
    else:
        data = b"\x83\xa4type\xa4ping\xa2t0\x01\xa1x" + (b"\x81\xa1a" if maps else b"\x91") * depth
        data += b"\0" if ends else b""
    check(path, name, data)


@pytest.mark.parametrize("path", sorted(SOCKETS))
@given(st.integers(-128, -2) | st.integers(0, 127), st.binary(max_size=20))
def test_extension_types_are_refused_wherever_they_stand(path: str, code: int, data: bytes) -> None:
    # Once taken in free-form fields, where they became objects that JSON has no form for: nothing read them, and
    # whoever would write them down had to know.
    extension = (
        msgpack.packb(msgpack.ExtType(code, data)) if code >= 0 else b"\xc7\x01" + code.to_bytes(1, signed=True) + b"x"
    )
    for message in (
        extension,
        b"\x83\xa4type\xa4ping\xa2t0\x01\xa1x\x81\xa1a" + extension,
        b"\x83\xa4type\xa6sample\xa2ts\x01\xa7context\x81\xa1a" + extension,
        b"\x83\xa4type\xa9morphcast\xa2ts\x01\xa6events\x91\x82\xa4type\xa1?\xa6detail" + extension,
    ):
        answer = check(path, MSGPACK, message)
        skipped = message[1:11] == b"\xa4type\xa4ping" or path == "/v1/watch"
        assert isinstance(answer, ProtocolError) or skipped
        if isinstance(answer, ProtocolError):
            assert answer.code in {ErrorCode.BAD_MESSAGE, ErrorCode.UNKNOWN_TYPE}


@pytest.mark.parametrize("name", SUBPROTOCOLS)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf], ids=str)
@pytest.mark.parametrize("group", ["emotions", "dimensions", "signals"])
def test_what_is_no_number_is_missing_or_refused_and_never_zero(name: str, bad: float, group: str) -> None:
    message = {**BY_PATH["/v1/stream"][0]}
    message[group] = {key: bad if isinstance(value, float) else value for key, value in message[group].items()}
    if name == JSON:
        answer = check("/v1/stream", JSON, json.dumps(message).encode())
        assert isinstance(answer, ProtocolError)  # JSON has no such numbers
        return
    answer = check("/v1/stream", MSGPACK, msgpack.packb(message))
    assert isinstance(answer, Sample)
    observation = observed(answer)
    if isinstance(observation, ProtocolError):
        assert observation.code is ErrorCode.INVALID_FIELD
        return
    clean = decode_sample(Sample(**{**{f: getattr(answer, f) for f in ("ts", "context")}, **_without(answer, group)}))
    assert repr(observation.values) == repr(clean.values)


def observed(sample: Sample) -> Observation | ProtocolError:
    try:
        return decode_sample(sample)
    except ProtocolError as problem:
        return problem


def _without(sample: Sample, group: str) -> dict[str, Any]:
    """The sample's groups, the floats of one left out."""
    kept = {name: getattr(sample, name) for name in ("emotions", "dimensions", "signals")}
    present = sample.signals.face_present if sample.signals is not None else None
    kept[group] = type(kept[group])(**({"face_present": present} if group == "signals" else {}))
    return kept


@pytest.mark.parametrize(("path", "name"), CODECS)
@given(st.lists(st.sampled_from(["ping", "bye", "stop", "hello", "ack", "received"]), min_size=2, max_size=5))
def test_of_a_key_that_comes_twice_every_codec_takes_the_same_one(path: str, name: str, tags: list[str]) -> None:
    """Two readers of one message must not see two messages: both subprotocols decide alike."""
    text = "{" + ",".join(f'"type":"{tag}"' for tag in tags) + "}"
    packed = bytes((0x80 + len(tags),)) + b"".join(b"\xa4type" + msgpack.packb(tag) for tag in tags)
    answers = [check(path, JSON, text.encode()), check(path, MSGPACK, packed)]
    assert repr(answers[0]) == repr(answers[1])
