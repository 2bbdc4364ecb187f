"""Frames of many cameras join, are sent to one worker in their order, and leave with their answer; pure.

At most two are with the worker: one that it reads, and one that it finds when it is done. The others wait here, where
they can still be taken back. There is one frame of a camera at most, so the line is as long as there are cameras.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from emdr_stream.errors import ProtocolError
from emdr_stream.vision.reading import FaceReading
from emdr_stream.wire.values import ModelRef

WITH_WORKER: Final = 2

Outcome: TypeAlias = FaceReading | ProtocolError
Done: TypeAlias = Callable[[Outcome], None]
Seconds = float


@dataclass(slots=True, eq=False)
class Frame:
    """One picture on its way. `number` is never used again; `done` is called once with its outcome."""

    number: int
    seat: int
    ts_ms: float
    image: bytes
    done: Done
    joined_s: Seconds
    reader: ModelRef | None = None
    """The version that reads the expression."""
    key: str = ""
    """Of its session, which may have left its seat before the frame is done."""
    started_s: Seconds | None = None
    """When the worker came to it, as far as can be seen from here."""
    abandoned: bool = False
    """Nobody wants the outcome any more, and the seat is closed."""


class Line:
    """The frames of one worker. A frame of a seat may join when its last one has left."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[int, Frame] = OrderedDict()
        self._sent: deque[Frame] = deque()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._sent)

    @property
    def head(self) -> Frame | None:
        """The frame that the worker reads."""
        return self._sent[0] if self._sent else None

    def join(self, frame: Frame) -> None:
        self._waiting[frame.number] = frame

    def take_back(self, number: int) -> bool:
        """Whether a frame was still waiting; then it leaves without an answer."""
        return self._waiting.pop(number, None) is not None

    def exchange(self, number: int, frame: Frame) -> bool:
        """Whether a frame was still waiting; then the other one has its place, and when that joined."""
        old = self._waiting.get(number)
        if old is None:
            return False
        self._waiting = OrderedDict(
            (frame.number, frame) if waiting is old else (key, waiting) for key, waiting in self._waiting.items()
        )
        return True

    def to_send(self, now_s: Seconds) -> Iterator[Frame]:
        """The frames that the worker has room for; they count as sent."""
        while self._waiting and len(self._sent) < WITH_WORKER:
            _, frame = self._waiting.popitem(last=False)
            frame.started_s = None if self._sent else now_s
            self._sent.append(frame)
            yield frame

    def answered(self, number: int, now_s: Seconds) -> Frame:
        """The frame that was read leaves. Raises ValueError when it is not the head: a worker that answers anything
        else is not to be believed."""
        if not self._sent or self._sent[0].number != number:
            raise ValueError("an answer to a frame that is not being read")
        frame = self._sent.popleft()
        if self._sent:
            self._sent[0].started_s = now_s
        return frame

    def broken(self, *, innocent: bool = False) -> Frame | None:
        """The worker is gone: the frame that it read leaves, what it had not come to yet goes first to the next one.

        `innocent`: something else may have been its end; then no frame leaves.
        """
        guilty = self._sent.popleft() if self._sent and not innocent else None
        while self._sent:
            frame = self._sent.pop()
            if frame.abandoned:
                continue
            frame.started_s = None
            self._waiting[frame.number] = frame
            self._waiting.move_to_end(frame.number, last=False)
        return guilty

    def clear(self) -> list[Frame]:
        """All frames leave, the oldest first."""
        frames = [*self._sent, *self._waiting.values()]
        self._sent.clear()
        self._waiting.clear()
        return frames
