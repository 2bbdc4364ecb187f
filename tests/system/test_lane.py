"""The contract between peer and sink on a real server: the lane on both loops, and the pump without a lane."""

import logging
import socket
import struct
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from benchmarks.wire import handshake, masked_frame
from tests.system.socket_server import (
    ENOUGH_BYTES,
    LIMITS,
    MAX_MESSAGE_BYTES,
    Heard,
    Kind,
    RunningServer,
    running_server,
    wait_until,
)

pytestmark = pytest.mark.system

Message = str | bytes | list[bytes]
CLOSE_FRAME = b"\x88\x82\0\0\0\0\x03\xe8"
LANES = [Kind.LANE_UVLOOP, Kind.LANE_ASYNCIO]


@pytest.fixture(scope="module", params=list(Kind), ids=lambda kind: kind.name)
def shared_server(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    with running_server(request.param) as running:
        yield running


@pytest.fixture
def server(shared_server: RunningServer) -> RunningServer:
    shared_server.heard.clear()
    return shared_server


@pytest.fixture
def lane_server(server: RunningServer) -> RunningServer:
    if server.kind not in LANES:
        pytest.skip("the stock server has other limits and answers")
    return server


def client(server: RunningServer, path: str = "") -> ClientConnection:
    return connect(server.url + path, compression=None, close_timeout=2, max_size=None)


def heard_after_end(server: RunningServer) -> Heard:
    """The newest sink's record, once its socket's endpoint has returned."""
    wait_until(lambda: bool(server.heard))
    heard = server.heard[-1]
    assert heard.ended.wait(5), "take_over did not return"
    return heard


def close_after(socket_: ClientConnection, *messages: Message) -> tuple[int, str]:
    """Send messages until the server closes the connection; return its code and reason."""
    try:
        for message in messages:
            socket_.send(message)
        while True:
            socket_.recv(timeout=5)
    except ConnectionClosed as closed:
        return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd is not None else (1006, "no close frame")


def raw_client(server: RunningServer, path: str = "/", receive_buffer_bytes: int | None = None) -> socket.socket:
    """A shaken-hands socket without any WebSocket library behind it."""
    raw = socket.socket()
    if receive_buffer_bytes is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
    raw.settimeout(5)
    raw.connect(("127.0.0.1", server.port))
    raw.sendall(handshake("127.0.0.1", server.port, path, None, ()))
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += raw.recv(1)
    assert b" 101 " in answer
    return raw


def read_to_end(raw: socket.socket) -> bytes:
    everything = b""
    try:
        while chunk := raw.recv(65_536):
            everything += chunk
    except (ConnectionResetError, TimeoutError):
        pass
    return everything


def test_messages_come_back_in_order_and_in_kind(server: RunningServer) -> None:
    sent: list[bytes | str] = ["ä" * n if n % 2 else bytes(range(256)) * n for n in range(60)]
    with client(server) as socket_:
        for message in sent:
            socket_.send(message)
        assert [socket_.recv(timeout=5) for _ in sent] == sent


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, MAX_MESSAGE_BYTES])
def test_every_length_of_header_is_read_and_written(server: RunningServer, size: int) -> None:
    message = bytes(n % 251 for n in range(size))
    with client(server) as socket_:
        socket_.send(message)
        assert socket_.recv(timeout=5) == message


def test_a_message_in_fragments_arrives_whole(server: RunningServer) -> None:
    with client(server) as socket_:
        socket_.send(["ein", "", " Ganz", "es"])
        socket_.send([b"\x01", b"\x02" * 300, b""])
        socket_.send("after")
        assert [socket_.recv(timeout=5) for _ in range(3)] == ["ein Ganzes", b"\x01" + b"\x02" * 300, "after"]


def test_bytes_arriving_one_by_one_make_the_same_messages(server: RunningServer) -> None:
    with raw_client(server) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in masked_frame("slow") + masked_frame(b"x" * 130):
            raw.sendall(bytes((byte,)))
        raw.sendall(masked_frame("close") + CLOSE_FRAME)
        read_to_end(raw)
    assert heard_after_end(server).messages == ["slow", b"x" * 130, "close"]


