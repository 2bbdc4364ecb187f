"""Our frames against the parser and the writer of `websockets`, which knows nothing of ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

from emdr_stream.endpoints.frames import MAX_REASON_BYTES, FrameSplitter, close_reason, encode, masked_payload

EDGES = [0, 1, 125, 126, 127, 255, 256, 65_535, 65_536, 70_000]


def read_by_websockets(data: bytes) -> list[object]:
    client = Protocol(Side.CLIENT, max_size=None)
    client.receive_data(data)
    assert client.parser_exc is None
    return [(event.opcode, bytes(event.data)) for event in client.events_received() if isinstance(event, Frame)]


@given(st.lists(st.binary() | st.text()))
def test_what_we_write_is_read_by_websockets(messages: list[bytes | str]) -> None:
    expected = [
        (Opcode.TEXT, message.encode()) if isinstance(message, str) else (Opcode.BINARY, message)
        for message in messages
    ]
    assert read_by_websockets(b"".join(encode(message) for message in messages)) == expected


@pytest.mark.parametrize("size", EDGES)
def test_every_length_of_header_is_written(size: int) -> None:
    assert read_by_websockets(encode(bytes(size))) == [(Opcode.BINARY, bytes(size))]


@pytest.mark.parametrize("size", EDGES)
@pytest.mark.parametrize("before", [0, 3])
def test_the_place_of_a_payload_is_known_as_soon_as_its_length_is(size: int, before: int) -> None:
    frame = Frame(Opcode.BINARY, bytes(size)).serialize(mask=True)
    length_bytes = 0 if size < 126 else 2 if size < 65_536 else 8
    expected = (before + len(frame) - size, before + len(frame))
    for received in range(len(frame[: 2 + length_bytes + 5]) + 1):
        found = masked_payload(bytes(before) + frame[:received], before)
        assert found == (expected if received >= 2 + length_bytes else (0, 0))


@given(st.lists(st.binary(max_size=300), max_size=8), st.lists(st.integers(1, 40), max_size=60))
def test_frames_are_the_same_in_whatever_pieces_they_arrive(payloads: list[bytes], piece_sizes: list[int]) -> None:
    frames = [Frame(Opcode.BINARY, payload).serialize(mask=True) for payload in payloads]
    rest, splitter = b"".join(frames), FrameSplitter(max_payload_bytes=300)
    found: list[tuple[bytes, int]] = []
    for size in [*piece_sizes, len(rest)]:
        found += splitter.split(rest[:size])
        rest = rest[size:]
    assert found == [(frame, len(frame) - len(payload)) for frame, payload in zip(frames, payloads, strict=True)]
    assert not splitter.partial


@pytest.mark.parametrize("hopeless", [b"\x82\x05", b"\x82\xfe\x01\x2d", b"\x82\xff" + bytes([1] * 8)])
def test_a_frame_that_cannot_become_valid_is_not_waited_for(hopeless: bytes) -> None:
    good = Frame(Opcode.BINARY, b"good").serialize(mask=True)
    assert list(FrameSplitter(max_payload_bytes=300).split(good + hopeless)) == [(good, 6), (hopeless, 0)]


@given(st.text(max_size=200))
def test_a_reason_is_cut_between_characters(reason: str) -> None:
    cut = close_reason(reason)
    assert reason.startswith(cut)
    assert len(cut.encode()) <= MAX_REASON_BYTES
    assert cut == reason or len(cut.encode()) > MAX_REASON_BYTES - 4
