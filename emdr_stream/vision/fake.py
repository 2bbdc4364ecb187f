"""Pictures go in, readings that a test chose come out, in the order and with the delays of the real pool; no process.

For tests on a clock that jumps, which real processes cannot follow. `tests/contract/test_face_pool.py` holds both to
the same promises.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Self

from emdr_stream.domain import Limits
from emdr_stream.errors import ImageRejected, ProtocolError
from emdr_stream.vision.busy import BusyShare
from emdr_stream.vision.line import Frame, Line, Outcome
from emdr_stream.vision.picture import picture_head
from emdr_stream.vision.pool_settings import FaceCounts, FaceStatistics
from emdr_stream.vision.reading import FaceReading
from emdr_stream.vision.refusals import lost, stopping, unavailable
from emdr_stream.vision.seat import FaceSeat, StrikeBook
from emdr_stream.wire.face import FaceView

Look = Callable[[bytes, float], FaceView]
"""What a picture with this clock shows; may raise ProtocolError."""


class FakeFacePool:
    """One worker that takes `reading_s` of the loop's time for a picture. Ready once it is entered, unless held."""

    def __init__(self, look: Look, *, reading_s: float = 0.01, limits: Limits | None = None) -> None:
        self.reading_s = reading_s
        self.no_expression: str | None = None
        self._look = look
        self._limits = Limits() if limits is None else limits
        self._slot: FakeSlot | None = None
        self._counts = FaceCounts()
        self._seats: dict[int, FaceSeat] = {}
        self._numbers = count(1)
        self._book = StrikeBook()

    async def __aenter__(self) -> Self:
        self._slot = FakeSlot(self._read, lambda: self.reading_s, self._counts, self._strike)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.slot.stop()

    @property
    def slot(self) -> "FakeSlot":
        """The one worker's place."""
        assert self._slot is not None, "enter the pool first"  # noqa: S101 - a test's fault
        return self._slot

    @property
    def available(self) -> bool:
        return self._slot is not None and self._slot.ready

    @property
    def why(self) -> str:
        if self.available:
            return ""
        return (self._slot.problem if self._slot is not None else None) or "the face workers are starting"

    def open(self, key: str) -> FaceSeat:
        number = next(self._numbers)
        seat = self._seats[number] = FaceSeat(self, self.slot, number, key, self._book)
        return seat

    def statistics(self) -> FaceStatistics:
        counts, slot = self._counts, self.slot
        return FaceStatistics(
            read=counts.read,
            rejected=counts.rejected,
            failed=counts.failed,
            restarts=counts.restarts,
            workers=1,
            ready=int(slot.ready),
            seats=len(self._seats),
            waiting=len(slot.line),
            busy_share=slot.busy_share(),
        )

    def next_number(self) -> int:
        return next(self._numbers)

    def left(self, seat: FaceSeat) -> None:
        self._seats.pop(seat.number, None)

    def _read(self, frame: Frame) -> Outcome:
        try:
            picture_head(frame.image, self._limits)
            return FaceReading(self._look(frame.image, frame.ts_ms), 0.0, self.reading_s * 1e3, 0.0)
        except ProtocolError as refusal:
            return refusal

    def _strike(self, frame: Frame) -> None:
        self._book.add(frame.key, asyncio.get_running_loop().time())


class FakeSlot:
    """A worker's place, with a timer for the worker."""

    def __init__(
        self,
        read: Callable[[Frame], Outcome],
        reading_s: Callable[[], float],
        counts: FaceCounts,
        on_death: Callable[[Frame], None],
    ) -> None:
        self.ready = True
        self.problem: str | None = None
        self.line = Line()
        self._read = read
        self._reading_s = reading_s
        self._counts = counts
        self._on_death = on_death
        self._loop = asyncio.get_running_loop()
        self._busy = BusyShare(self._loop.time())
        self._timer: asyncio.TimerHandle | None = None

    def busy_share(self) -> float:
        return self._busy.share(self._loop.time())

    def join(self, frame: Frame) -> None:
        self.line.join(frame)
        self._send()

    def leave(self, seat: int) -> None:
        """Nothing is held for a seat."""

    def hold(self) -> None:
        """As if the worker were starting: frames wait until `release`."""
        self.ready = False
        self._stop_timer()

    def release(self) -> None:
        """The worker is ready."""
        self.ready, self.problem = True, None
        self._send()

    def die(self) -> None:
        """As if the worker had been killed and another were ready at once."""
        self._stop_timer()
        guilty = self.line.broken()
        self._counts.restarts += 1
        if guilty is not None:
            self._on_death(guilty)
            self._tell(guilty, lost("ended by itself"))
        self._send()

    def fail(self, problem: str) -> None:
        """As if the worker had said that it cannot read faces."""
        self.hold()
        self.problem = problem
        for frame in self.line.clear():
            self._tell(frame, unavailable(problem))

    def stop(self) -> None:
        self._stop_timer()
        for frame in self.line.clear():
            self._tell(frame, stopping())

    def _send(self) -> None:
        if not self.ready:
            return
        now = self._loop.time()
        for _ in self.line.to_send(now):
            pass
        self._busy.works(now, now=self.line.head is not None)
        if self.line.head is not None and self._timer is None:
            self._timer = self._loop.call_later(self._reading_s(), self._answer)

    def _answer(self) -> None:
        self._timer = None
        head = self.line.head
        if head is None:
            return
        now = self._loop.time()
        frame = self.line.answered(head.number, now)
        outcome = self._read(frame)
        if isinstance(outcome, FaceReading):
            started_s = frame.joined_s if frame.started_s is None else frame.started_s
            outcome = replace(outcome, queue_ms=(started_s - frame.joined_s) * 1e3)
        self._send()
        self._tell(frame, outcome)

    def _tell(self, frame: Frame, outcome: Outcome) -> None:
        if isinstance(outcome, ImageRejected):
            self._counts.rejected += 1
        elif isinstance(outcome, ProtocolError):
            self._counts.failed += 1
        else:
            self._counts.read += 1
        frame.done(outcome)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
