"""Both codecs of both sockets: what is encoded is decoded, msgpack and msgspec agree, bad input is a ProtocolError."""

import json
import math
from collections.abc import Callable
from typing import Any, get_args

import msgpack
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import inspect

from emdr_stream.errors import CloseCode, ErrorCode, FatalProtocolError, ProtocolError
from emdr_stream.wire.codec import JSON, MSGPACK, STREAM_CODECS, SUBPROTOCOLS, WATCH_CODECS, Codec
from emdr_stream.wire.stream import ClientMessage, Frame, Hello, Ping, Sample, ServerMessage
from emdr_stream.wire.watch import ConsoleMessage, WatchMessage

SOCKETS = {"stream": (STREAM_CODECS, ClientMessage), "watch": (WATCH_CODECS, WatchMessage)}
EVERY_CODEC = [
    pytest.param(codecs[name], id=f"{socket}-{name}")
    for socket, (codecs, _) in SOCKETS.items()
    for name in SUBPROTOCOLS
]

FINITE = st.floats(allow_nan=False, allow_infinity=False)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | FINITE | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
TEXT_PATTERN_END = r"\Z"  # Python's `$` also stands before a line's end


def texts(kind: inspect.StrType) -> st.SearchStrategy[str]:
    if kind.pattern is None:
        return st.text(max_size=min(kind.max_length or 16, 16))
    matching = st.from_regex(kind.pattern.replace("$", TEXT_PATTERN_END))
    return matching.filter(lambda text: len(text) <= (kind.max_length or 99))


def integers(kind: inspect.IntType) -> st.SearchStrategy[int]:
    return st.integers(-(2**53) if kind.ge is None else kind.ge, 2**53 if kind.le is None else kind.le)


def lists(kind: inspect.ListType | inspect.VarTupleType) -> st.SearchStrategy[list[Any]]:
    least = kind.min_length or 0
    return st.lists(values_of(kind.item_type), min_size=least, max_size=max(3, least))


STRATEGIES: dict[type[inspect.Type], Callable[[Any], st.SearchStrategy[Any]]] = {
    inspect.AnyType: lambda _: ANYTHING,
    inspect.NoneType: lambda _: st.none(),
    inspect.BoolType: lambda _: st.booleans(),
    inspect.BytesType: lambda _: st.binary(max_size=32),
    inspect.IntType: integers,
    inspect.FloatType: lambda kind: st.floats(kind.ge, kind.le, allow_nan=False, allow_infinity=False),
    inspect.StrType: texts,
    inspect.EnumType: lambda kind: st.sampled_from(kind.cls),
    inspect.LiteralType: lambda kind: st.sampled_from(kind.values),
    inspect.Metadata: lambda kind: values_of(kind.type),
    inspect.UnionType: lambda kind: st.one_of([values_of(part) for part in kind.types]),
    inspect.ListType: lists,
    inspect.VarTupleType: lambda kind: lists(kind).map(tuple),
    inspect.TupleType: lambda kind: st.tuples(*map(values_of, kind.item_types)),
    inspect.DictType: lambda kind: st.dictionaries(values_of(kind.key_type), values_of(kind.value_type), max_size=3),
    inspect.StructType: lambda kind: messages_of(kind.cls),
}


def values_of(kind: inspect.Type) -> st.SearchStrategy[Any]:
    """Values of one field, within its ranges."""
    return STRATEGIES[type(kind)](kind)


def messages_of(cls: Any) -> st.SearchStrategy[Any]:
    """Messages of one type, optional fields there or not."""
    info = inspect.type_info(cls)
    assert isinstance(info, inspect.StructType)
    required = {part.name: values_of(part.type) for part in info.fields if part.required}
    optional = {part.name: values_of(part.type) for part in info.fields if not part.required}
    return st.fixed_dictionaries(required, optional=optional).map(lambda fields: cls(**fields))