def test_messages_sent_before_the_takeover_come_first(server: RunningServer) -> None:
    with client(server, "late") as socket_:
        for number in range(100):
            socket_.send("first" if number == 0 else str(number))
        assert [socket_.recv(timeout=5) for _ in range(1, 100)] == [str(number) for number in range(1, 100)]


def test_a_close_before_the_takeover_is_told_after_the_messages(server: RunningServer) -> None:
    with raw_client(server, "/late") as raw:
        raw.sendall(masked_frame("first") + masked_frame("second") + CLOSE_FRAME)
        read_to_end(raw)
    heard = heard_after_end(server)
    assert (heard.messages, heard.closed_with) == (["second"], [1000])


def test_the_clients_close_code_reaches_the_sink_once(server: RunningServer) -> None:
    with client(server) as socket_:
        socket_.close(4123, "enough")
    assert heard_after_end(server).closed_with == [4123]


def test_a_close_without_a_code_is_1005(server: RunningServer) -> None:
    with raw_client(server) as raw:
        raw.sendall(b"\x88\x80\0\0\0\0")
        assert read_to_end(raw) == b"\x88\x00"
    assert heard_after_end(server).closed_with == [1005]


def test_the_sinks_close_code_and_reason_reach_the_client_and_nothing_after(server: RunningServer) -> None:
    with client(server) as socket_:
        assert close_after(socket_, "close", "too late") == (4409, "replaced")
    heard = heard_after_end(server)
    assert (heard.messages, heard.closed_with) == (["close"], [4409])


def test_what_is_posted_and_what_is_sent_keep_their_order(server: RunningServer) -> None:
    with client(server) as socket_:
        for _ in range(2):
            socket_.send("post")
        come = [socket_.recv(timeout=5) for _ in range(10)]
    assert come == ["posted 0", "posted 1", "posted 2", "sent", b"posted behind it"] * 2


def test_what_is_posted_counts_as_waiting_at_once(server: RunningServer) -> None:
    with client(server) as socket_:
        socket_.send("post")
        socket_.recv(timeout=5)
    assert heard_after_end(server).messages == ["post", "grew True"]


def test_what_was_posted_before_our_close_arrives_ahead_of_it(server: RunningServer) -> None:
    with raw_client(server) as raw:
        raw.sendall(masked_frame("post, then close"))
        come = raw.recv(65_536)
        while b"replaced" not in come:
            come += raw.recv(65_536)
        assert come.startswith(b"\x81\x0alast words\x88")
        assert b"never" not in come


def test_what_was_posted_before_the_peers_close_arrives_ahead_of_the_answer(lane_server: RunningServer) -> None:
    with raw_client(lane_server) as raw:
        raw.sendall(masked_frame("post") + CLOSE_FRAME)
        come = read_to_end(raw)
    assert come.index(b"posted behind it") < come.index(b"\x88\x02")


def test_a_failing_sinks_posted_words_arrive_before_the_1011(lane_server: RunningServer) -> None:
    with raw_client(lane_server) as raw:
        raw.sendall(masked_frame("post") + masked_frame("boom: my name"))
        come = raw.recv(65_536)
        while b"\x88" not in come:
            come += raw.recv(65_536)
        assert come.index(b"posted behind it") < come.index(b"\x88")


def test_a_code_that_may_not_be_sent_is_refused(server: RunningServer) -> None:
    with client(server) as socket_:
        socket_.send("bad code")
        assert "1006 may not be sent" in str(socket_.recv(timeout=5))


@pytest.mark.parametrize("reset", [False, True])
def test_a_lost_transport_is_1006_once(server: RunningServer, reset: bool) -> None:
    raw = raw_client(server)
    raw.sendall(masked_frame("here"))
    raw.recv(6)
    if reset:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()
    heard = heard_after_end(server)
    assert heard.closed_with == [1006]
    heard.peer.send("into the void")
    heard.peer.post("and again")
    heard.peer.close(1000)
    assert heard.peer.buffered_bytes == 0


def test_a_failing_sink_closes_with_1011_and_its_words_stay_out_of_the_log(
    server: RunningServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR), client(server) as socket_:
        assert close_after(socket_, "boom: my name") == (1011, "")
    assert heard_after_end(server).closed_with == [1011]
    told = [record.__dict__ for record in caplog.records if "a session failed on a message" in record.message]
    assert [(each["problem"], each["places"][-1].split()[-1]) for each in told] == [("ValueError", "received")]
    assert "my name" not in caplog.text


