"""One socket's pictures in, one answer to each out: one is in work, the newest waits, the rest are told so.

frame ─▶ rate ─▶ head of the picture ─▶ seat (a worker process looks) ─▶ `observation` ─▶ core ─▶ result or skipped.
The answer is the credit for the next picture, so nothing here grows.

A picture is read by the version that its session has told its client, and by no other: one that was looked at while
another version was put in use is looked at again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

import msgspec

from emdr_stream.endpoints.camera_traffic import Camera, CameraTraffic
from emdr_stream.errors import CloseCode, ErrorCode, ProtocolError
from emdr_stream.pipeline.decode import check_time
from emdr_stream.session.runner import SessionRunner
from emdr_stream.telemetry.labels import FrameOutcome
from emdr_stream.telemetry.metrics import Metrics
from emdr_stream.vision.reading import FaceReading
from emdr_stream.wire.refusals import error_message
from emdr_stream.wire.stream import ErrorMessage, Frame, FrameLimits, Observed, Result, Skipped
from emdr_stream.wire.values import Id, ModelRef, Timing

FRAME_MODEL: Final = "face_expression"
"""Reads the faces in pictures."""
_SKIPPED: Final = {
    "no_face": FrameOutcome.NO_FACE,
    "many_faces": FrameOutcome.MANY_FACES,
    "stale": FrameOutcome.STALE,
}
_WARM_LOOKS: Final = 3
"""The first looks at a camera warm its landmarker up: they say nothing of what its pictures cost."""
_OLD_MS: Final = 2_000.0
"""A picture that was looked at so late shows what was: blindness is not calm, and no result is made of it."""
_PATIENCE_S: Final = 5.0
"""Longer than a worker takes to load its models; by then the signal is stale and nearly lost."""

Done: TypeAlias = Callable[[FaceReading | ProtocolError], None]


class Seat(Protocol):
    """One session's place in a worker process: one picture at a time."""

    def submit(self, image: bytes, ts_ms: float, done: Done, reader: ModelRef | None) -> None:
        """Have a picture looked at, and its expression read by this version; `done` is called once, later, unless it is
        replaced or the seat closed."""

    def replace(self, image: bytes, ts_ms: float, done: Done, reader: ModelRef | None) -> bool:
        """Put a newer picture in the place of one that no worker has yet; whether that was so."""

    def withdraw(self) -> bool:
        """Take the picture back if no worker has it yet; whether that was so. Then `done` is not called."""

    def close(self) -> None:
        """Leave; what is in work is answered to nobody."""


@dataclass(slots=True)
class _Work:
    """A picture that has no answer yet. `received`: clock time in seconds."""

    frame: Frame
    received: float
    reader: ModelRef | None = None
    reading: FaceReading | None = None