INCOMING = st.one_of(
    [
        messages_of(cls).map(lambda message, codecs=codecs: (codecs, message))  # type: ignore[misc]
        for codecs, union in SOCKETS.values()
        for cls in get_args(union)
    ]
)
FIELD_NAMES = ("id", "ts", "source", "emotions", "events", "value", "scale", "phase", "t0", "image")
OUTGOING = st.one_of([messages_of(cls) for union in (ServerMessage, ConsoleMessage) for cls in get_args(union)])


@given(INCOMING, st.sampled_from(SUBPROTOCOLS))
def test_decoding_what_was_encoded_gives_the_message(sent: tuple[dict[str, Codec[Any]], Any], name: str) -> None:
    codecs, message = sent
    codec = codecs[name]
    assert codec.decode(codec.encode(message)) == message


@given(INCOMING)
def test_the_msgpack_library_and_ours_read_each_other(sent: tuple[dict[str, Codec[Any]], Any]) -> None:
    codecs, message = sent
    plain = msgspec.to_builtins(message, builtin_types=(bytes,))
    assert codecs[MSGPACK].decode(msgpack.packb(plain)) == message
    assert msgpack.unpackb(codecs[MSGPACK].encode(message), strict_map_key=False) == plain


@given(OUTGOING)
def test_what_the_service_sends_reads_the_same_in_both_subprotocols(message: Any) -> None:
    packed, text = STREAM_CODECS[MSGPACK].encode(message), STREAM_CODECS[JSON].encode(message)
    assert isinstance(packed, bytes)
    assert isinstance(text, str)
    assert msgpack.unpackb(packed) == json.loads(text)
    assert type(message)(**_fields(message)) == msgspec.json.decode(text, type=type(message))


def _fields(message: Any) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.__struct_fields__}


def decoded(codec: Codec[Any], data: bytes | str) -> Any:
    """The message or the ProtocolError."""
    try:
        return codec.decode(data)
    except ProtocolError as problem:
        return problem


@given(st.binary(max_size=200), st.sampled_from(sorted(SOCKETS)))
@example(b"\x91" * 5_000, "stream")  # nested arrays
@example(b"\x81\xa4type\xa4ping", "stream")
@example(b"\xd6\xff\x00\x00\x00\x00", "stream")  # a timestamp, no map
@example(b"\x81\x90\x01", "watch")  # an array as a key
@example(b"\xdf\xff\xff\xff\xff", "watch")  # a map of 4 billion entries
@example(b"", "stream")
def test_random_bytes_give_a_message_or_a_protocol_error(data: bytes, socket: str) -> None:
    codecs, union = SOCKETS[socket]
    assert isinstance(decoded(codecs[MSGPACK], data), (ProtocolError, *get_args(union)))


@given(st.text(max_size=200), st.sampled_from(sorted(SOCKETS)))
@example("[" * 5_000, "stream")
@example('{"type":"ping","t0":' + "9" * 5_000 + "}", "stream")
@example('{"type":"ping","t0":1e999}', "stream")
@example('{"type":"\ud800"}', "watch")
def test_random_text_gives_a_message_or_a_protocol_error(data: str, socket: str) -> None:
    codecs, union = SOCKETS[socket]
    assert isinstance(decoded(codecs[JSON], data), (ProtocolError, *get_args(union)))


@given(
    st.sampled_from([cls.__struct_config__.tag for cls in get_args(ClientMessage)]),
    st.dictionaries(st.sampled_from(FIELD_NAMES), ANYTHING),
)
def test_random_fields_give_a_message_or_a_named_field(tag: str, fields: dict[str, Any]) -> None:
    answer = decoded(STREAM_CODECS[MSGPACK], msgpack.packb({**fields, "type": tag}))
    if isinstance(answer, ProtocolError):
        assert answer.code is ErrorCode.INVALID_FIELD
        assert answer.param


@pytest.mark.parametrize("codec", EVERY_CODEC)
def test_the_wrong_kind_of_message_is_fatal_with_1003(codec: Codec[Any]) -> None:
    wrong: bytes | str = '{"type":"ping","t0":1}' if codec.binary else b"{}"
    with pytest.raises(FatalProtocolError) as refused:
        codec.decode(wrong)
    assert refused.value.close_code is CloseCode.UNSUPPORTED_DATA


