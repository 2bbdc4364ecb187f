"""A stimulus out of its range is refused on the wire, in whichever message it comes, and the field is named."""

from typing import Any

import msgpack
import pytest

from emdr_stream.errors import ErrorCode, ProtocolError
from emdr_stream.wire.codec import MSGPACK, STREAM_CODECS, WATCH_CODECS

RANGES = {
    "speed": (0.2, 2.0),
    "duration": (8.0, 90.0),
    "intensity": (0.0, 1.0),
    "amplitude_deg": (1.0, 20.0),
    "size_deg": (0.4, 5.0),
    "audio_config.volume": (0.0, 1.0),
}
MESSAGES = {
    "hello": (STREAM_CODECS[MSGPACK], {"type": "hello", "source": "emotion"}),
    "config.set": (WATCH_CODECS[MSGPACK], {"type": "config.set", "session_id": "s1"}),
}


def config(field: str, value: object) -> dict[str, Any]:
    outer, _, inner = field.partition(".")
    return {outer: {inner: value} if inner else value}


def decoded(message: str, field: str, value: object) -> Any:
    codec, fields = MESSAGES[message]
    return codec.decode(msgpack.packb({**fields, "config": config(field, value)}))


@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize("field", RANGES)
def test_a_stimulus_out_of_its_range_is_refused_and_its_field_named(message: str, field: str) -> None:
    # The test of random fields lets any number through that is read: it never noticed a range that was missing.
    low, high = RANGES[field]
    for inside in (low, (low + high) / 2, high):
        decoded(message, field, inside)
    for outside in (low - 1e-6, high + 1e-6, -high, 1e308, float("inf"), float("-inf"), float("nan")):
        with pytest.raises(ProtocolError) as refused:
            decoded(message, field, outside)
        assert (refused.value.code, refused.value.param) == (ErrorCode.INVALID_FIELD, f"config.{field}")
