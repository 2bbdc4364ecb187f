"""Pictures of many cameras go in, readings of their faces come out by callback; worker processes do the reading.

A session takes a seat and keeps it; all its pictures go to the same worker, which remembers the face that it follows.
"""

import asyncio
from dataclasses import dataclass
from itertools import count
from typing import Final, Self

from emdr_stream.errors import ImageRejected, ProtocolError
from emdr_stream.vision.line import Done, Frame, Outcome
from emdr_stream.vision.slot import FaceCounts, FaceSettings, WorkerSlot, unavailable

STRIKES: Final = 3
"""Workers that pictures of one seat may cost: then no more of them are taken, for the others' sake."""


@dataclass(frozen=True, slots=True)
class FaceStatistics:
    """For metrics and for the frame rate that is offered: counts since the start, and how things stand now."""

    read: int
    rejected: int
    failed: int
    restarts: int
    workers: int
    ready: int
    seats: int
    waiting: int
    """Frames on their way, those that are being read included."""
    busy_share: float
    """Of the workers' last seconds, 0..1; the mean over workers."""


class FacePool:
    """The face workers. Enter it to have them started, which goes on in the background; leave it to end them."""

    def __init__(self, settings: FaceSettings) -> None:
        self._settings = settings
        self._counts = FaceCounts()
        self._slots: list[WorkerSlot] = []
        self._seats: dict[int, FaceSeat] = {}
        self._numbers = count(1)
        self._group = asyncio.TaskGroup()
        self._keepers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        for _ in range(self._settings.size):
            slot = WorkerSlot(self._settings, self._counts, self._strike)
            self._slots.append(slot)
            self._keepers.append(self._group.create_task(slot.keep()))
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Every frame that is on its way gets an answer."""
        for keeper in self._keepers:
            keeper.cancel()
        await self._group.__aexit__(None, None, None)
        for slot in self._slots:
            slot.stop()

    @property
    def available(self) -> bool:
        """Whether pictures can be read now."""
        return any(slot.ready for slot in self._slots)

    @property
    def why(self) -> str:
        """Why not, in words for an operator; empty when they can."""
        if self.available:
            return ""
        return next((slot.problem for slot in self._slots if slot.problem is not None), "the face workers are starting")

    @property
    def no_expression(self) -> str | None:
        """Why faces are read without an expression; None when they are not, or when nothing is known yet."""
        return next((slot.no_expression for slot in self._slots if slot.ready), None)

    def open(self, key: str) -> "FaceSeat":
        """A seat for this session, with the worker that has fewest; pictures may wait there until it is ready."""
        slot = min(self._slots, key=lambda slot: sum(seat.slot is slot for seat in self._seats.values()))
        number = next(self._numbers)
        seat = self._seats[number] = FaceSeat(self, slot, number, key)
        return seat

    def statistics(self) -> FaceStatistics:
        """As of now."""
        counts, slots = self._counts, self._slots
        return FaceStatistics(
            read=counts.read,
            rejected=counts.rejected,
            failed=counts.failed,
            restarts=counts.restarts,
            workers=self._settings.size,
            ready=sum(slot.ready for slot in slots),
            seats=len(self._seats),
            waiting=sum(len(slot.line) for slot in slots),
            busy_share=sum(slot.busy_share() for slot in slots) / max(1, len(slots)),
        )

    def pids(self) -> list[int]:
        """Of the workers that live now."""
        return [slot.pid for slot in self._slots if slot.pid is not None]

    def next_number(self) -> int:
        """A number that no frame of any seat has had."""
        return next(self._numbers)

    def left(self, seat: "FaceSeat") -> None:
        """For FaceSeat: it was closed."""
        self._seats.pop(seat.number, None)

    def _strike(self, frame: Frame) -> None:
        seat = self._seats.get(frame.seat)
        if seat is not None:
            seat.strikes += 1


class FaceSeat:
    """One session's place. One picture at a time: submit the next when the last has its outcome, or was withdrawn."""

    def __init__(self, pool: FacePool, slot: WorkerSlot, number: int, key: str) -> None:
        self.slot = slot
        self.number = number
        self.key = key
        self.strikes = 0
        """Workers that pictures of this seat have cost."""
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._frame: Frame | None = None
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether a picture is on its way."""
        return self._frame is not None

    def submit(self, image: bytes, ts_ms: float, done: Done) -> None:
        """Have a JPEG, PNG or WebP read. `ts_ms`: the camera's clock. `done` is called exactly once, never from within
        this call, unless the frame is withdrawn or replaced, or the seat closed."""
        assert self._frame is None, "one picture of a seat at a time"  # noqa: S101 - the caller's duty
        assert not self._closed, "the seat is closed"  # noqa: S101
        frame = self._new_frame(image, ts_ms, done)
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

    def replace(self, image: bytes, ts_ms: float, done: Done) -> bool:
        """Put a newer picture in the place of the one that waits, if no worker has that yet; whether that is so.

        It keeps the place in the line, so that who sends faster does not wait longer. The old `done` is not called.
        """
        if self._frame is None:
            return False
        frame = self._new_frame(image, ts_ms, done)
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
        self._pool.left(self)
        self.slot.leave(self.number)

    def _new_frame(self, image: bytes, ts_ms: float, done: Done) -> Frame:
        frame: Frame

        def finish(outcome: Outcome) -> None:
            if self._frame is frame:  # neither closed nor anybody else's
                self._frame = None
                done(outcome)

        frame = Frame(self._pool.next_number(), self.number, ts_ms, image, finish, self._loop.time())
        return frame

    def _refusal(self) -> ProtocolError | None:
        if self.strikes >= STRIKES:
            return ImageRejected(f"pictures of this camera have stopped their reader {STRIKES} times", "use another")
        return None if self.slot.problem is None else unavailable(self.slot.problem)