@pytest.mark.parametrize("codec", EVERY_CODEC)
def test_an_unknown_type_is_told_with_the_id(codec: Codec[Any]) -> None:
    refused = decoded(codec, packed(codec, {"type": "telepathy", "id": "a1"}))
    assert (refused.code, refused.param, refused.re) == (ErrorCode.UNKNOWN_TYPE, "type", "a1")


@pytest.mark.parametrize("codec", EVERY_CODEC)
@pytest.mark.parametrize("message", [[], 3, None, "ping"])
def test_what_is_no_map_is_a_bad_message(codec: Codec[Any], message: Any) -> None:
    assert decoded(codec, packed(codec, message)).code is ErrorCode.BAD_MESSAGE


@pytest.mark.parametrize("codec", EVERY_CODEC)
@pytest.mark.parametrize("fields", [{}, {"type": 5}, {"type": None}])
def test_a_map_without_a_type_names_it(codec: Codec[Any], fields: dict[str, Any]) -> None:
    refused = decoded(codec, packed(codec, fields))
    assert (refused.code, refused.param) == (ErrorCode.INVALID_FIELD, "type")


@pytest.mark.parametrize("name", SUBPROTOCOLS)
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"type": "ping"}, "t0"),
        ({"type": "ping", "t0": "now"}, "t0"),
        ({"type": "sample", "ts": 1, "emotions": {"joy": "much"}}, "emotions.joy"),
        ({"type": "hello", "source": "emotion", "config": {"speed": 9}}, "config.speed"),
        ({"type": "hello", "source": "emotion", "resume": {}}, "resume.resume_token"),
        ({"type": "hello", "source": "dreams"}, "source"),
        ({"type": "morphcast", "ts": 1, "events": [{"type": "a"}, {"type": 7}]}, "events"),
        ({"type": "set", "action": "stop", "set_no": 1}, "action"),
    ],
)
def test_an_invalid_field_names_the_path(name: str, fields: dict[str, Any], param: str) -> None:
    codec = STREAM_CODECS[name]
    refused = decoded(codec, packed(codec, {**fields, "id": 12}))
    assert isinstance(refused, ProtocolError)
    assert (refused.code, refused.re) == (ErrorCode.INVALID_FIELD, 12)
    assert refused.param is not None
    assert refused.param.startswith(param)


def test_unknown_fields_are_ignored() -> None:
    assert STREAM_CODECS[JSON].decode('{"type":"ping","t0":1,"later":{"a":[1]}}') == Ping(t0=1.0)


def test_nan_stays_missing_on_both_wires() -> None:
    sample = STREAM_CODECS[MSGPACK].decode(
        msgpack.packb({"type": "sample", "ts": 1.0, "dimensions": {"valence": math.nan}})
    )
    assert isinstance(sample, Sample)
    assert sample.dimensions is not None
    assert sample.dimensions.valence is not None
    assert math.isnan(sample.dimensions.valence)
    assert '"valence":null' in str(STREAM_CODECS[JSON].encode(sample))  # type: ignore[arg-type]
    refused = decoded(STREAM_CODECS[JSON], '{"type":"sample","ts":1,"dimensions":{"valence":NaN}}')
    assert refused.code is ErrorCode.BAD_MESSAGE


def test_bytes_are_base64_in_json() -> None:
    frame = Frame(id=1, ts=2.0, image=b"\xff\xd8\xff")
    text = STREAM_CODECS[JSON].encode(frame)  # type: ignore[arg-type]
    assert json.loads(text)["image"] == "/9j/"
    assert STREAM_CODECS[JSON].decode(text) == frame


def test_an_error_quotes_no_text_of_the_peer_beyond_a_limit() -> None:
    refused = decoded(STREAM_CODECS[JSON], json.dumps({"type": "hello", "source": "x" * 10_000}))
    assert len(refused.message) <= 200


def test_messages_cannot_be_changed() -> None:
    hello = Hello(source="emotion")  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        hello.token = "other"  # type: ignore[misc]


def packed(codec: Codec[Any], message: Any) -> bytes | str:
    return msgpack.packb(message) if codec.binary else json.dumps(message)
