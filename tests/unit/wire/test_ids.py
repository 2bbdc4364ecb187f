"""Ids and names at their bounds: what is echoed and kept is short, fits 64 bits, and ends where it seems to end."""

import msgpack
import msgspec
import pytest

from emdr_stream.errors import ErrorCode, ProtocolError
from emdr_stream.wire.codec import JSON, MSGPACK, STREAM_CODECS, WATCH_CODECS
from emdr_stream.wire.stream import Ping, Rating, SetMark

TEXT, BINARY = STREAM_CODECS[JSON], STREAM_CODECS[MSGPACK]


@pytest.mark.parametrize("known", [2**63 - 1, -(2**63) + 1, 0, "x" * 128, ""])
def test_an_id_up_to_the_bound_is_taken_and_can_be_kept(known: int | str) -> None:
    message = TEXT.decode(msgspec.json.encode({"type": "ping", "t0": 1.0, "id": known}).decode())
    assert isinstance(message, Ping)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(message.id)) == known


@pytest.mark.parametrize("unknown", [2**63, 2**64, 10**30, -(10**30), "x" * 129, "x" * 200_000])
@pytest.mark.parametrize("kind", ["ping", "no such type"])
def test_an_id_beyond_the_bound_is_refused_and_not_echoed(unknown: int | str, kind: str) -> None:
    shown = f'"{unknown}"' if isinstance(unknown, str) else str(unknown)
    with pytest.raises(ProtocolError) as refusal:
        TEXT.decode(f'{{"type": "{kind}", "t0": 1.0, "id": {shown}}}')
    assert refusal.value.re is None
    assert len(refusal.value.message) < 300


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"type": "set", "action": "end\n", "set_no": 1}, "action"),
        ({"type": "rating", "scale": "sud\n", "value": 1}, "scale"),
        ({"type": "hello", "source": "emotion", "user": "bob\n"}, "user"),
        ({"type": "hello", "source": "emotion", "config": {"pattern_type": "circle\n"}}, "config.pattern_type"),
    ],
)
def test_a_line_end_behind_a_word_is_not_overlooked(fields: dict[str, object], param: str) -> None:
    with pytest.raises(ProtocolError) as refusal:
        BINARY.decode(msgpack.packb(fields))
    assert (refusal.value.code, refusal.value.param) == (ErrorCode.INVALID_FIELD, param)


def test_the_words_themselves_are_taken() -> None:
    assert isinstance(BINARY.decode(msgpack.packb({"type": "set", "action": "end", "set_no": 1})), SetMark)
    assert isinstance(BINARY.decode(msgpack.packb({"type": "rating", "scale": "voc", "value": 1})), Rating)
    named = WATCH_CODECS[MSGPACK].decode(msgpack.packb({"type": "session.end", "session_id": "a.b:c", "reason": ""}))
    assert named.session_id == "a.b:c"