class CameraDesk:
    """Looks after one socket's pictures."""

    def __init__(
        self,
        runner: SessionRunner,
        seat: Seat,
        traffic: CameraTraffic,
        metrics: Metrics,
        clock: Callable[[], float],
        inspect: Callable[[bytes], object],
    ) -> None:
        """`clock`: in seconds. `inspect`: raises ProtocolError for a picture that no decoder may see."""
        self._runner = runner
        self._seat = seat
        self._traffic = traffic
        self._camera: Camera = traffic.join()
        self._told_hz = traffic.limit_hz
        self._metrics = metrics
        self._clock = clock
        self._inspect = inspect
        self._work: _Work | None = None
        self._waiting: _Work | None = None
        self._next_due = 0.0
        self._closed = False
        self._looks = 0
        self._models: tuple[ModelRef, ...] = ()
        """Who spoke in the session when it was looked at last, and who of them reads pictures."""
        self._named: ModelRef | None = None
        self._telling = False
        """What was seen is just being told to the session."""

    def offer(self, frame: Frame, now: float) -> None:
        """Take a picture that came at clock time `now`, in seconds."""
        try:
            if frame.id is None:
                raise ProtocolError(ErrorCode.INVALID_FIELD, "`id` is needed: its answer names it", param="id")
            check_time(frame.ts)
            self._inspect(frame.image)
        except ProtocolError as problem:
            self._metrics.frame(FrameOutcome.REJECTED)
            self._refuse(problem, frame.id)
            return
        self._camera.asked += 1
        if not self._within_rate(now):
            self._skip(frame.id, "rate", FrameOutcome.RATE)
            return
        work = _Work(frame, now)
        if self._work is None:
            self._begin(work)
            return
        older = self._waiting
        if older is None and self._exchange(work):
            return
        if older is not None:
            self._supersede(older)
        self._waiting = work

    def check(self, now: float) -> None:
        """Give up a picture that no worker takes: one is missing, or many others are before it. `now` in seconds."""
        work = self._work
        if work is not None and work.reading is None and now - work.received > _PATIENCE_S and self._seat.withdraw():
            self._metrics.frame(FrameOutcome.FAILED)
            why = f"nobody could look at the picture within {_PATIENCE_S:.0f} s: send the next"
            self._refuse(ProtocolError(ErrorCode.OVERLOADED, why), work.frame.id)
            self._work = None
            self._go_on()

    def close(self) -> None:
        """The socket is gone: nobody is answered any more."""
        if not self._closed:
            self._closed = True
            self._work = self._waiting = None
            self._traffic.leave(self._camera)
            self._seat.close()

    # what the session's runner asks ----------------------------------------------------------------------------------

    def timed(self, result: Result) -> Result:
        """The result with where its picture's time went, from its receipt on."""
        work = self._work
        if work is None or work.reading is None or result.re != work.frame.id:
            return result
        reading, scored = work.reading, result.timing or Timing()
        total_ms = (self._clock() - work.received) * 1_000
        infer_ms = reading.expression_ms + (scored.infer_ms or 0.0)
        busy_ms = reading.decode_ms + reading.face_ms + infer_ms
        timing = Timing(
            age_ms=None if result.signal.age_ms is None else float(result.signal.age_ms),
            queue_ms=round(max(0.0, total_ms - busy_ms), 3),
            decode_ms=round(reading.decode_ms, 3),
            face_ms=round(reading.face_ms, 3),
            infer_ms=round(infer_ms, 3),
            total_ms=round(total_ms, 3),
        )
        return msgspec.structs.replace(result, timing=timing)

    def answered(self, answer: Result | Skipped | ErrorMessage) -> None:
        """An answer has left: the picture in work has had its own, and the one that waits may begin.

        Ids of messages of other types may be the same: an error counts only while what was seen is told.
        """
        work = self._work
        if work is None or work.reading is None or answer.re != work.frame.id:
            return
        if self._telling or not isinstance(answer, ErrorMessage):
            self._metrics.frame(_outcome(answer, work.reading))
            self._work = None
            self._go_on()

    # within ----------------------------------------------------------------------------------------------------------

    def _exchange(self, work: _Work) -> bool:
        """Let it take the place of the one that waits in the workers' line, if that has not been taken up."""
        before = self._work
        if before is None or before.reading is not None:
            return False
        frame, work.reader = work.frame, self._reader()
        if not self._seat.replace(frame.image, frame.ts, lambda outcome: self._looked(work, outcome), work.reader):
            return False
        self._work = work
        self._supersede(before)
        return True

    def _supersede(self, work: _Work) -> None:
        if work.frame.id is not None:
            self._skip(work.frame.id, "superseded", FrameOutcome.SUPERSEDED)

    def _within_rate(self, now: float) -> bool:
        rate_hz = self._camera.rate_hz
        if rate_hz != self._told_hz:
            self._told_hz = rate_hz
            self._runner.send(FrameLimits(fps=int(rate_hz)))
        interval = 1.0 / rate_hz
        early = now - interval / 4
        if now + interval / 4 < self._next_due:
            return False
        self._next_due = max(early, self._next_due) + interval
        return True

    def _go_on(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not self._closed:
            self._begin(waiting)

    def _begin(self, work: _Work) -> None:
        self._work = work
        frame, work.reader = work.frame, self._reader()
        self._seat.submit(frame.image, frame.ts, lambda outcome: self._looked(work, outcome), work.reader)

    def _reader(self) -> ModelRef | None:
        """Who reads this session's pictures, as the session's client and its records were told."""
        models = self._runner.core.care.models
        if models is not self._models:
            self._models = models
            self._named = next((model for model in models if model.name == FRAME_MODEL), None)
        return self._named

    def _looked(self, work: _Work, outcome: FaceReading | ProtocolError) -> None:
        if self._closed or work is not self._work or self._runner.frames is not self:
            return
        if isinstance(outcome, ProtocolError):
            rejected = outcome.code is ErrorCode.IMAGE_REJECTED
            self._metrics.frame(FrameOutcome.REJECTED if rejected else FrameOutcome.FAILED)
            self._refuse(outcome, work.frame.id)
            self._work = None
            self._go_on()
            return
        if work.reader != self._reader():
            self._begin(work)
            return
        self._looks += 1
        if self._looks > _WARM_LOOKS:
            self._traffic.note_cost((outcome.decode_ms + outcome.face_ms + outcome.expression_ms) / 1_000)
        delay_ms = (self._clock() - work.received) * 1_000
        if delay_ms > _OLD_MS and work.frame.id is not None:
            self._skip(work.frame.id, "stale", FrameOutcome.STALE)
            self._work = None
            self._go_on()
            return
        work.reading = outcome
        self._metrics.looked(outcome.decode_ms, outcome.face_ms, outcome.expression_ms)
        frame = work.frame
        self._telling = True
        try:
            seen = Observed(id=frame.id, ts=frame.ts, face=outcome.view, delay_ms=int(delay_ms))
            self._runner.look(seen, work.received)
        except Exception:
            # As a sample's would: the client comes back to a session that was saved before.
            if self._runner.socket is not None:
                self._runner.socket.close(CloseCode.INTERNAL)
            raise
        finally:
            self._telling = False

    def _skip(self, re: Id, reason: str, outcome: FrameOutcome) -> None:
        self._metrics.frame(outcome)
        self._runner.send(Skipped(re=re, reason=reason))

    def _refuse(self, problem: ProtocolError, re: Id | None) -> None:
        self._metrics.error(problem.code)
        self._runner.send(error_message(problem, re))


def _outcome(answer: Result | Skipped | ErrorMessage, reading: FaceReading) -> FrameOutcome:
    if isinstance(answer, Result):
        return FrameOutcome.READ if reading.view.problem is None else FrameOutcome.UNUSABLE
    return _SKIPPED[answer.reason] if isinstance(answer, Skipped) else FrameOutcome.REJECTED
