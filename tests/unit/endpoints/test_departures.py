"""What is posted leaves together, and nobody's trouble keeps the others' messages back."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

import pytest

from emdr_stream.endpoints.departures import Departures
from emdr_stream.endpoints.lane_peer import LanePeer


class Turn:
    """The loop: what is asked of it, for the test to do."""

    def __init__(self) -> None:
        self.asked: list[Callable[[], None]] = []

    def call_soon(self, work: Callable[[], None]) -> None:
        self.asked.append(work)

    def come(self) -> None:
        asked, self.asked = self.asked, []
        for work in asked:
            work()


class Transport:
    """Keeps what is written, or fails at it."""

    def __init__(self, written: list[bytes], broken: bool = False) -> None:
        self._written = written
        self._broken = broken

    def write(self, data: bytes) -> None:
        if self._broken:
            raise RuntimeError("planted")
        self._written.append(data)

    def get_write_buffer_size(self) -> int:
        return 0


def peer_of(departures: Departures, turn: Turn, transport: Transport) -> LanePeer:
    closed: list[Any] = []
    loop = cast("asyncio.AbstractEventLoop", turn)
    return LanePeer(cast("asyncio.Transport", transport), lambda *how: closed.append(how), departures, loop)


def test_what_several_peers_post_in_a_turn_is_written_at_its_end_in_one_piece_each() -> None:
    departures, turn, written = Departures(), Turn(), list[bytes]()
    one, other = (peer_of(departures, turn, Transport(written)) for _ in range(2))
    for peer, data in ((one, b"a"), (other, b"b"), (one, b"c")):
        peer.post(data)
    assert written == []
    assert len(turn.asked) == 1
    turn.come()
    assert written == [b"\x82\x01a\x82\x01c", b"\x82\x01b"]
    one.post(b"d")
    turn.come()
    assert written[2:] == [b"\x82\x01d"]


def test_whoever_flushes_early_leaves_nothing_for_the_turns_end() -> None:
    departures, turn, written = Departures(), Turn(), list[bytes]()
    peer_of(departures, turn, Transport(written)).post(b"a")
    departures.flush()
    assert written == [b"\x82\x01a"]
    turn.come()
    assert written == [b"\x82\x01a"]


def test_what_is_sent_goes_at_once_and_takes_along_what_was_posted() -> None:
    departures, turn, written = Departures(), Turn(), list[bytes]()
    peer = peer_of(departures, turn, Transport(written))
    peer.post(b"a")
    assert peer.buffered_bytes == 3
    peer.send(b"b")
    assert written == [b"\x82\x01a\x82\x01b"]
    assert peer.buffered_bytes == 0


def test_a_peer_that_has_ended_drops_what_it_holds() -> None:
    departures, turn, written = Departures(), Turn(), list[bytes]()
    peer = peer_of(departures, turn, Transport(written))
    peer.post(b"a")
    peer.is_open = False
    assert peer.buffered_bytes == 0
    peer.post(b"b")
    turn.come()
    assert written == []


def test_a_transport_that_fails_costs_no_other_peer_its_message(caplog: pytest.LogCaptureFixture) -> None:
    departures, turn, written = Departures(), Turn(), list[bytes]()
    for broken in (True, False):
        peer_of(departures, turn, Transport(written, broken)).post(b"a")
    with caplog.at_level(logging.ERROR):
        turn.come()
    assert written == [b"\x82\x01a"]
    assert "could not be written" in caplog.text
