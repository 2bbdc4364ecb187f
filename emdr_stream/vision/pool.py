"""Pictures of many cameras go in, readings of their faces come out by callback; worker processes do the reading.

A session takes a seat and keeps it; all its pictures go to the same worker, which remembers the face that it follows.
"""

import asyncio
from collections.abc import Sequence
from itertools import count
from typing import Self

from emdr_stream.vision.line import Frame
from emdr_stream.vision.pool_settings import FaceCounts, FaceSettings, FaceStatistics
from emdr_stream.vision.seat import FaceSeat, StrikeBook
from emdr_stream.vision.slot import WorkerSlot
from emdr_stream.wire.values import ModelRef

__all__ = ["FacePool", "FaceSeat", "FaceSettings", "FaceStatistics"]


class FacePool:
    """The face workers. Enter it to have them started, which goes on in the background; leave it to end them."""

    def __init__(self, settings: FaceSettings, readers: Sequence[ModelRef] = ()) -> None:
        """`readers`: the versions of the expression model that are in use; seats name theirs with each picture."""
        self._settings = settings
        self._readers = tuple(readers)
        self._counts = FaceCounts()
        self._slots: list[WorkerSlot] = []
        self._seats: dict[int, FaceSeat] = {}
        self._numbers = count(1)
        self._book = StrikeBook()
        self._group = asyncio.TaskGroup()
        self._keepers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        for _ in range(self._settings.size):
            slot = WorkerSlot(self._settings, self._counts, self._strike, lambda: self._readers)
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
        if self.problem is not None:
            return self.problem
        ended = next((slot.reason for slot in self._slots if slot.reason), "")
        return f"the face workers are starting{f' again: one {ended}' if ended else ''}"

    @property
    def problem(self) -> str | None:
        """What must be mended before any worker can read faces; None while one may yet be able to."""
        problems = [slot.problem for slot in self._slots]
        return problems[0] if problems and all(problem is not None for problem in problems) else None

    @property
    def no_expression(self) -> str | None:
        """Why faces are read without an expression; None when they are not, or when nothing is known yet."""
        if self.available and not self._readers:
            return "no expression model among the models"
        return next(filter(None, map(self.refused, self._readers)), None)

    def refused(self, reader: ModelRef) -> str | None:
        """Why a worker has no such version; None when all have, as far as is known."""
        return next(filter(None, (slot.refused(reader) for slot in self._slots)), None)

    async def load(self, readers: Sequence[ModelRef]) -> str | None:
        """Have every worker load these versions beside those in use, while pictures are read.

        Why one of them cannot; None when all have, and where no worker can read faces at all. What was loaded in vain
        is let go of by `use`.
        """
        try:
            async with asyncio.timeout(self._settings.load_s):
                for reader in readers:
                    async with asyncio.TaskGroup() as group:
                        asked = [group.create_task(slot.load(reader)) for slot in self._slots]
                    problem = next(filter(None, (task.result() for task in asked)), None)
                    if problem is not None:
                        return problem
        except TimeoutError:
            return f"not every face worker had it within {self._settings.load_s:.0f} s"
        return None

    def use(self, readers: Sequence[ModelRef]) -> None:
        """From now on these are in use, and no others stay in any worker's memory: load them before."""
        self._readers = tuple(readers)
        for slot in self._slots:
            slot.keep_only(self._readers)

    def open(self, key: str) -> FaceSeat:
        """A seat for this session, with the worker that has fewest; pictures may wait there until it is ready."""
        taken = [(not slot.ready, sum(seat.slot is slot for seat in self._seats.values())) for slot in self._slots]
        slot = self._slots[taken.index(min(taken))]
        number = next(self._numbers)
        seat = self._seats[number] = FaceSeat(self, slot, number, key, self._book)
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

    def left(self, seat: FaceSeat) -> None:
        """For FaceSeat: it was closed."""
        self._seats.pop(seat.number, None)

    def _strike(self, frame: Frame) -> None:
        self._book.add(frame.key, asyncio.get_running_loop().time())