def test_a_sink_that_cannot_be_made_closes_with_1011(server: RunningServer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR), client(server, "broken?my-name") as socket_:
        assert close_after(socket_) == (1011, "")
    assert "my-name" not in caplog.text


@pytest.mark.parametrize("fragmented", [False, True])
def test_a_message_over_the_limit_closes_with_1009(server: RunningServer, fragmented: bool) -> None:
    size = MAX_MESSAGE_BYTES + 1
    with client(server) as socket_:
        code, _ = close_after(socket_, [bytes(size // 2 + 1)] * 2 if fragmented else bytes(size))
    assert code == 1009
    heard = heard_after_end(server)
    assert (heard.messages, heard.closed_with) == ([], [1009])


def test_the_code_arrives_although_the_peer_is_still_sending(lane_server: RunningServer) -> None:
    with raw_client(lane_server) as raw:
        # Closed at once, the socket would be reset by what is still on its way, and the close frame lost with it.
        for _ in range(40):
            raw.sendall(b"\x82\xff" + (1 << 20).to_bytes(8, "big") + bytes(25_000))
        raw.shutdown(socket.SHUT_WR)
        assert read_to_end(raw)[2:4] == (1009).to_bytes(2, "big")


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x81\x00", 1002),  # not masked
        (b"\x83\x80\0\0\0\0", 1002),  # unknown opcode
        (b"\xc2\x80\0\0\0\0", 1002),  # compressed, which was not agreed
        (b"\x80\x80\0\0\0\0", 1002),  # a continuation of nothing
        (b"\x02\x80\0\0\0\0\x82\x80\0\0\0\0", 1002),  # a message inside a fragmented one
        (b"\x02\x80\0\0\0\0" + CLOSE_FRAME, 1002),  # a close inside a fragmented message: Autobahn's 7.1.5 wants 1000
        (b"\x81\x82\0\0\0\0\xff\xff", 1007),  # text that is not UTF-8
        (b"\x82\xff" + (1 << 40).to_bytes(8, "big"), 1009),  # announces a terabyte
    ],
)
def test_a_violation_is_answered_with_its_code(lane_server: RunningServer, frame: bytes, code: int) -> None:
    with raw_client(lane_server) as raw:
        raw.sendall(frame)
        answer = read_to_end(raw)
    assert answer[0] == 0x88
    assert int.from_bytes(answer[2:4], "big") == code
    heard = heard_after_end(lane_server)
    assert (heard.messages, heard.closed_with) == ([], [code])


def test_empty_fragments_without_end_take_no_memory(lane_server: RunningServer) -> None:
    with raw_client(lane_server) as raw:
        raw.sendall(
            b"\x02\x80\0\0\0\0"
            + b"\x00\x80\0\0\0\0" * 20_000
            + b"\x80\x81\0\0\0\0!"
            + masked_frame("close")
            + CLOSE_FRAME
        )
        read_to_end(raw)
    assert heard_after_end(lane_server).messages == [b"!", "close"]


def test_output_for_a_peer_that_does_not_read_is_reported(server: RunningServer) -> None:
    with raw_client(server, receive_buffer_bytes=4096) as raw:
        raw.sendall(masked_frame("flood"))
        wait_until(lambda: bool(server.heard) and len(server.heard[-1].messages) == 2)
        assert int(str(server.heard[-1].messages[1]).split()[1]) >= ENOUGH_BYTES
        raw.settimeout(0.2)
        read_to_end(raw)
        wait_until(lambda: server.heard[-1].peer.buffered_bytes == 0)


@pytest.mark.parametrize("command", ["deluge", "post a deluge"])
def test_a_peer_that_lets_output_pile_up_is_cut_off_with_4408(server: RunningServer, command: str) -> None:
    with raw_client(server, receive_buffer_bytes=4096) as raw:
        raw.sendall(masked_frame(command))
        assert heard_after_end(server).closed_with == [4408]


def test_a_peer_that_neither_reads_nor_answers_the_close_is_dropped(lane_server: RunningServer) -> None:
    with raw_client(lane_server, receive_buffer_bytes=4096) as raw:
        raw.sendall(masked_frame("flood") + masked_frame("close"))
        assert heard_after_end(lane_server).closed_with == [4409]
        assert is_refused_in_time(raw, masked_frame("more"))


def is_refused_in_time(raw: socket.socket, frames: bytes) -> bool:
    """Send the same frames until the server resets the connection, for 10 s at most."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            raw.sendall(frames)
        except (ConnectionResetError, BrokenPipeError):
            return True
    return False


def test_a_ping_flood_without_reading_is_cut_off(lane_server: RunningServer) -> None:
    ping = b"\x89\xfd\0\0\0\0" + bytes(125)
    with raw_client(lane_server, receive_buffer_bytes=4096) as raw:
        assert is_refused_in_time(raw, ping * 100)
    assert heard_after_end(lane_server).closed_with == [1006]


def test_pings_are_answered(server: RunningServer) -> None:
    with client(server) as socket_:
        assert socket_.ping().wait(5)


@pytest.mark.parametrize("kind", LANES)
def test_a_peer_that_does_not_answer_pings_is_dropped_with_1006(kind: Kind) -> None:
    with running_server(kind, ping_interval_s=0.1, ping_timeout_s=0.2) as server:
        with client(server) as answering, raw_client(server) as silent:
            wait_until(lambda: len(server.heard) == 2)
            assert read_to_end(silent).startswith(b"\x89\x04")
            answering.send("alive")
            assert answering.recv(timeout=5) == "alive"
        heard = heard_after_end(server)
        assert heard.closed_with == [1006]


@pytest.mark.parametrize("kind", LANES)
def test_a_shutdown_of_the_server_closes_with_1012(kind: Kind) -> None:
    with running_server(kind) as server, client(server) as socket_:
        wait_until(lambda: bool(server.heard))
        server.server.should_exit = True
        assert close_after(socket_)[0] == 1012
        assert heard_after_end(server).closed_with == [1012]


def test_a_refused_handshake_is_still_refused(server: RunningServer) -> None:
    with pytest.raises(InvalidStatus) as refused:
        client(server, "refused")
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    "request_parts",
    [[], [b"GET / HTTP/1.1\r\nHost: x\r\n"], [b"GET / HTTP/1.1\r\n"] + [b"A: b\r\n"] * 40],
    ids=["nothing", "half", "a line at a time"],
)
def test_slow_headers_are_closed_in_time(lane_server: RunningServer, request_parts: list[bytes]) -> None:
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", lane_server.port), timeout=5) as raw:
        raw.settimeout(0.05)
        parts = iter(request_parts)
        while not ended_after(raw, next(parts, b"")):
            assert time.monotonic() - began < 5
    assert LIMITS.slow_header_s - 0.1 < time.monotonic() - began < LIMITS.slow_header_s + 1


def ended_after(raw: socket.socket, part: bytes) -> bool:
    try:
        raw.sendall(part)
        return raw.recv(1) == b""
    except TimeoutError:
        return False
    except (ConnectionResetError, BrokenPipeError):
        return True


def test_slow_headers_of_a_second_request_are_closed_too(lane_server: RunningServer) -> None:
    with socket.create_connection(("127.0.0.1", lane_server.port), timeout=5) as raw:
        raw.sendall(b"GET /none HTTP/1.1\r\nHost: x\r\n\r\n")
        assert raw.recv(65_536).startswith(b"HTTP/1.1 404")
        began = time.monotonic()
        raw.sendall(b"GET /none HTTP/1.1\r\n")
        read_to_end(raw)
        assert LIMITS.slow_header_s - 0.1 < time.monotonic() - began < LIMITS.slow_header_s + 1


def test_a_socket_outlives_the_time_for_headers(lane_server: RunningServer) -> None:
    with client(lane_server) as socket_:
        times: list[float] = []
        while not times or times[-1] - times[0] < LIMITS.slow_header_s * 1.5:
            socket_.send("tick")
            assert socket_.recv(timeout=5) == "tick"
            times.append(time.monotonic())
        assert all(later >= earlier for earlier, later in pairwise(times))
