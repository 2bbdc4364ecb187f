"""Cases that fuzzing found, or that it rests on: the transport of its own and the comparison with `websockets`."""

from collections.abc import Iterator

import pytest

from tests.fuzz.connection import GOOD_REQUEST, MAX_BYTES, Connections, check_frames, check_written, reference
from tests.hostile.frames import BINARY, TEXT, frame

UNKNOWN_OPCODE = b"\x83\x80\0\0\0\0"


@pytest.fixture
def connections() -> Iterator[Connections]:
    made = Connections()
    yield made
    made.close()


def test_frames_that_overtake_the_handshakes_answer_wait_for_it(connections: Connections) -> None:
    # A peer need not wait for the 101. Read before the endpoint had accepted, a broken frame met a parser that could
    # not refuse it yet (an AssertionError with a traceback), and a ping was answered before the handshake was.
    connections.feed([GOOD_REQUEST, UNKNOWN_OPCODE])
    assert connections.sinks[0].closed_with == [1002]
    check_frames(connections, frame(b"?", 0x89) + frame(b"first", BINARY), [])


def test_what_the_comparison_rests_on(connections: Connections) -> None:
    frames = frame(b"one", BINARY) + frame(b"tw", 0x01) + frame(b"o", 0x80) + frame(bytes(MAX_BYTES), BINARY)
    assert reference(frames + frame(b"\xff", TEXT) + frame(b"lost", TEXT)) == [b"one", "two", bytes(MAX_BYTES)]
    check_frames(connections, frames, [1, 3, 9, 20])


@pytest.mark.parametrize("written", [b"\x88\x02\x03\xe8\x81\0", b"\x88\x02\x03\xf3", b"\x01\0", b"\x81\x05abc"])
def test_what_may_not_be_written_would_be_seen(written: bytes) -> None:
    with pytest.raises(AssertionError):
        check_written(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + written)
