"""One session's pictures go in, one at a time; the outcome of each comes out by callback."""

import asyncio
from typing import Final, Protocol

from emdr_stream.errors import ImageRejected, ProtocolError
from emdr_stream.vision.line import Done, Frame, Line, Outcome
from emdr_stream.vision.refusals import unavailable
from emdr_stream.wire.values import ModelRef

STRIKES: Final = 3
"""Workers that one session's pictures may cost within STRIKES_S: then no more are taken, for the others' sake."""
STRIKES_S: Final = 600.0
_MOST_KEYS: Final = 10_000


class StrikeBook:
    """Which sessions' pictures have cost workers of late; a session that comes back on another seat is the same."""

    def __init__(self) -> None:
        self._times: dict[str, list[float]] = {}

    def add(self, key: str, now: float) -> None:
        """A worker was lost over a picture of this session; `now` in seconds."""
        if len(self._times) >= _MOST_KEYS:
            self._times.pop(next(iter(self._times)))
        self._times.setdefault(key, []).append(now)

    def count(self, key: str, now: float) -> int:
        times = [at for at in self._times.get(key, ()) if now - at < STRIKES_S]
        if times:
            self._times[key] = times
        else:
            self._times.pop(key, None)
        return len(times)


class Slot(Protocol):
    """The worker that a seat belongs to."""

    problem: str | None
    line: Line

    def join(self, frame: Frame) -> None: ...

    def leave(self, seat: int) -> None: ...


class Room(Protocol):
    """Where the seat stands."""

    def next_number(self) -> int: ...

    def left(self, seat: "FaceSeat") -> None: ...


class FaceSeat:
    """One session's place. One picture at a time: submit the next when the last has its outcome, or was withdrawn."""

    def __init__(self, room: Room, slot: Slot, number: int, key: str, book: StrikeBook) -> None:
        """`key`: of the session, by which its strikes are counted."""
        self.slot = slot
        self.number = number
        self._key = key
        self._book = book
        self._room = room
        self._loop = asyncio.get_running_loop()
        self._frame: Frame | None = None
        self._closed = False

    @property
    def strikes(self) -> int:
        """Workers that pictures of this session have cost of late."""
        return self._book.count(self._key, self._loop.time())

    @property
    def busy(self) -> bool:
        """Whether a picture is on its way."""
        return self._frame is not None

    def submit(self, image: bytes, ts_ms: float, done: Done, reader: ModelRef | None = None) -> None:
        """Have a JPEG, PNG or WebP read. `ts_ms`: the camera's clock. `done` is called exactly once, never from within
        this call, unless the frame is withdrawn or replaced, or the seat closed.

        `reader`: the version that reads the expression, one of those in use in the pool; None: nobody reads it.
        """
        assert self._frame is None, "one picture of a seat at a time"  # noqa: S101 - the caller's duty
        assert not self._closed, "the seat is closed"  # noqa: S101
        frame = self._new_frame(image, ts_ms, done, reader)
        self._frame = frame
        refusal = self._refusal()
        if refusal is None:
            self.slot.join(frame)
        else:
            self._loop.call_soon(frame.done, refusal)

    def withdraw(self) -> bool:
        """Take the picture back if no worker has it yet; whether that is so. Then `done` is not called."""
        if self._frame is None or not self.slot.line.take_back(self._frame.number):
            return False
        self._frame = None
        return True

    def replace(self, image: bytes, ts_ms: float, done: Done, reader: ModelRef | None = None) -> bool:
        """Put a newer picture in the place of the one that waits, if no worker has that yet; whether that is so.

        It keeps the place in the line, so that who sends faster does not wait longer. The old `done` is not called.
        """
        if self._frame is None:
            return False
        frame = self._new_frame(image, ts_ms, done, reader)
        frame.joined_s = self._frame.joined_s
        if not self.slot.line.exchange(self._frame.number, frame):
            return False
        self._frame = frame
        return True

    def close(self) -> None:
        """Free what the worker holds for this seat. No `done` is called any more; may be repeated."""
        if self._closed:
            return
        self._closed = True
        if self._frame is not None and not self.withdraw():
            self._frame.abandoned = True
        self._frame = None
        self._room.left(self)
        self.slot.leave(self.number)

    def _new_frame(self, image: bytes, ts_ms: float, done: Done, reader: ModelRef | None) -> Frame:
        frame: Frame

        def finish(outcome: Outcome) -> None:
            if self._frame is frame:  # neither closed nor anybody else's
                self._frame = None
                done(outcome)

        number, now = self._room.next_number(), self._loop.time()
        frame = Frame(number, self.number, ts_ms, image, finish, now, reader, self._key)
        return frame

    def _refusal(self) -> ProtocolError | None:
        if self.strikes >= STRIKES:
            return ImageRejected(f"pictures of this camera have stopped their reader {STRIKES} times", "use another")
        return None if self.slot.problem is None else unavailable(self.slot.problem)
