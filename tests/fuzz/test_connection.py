"""Cases that fuzzing found, or that it rests on: the transport of its own and the comparison with `websockets`."""

import contextlib
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from emdr_stream.endpoints.admission import Admission, Crowd
from emdr_stream.endpoints.auth import TokenAuthority
from emdr_stream.endpoints.greeting import Greeting
from emdr_stream.settings import SocketSettings, TokenSettings
from emdr_stream.telemetry.metrics import Metrics
from emdr_stream.wire.codec import STREAM_CODECS
from emdr_stream.wire.stream import Hello
from tests.fuzz.connection import GOOD_REQUEST, MAX_BYTES, Connections, check_frames, check_written, reference
from tests.hostile.frames import BINARY, TEXT, frame
from tests.system.raw_socket import request

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


@pytest.mark.parametrize(("size", "most"), [(10, 64), (1_020, 64), (4_000, 17)])
def test_a_read_full_of_messages_is_taken_in_turns_with_others(connections: Connections, size: int, most: int) -> None:
    # All of a read was taken in one turn of the loop: 40,000 small messages, or sixteen of 256 KiB as libuv reads on,
    # held everybody else up for half a second. See tests/system/test_storms.py.
    frames = frame(bytes(size), BINARY) * 500
    connections.feed([GOOD_REQUEST, frame(b"hello", BINARY), frames])
    assert len(connections.sinks[0].messages) == 501
    assert 1 < connections.most_in_a_turn <= most


@pytest.mark.parametrize("written", [b"\x88\x02\x03\xe8\x81\0", b"\x01\0", b"\x81\x05abc"])
def test_what_may_not_be_written_would_be_seen(written: bytes) -> None:
    with pytest.raises(AssertionError):
        check_written(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + written)


async def greeted(scope: Scope, receive: Receive, send: Send) -> None:
    """What both sockets do first."""
    metrics = Metrics(CollectorRegistry(), version="test")
    authority = TokenAuthority(TokenSettings(key=b"k" * 32))
    greeting = Greeting(WebSocket(scope, receive, send), STREAM_CODECS, authority, SocketSettings(), metrics)
    with contextlib.suppress(WebSocketDisconnect):
        await greeting.receive(Hello, frozenset())


async def refused(scope: Scope, receive: Receive, send: Send) -> None:
    """A worker with no room."""
    full = Crowd(1, 1)
    full.enter("somebody")
    await Admission(greeted, full, Metrics(CollectorRegistry(), version="test"))(scope, receive, send)


@pytest.mark.parametrize("application", [greeted, refused])
@pytest.mark.parametrize(
    "asked", [GOOD_REQUEST, request(80, "/", "none"), request(80, "/", more_headers="Origin: https://elsewhere\r\n")]
)
def test_a_peer_that_is_gone_before_its_handshake_is_answered_leaves_no_traceback(
    application: ASGIApp, asked: bytes
) -> None:
    # Three packages have an exception of their own for a peer that is gone; none of them is a fault of ours.
    made = Connections(application)
    try:
        made.feed([asked], ends_at_once=True)
    finally:
        made.close()
