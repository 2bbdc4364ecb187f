"""Frames go in, a worker process reads them, outcomes come out; a worker that dies or dawdles is replaced here.

Only the frame that it was reading is lost with it, and gets an error; those behind it go to the replacement. There is
one task for a worker, none for a frame: what happens is called back from the socket and from one timer.
"""

import asyncio
import logging
import subprocess
from collections.abc import Callable
from contextlib import suppress
from typing import Final, cast

import msgspec

from emdr_stream.errors import ImageRejected, ProtocolError
from emdr_stream.vision.busy import BusyShare
from emdr_stream.vision.launch import launch
from emdr_stream.vision.letters import (
    LARGEST_ANSWER,
    Answer,
    Begin,
    Failed,
    Keep,
    Leave,
    Load,
    Loaded,
    Look,
    Order,
    Ready,
    Refused,
    Seen,
    Unpacking,
    packed,
)
from emdr_stream.vision.line import Frame, Line, Outcome
from emdr_stream.vision.pool_settings import FaceCounts, FaceSettings
from emdr_stream.vision.reading import FaceReading
from emdr_stream.vision.refusals import failed, lost, stopping, unavailable
from emdr_stream.wire.values import ModelRef

_LOG: Final = logging.getLogger(__name__)
_ANSWERS: Final[msgspec.msgpack.Decoder[Answer]] = msgspec.msgpack.Decoder(Answer)
_AGAIN_S: Final = (0.0, 0.2, 1.0, 5.0)
"""Pauses before the replacement of a worker that did not live long."""
_STABLE_S: Final = 30.0
_CANNOT_S: Final = 30.0
"""Pause after a worker has said that it cannot read faces: a missing file may be there by then."""
_SECOND_LOOK_S: Final = 0.05
"""The loop itself may have been held up: then the answer lies in the socket, and is read before a second ring."""


class WorkerSlot(asyncio.Protocol):
    """The place of one worker: `keep` it filled."""

    def __init__(
        self,
        settings: FaceSettings,
        counts: FaceCounts,
        on_death: Callable[[Frame], None],
        in_use: Callable[[], tuple[ModelRef, ...]] = tuple,
    ) -> None:
        """`on_death` hears of each frame whose reading cost a worker, before the frame's own `done`.

        `in_use`: the versions of the expression model that a worker needs before it reads.
        """
        self.ready = False
        self.problem: str | None = None
        """Why no worker here can read faces, in words for an operator."""
        self.line = Line()
        self._in_use = in_use
        self._has: dict[ModelRef, str | None] = {}
        """What the present worker was asked to load, and why it could not; None: it has."""
        self._loading: set[ModelRef] = set()
        self._hoped: dict[ModelRef, asyncio.Future[str | None]] = {}
        self._begun = False
        self._settings = settings
        self._counts = counts
        self._on_death = on_death
        self._loop = asyncio.get_running_loop()
        self._busy = BusyShare(self._loop.time())
        self._process: subprocess.Popen[bytes] | None = None
        self._transport: asyncio.Transport | None = None
        self._unpacking = Unpacking(LARGEST_ANSWER)
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._answers = 0
        self._reason = self._ended = ""

    @property
    def pid(self) -> int | None:
        """The worker's, while there is one."""
        return None if self._process is None else self._process.pid

    def busy_share(self) -> float:
        """The part of the last seconds in which the worker read pictures, 0..1."""
        return self._busy.share(self._loop.time())

    @property
    def reason(self) -> str:
        """How the last worker here ended, while there is none; empty otherwise."""
        return "" if self.ready else self._ended

    async def keep(self) -> None:
        """Have a worker here until cancelled."""
        quick_ends = 0
        while True:
            began = self._loop.time()
            await self._live()
            if self.problem is not None:
                await asyncio.sleep(_CANNOT_S)
                continue
            quick_ends = 0 if self._loop.time() - began >= _STABLE_S else quick_ends + 1
            _LOG.warning("a face worker ended: starting another", extra={"problem": self._reason})
            self._counts.restarts += 1
            self._ended = self._reason
            await asyncio.sleep(_AGAIN_S[min(quick_ends, len(_AGAIN_S) - 1)] if quick_ends else 0.0)

    def join(self, frame: Frame) -> None:
        """Take a frame; its `done` will be called, from here or later."""
        self.line.join(frame)
        self._send()

    def leave(self, seat: int) -> None:
        """Nobody sits there any more; none of its frames may be waiting."""
        if self.ready:
            self._order(Leave(seat))

    async def load(self, reader: ModelRef) -> str | None:
        """Have a worker here load a version beside those that it has. Why it cannot; None when it has, and where no
        worker can read faces anyway."""
        if self.problem is not None:
            return None
        if reader in self._has and (self._has[reader] is None or not self.ready):
            return self._has[reader]
        outcome: asyncio.Future[str | None] = self._loop.create_future()
        self._hoped[reader] = outcome
        if self.ready:
            self._load(reader)
        try:
            return await outcome
        finally:
            self._hoped.pop(reader, None)

    def keep_only(self, readers: tuple[ModelRef, ...]) -> None:
        """Let go of all other versions."""
        self._loading.intersection_update(readers)
        self._has = {reader: problem for reader, problem in self._has.items() if reader in readers}
        if self._begun:
            self._order(Keep(readers))

    def refused(self, reader: ModelRef) -> str | None:
        """Why the worker here has no such version; None when it has, or when that is not known yet."""
        return self._has.get(reader) if self.ready else None

    def stop(self) -> None:
        """Answer every frame and let go of the worker; `keep` must have been cancelled."""
        self.problem = stopping().message  # what is sent in answer to a refusal is refused too
        self._refuse_all(stopping())

    # what the socket calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = socket = cast(asyncio.Transport, transport)
        settings = self._settings
        landmarker, models = [
            None if path is None else str(path) for path in (settings.landmarker_file, settings.models_dir)
        ]
        self._loading.update(self._in_use())
        socket.write(packed(Begin(settings.limits, landmarker, models, self._in_use())))
        self._timer = self._loop.call_later(settings.start_s, self._end, "took too long to load")

    def data_received(self, data: bytes) -> None:
        try:
            for content in self._unpacking.feed(data):
                self._hear(_ANSWERS.decode(content))
        except (ValueError, msgspec.MsgspecError):
            self._end("said something that cannot be")

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self.ready = self._begun = False
        self._transport = None
        # A file that a worker could not bear is no picture's fault: what it read is read by the next one.
        guilty = self.line.broken(innocent=bool(self._loading))
        self._give_up_loading()
        self._busy.works(self._loop.time(), now=False)
        if guilty is not None:
            self._on_death(guilty)
            self._tell(guilty, lost(self._reason))
        if not self._over.done():
            self._over.set_result(None)

    # one life of a worker

    async def _live(self) -> None:
        """From its start to its end; always leaves without a process."""
        self._over = self._loop.create_future()
        self._unpacking = Unpacking(LARGEST_ANSWER)
        self._answers, self._reason = 0, "ended by itself"
        try:
            self._process, ours = launch()
        except OSError as failure:
            self._reason = f"could not be started: {failure.strerror}"
            return
        try:
            await self._loop.create_unix_connection(lambda: self, sock=ours)
            await self._over
        finally:
            if self._transport is None:
                ours.close()
            else:
                self._transport.abort()
            await _reap(self._process)
            self._process = None

    def _hear(self, answer: Answer) -> None:
        if isinstance(answer, Ready):
            self._begin(answer)
            return
        if isinstance(answer, Loaded):
            self._loaded(answer)
            return
        now = self._loop.time()
        frame = self.line.answered(answer.frame, now)
        self._answers += 1
        if self._answers == 1:
            self._disarm()  # from now on patience is shorter
        self._send()
        self._tell(frame, _outcome(answer, frame))

    def _begin(self, ready: Ready) -> None:
        self.problem = ready.problem
        if ready.problem is not None:
            self._disarm()
            _LOG.warning("webcam frames cannot be read", extra={"problem": ready.problem})
            self._refuse_all(unavailable(ready.problem))
            for outcome in self._hoped.values():
                _settle(outcome, None)
            return
        self._begun = True
        # Others may have been put in use, or be hoped for, since it was started.
        self.keep_only(self._in_use())
        for reader in (*self._in_use(), *self._hoped):
            if reader not in self._has:
                self._load(reader)
        self._read_if_ready()

    def _load(self, reader: ModelRef) -> None:
        self._loading.add(reader)
        self._order(Load(reader))

    def _loaded(self, answer: Loaded) -> None:
        reader = answer.reader
        if reader not in self._loading:  # let go of meanwhile
            return
        self._loading.discard(reader)
        self._has[reader] = answer.problem
        if reader in self._hoped:
            _settle(self._hoped[reader], answer.problem)
        self._read_if_ready()

    def _read_if_ready(self) -> None:
        """Pictures are read as soon as every version that may read them is there, or is known not to be."""
        if self._begun and not self.ready and self._loading.isdisjoint(self._in_use()):
            self._disarm()
            self.ready = True
            self._send()

    def _give_up_loading(self) -> None:
        loading, self._loading = self._loading, set()
        self._has.clear()
        for reader in loading & self._hoped.keys():
            _settle(self._hoped[reader], "the worker that loaded it ended")

    def _send(self) -> None:
        """Give the worker what it has room for, and watch the clock for what it reads."""
        if not self.ready or self._transport is None:
            return
        now = self._loop.time()
        for frame in self.line.to_send(now):
            look = Look(frame.number, frame.seat, frame.ts_ms, frame.image, frame.reader)
            self._transport.write(packed(look))
        self._busy.works(now, now=self.line.head is not None)
        self._watch()

    def _order(self, order: Order) -> None:
        if self._transport is not None:
            self._transport.write(packed(order))

    def _tell(self, frame: Frame, outcome: Outcome) -> None:
        if isinstance(outcome, ImageRejected):
            self._counts.rejected += 1
        elif isinstance(outcome, ProtocolError):
            self._counts.failed += 1
        else:
            self._counts.read += 1
        try:
            frame.done(outcome)
        except Exception as failure:  # one session's fault must not cost all others their worker
            self._loop.call_exception_handler({"message": "a frame's outcome was not taken", "exception": failure})

    def _refuse_all(self, refusal: ProtocolError) -> None:
        for frame in self.line.clear():
            self._tell(frame, refusal)

    # the clock

    def _watch(self) -> None:
        """Have the clock looked at when the frame that is read now would be late. One timer serves all frames that
        come in the meantime: to set one for each would take as long as to decode its answer."""
        head = self.line.head
        if self._timer is None and head is not None and head.started_s is not None:
            self._timer = self._loop.call_at(head.started_s + self._patience_s(), self._look_at_clock)

    def _look_at_clock(self) -> None:
        self._timer = None
        head = self.line.head
        if head is None or head.started_s is None or self._loop.time() < head.started_s + self._patience_s():
            self._watch()
        else:
            self._timer = self._loop.call_later(_SECOND_LOOK_S, self._look_again, head)

    def _look_again(self, late: Frame) -> None:
        self._timer = None
        if self.line.head is late:
            self._end("took too long")
        else:
            self._watch()

    def _patience_s(self) -> float:
        return self._settings.deadline_s if self._answers else self._settings.first_deadline_s

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self, reason: str) -> None:
        """Kill the worker: `connection_lost` follows."""
        self._reason = reason
        self.ready = False
        if self._process is not None:
            self._process.kill()
        if self._transport is not None:
            self._transport.abort()


def _outcome(answer: Seen | Refused | Failed, frame: Frame) -> Outcome:
    if isinstance(answer, Refused):
        return ImageRejected(answer.wrong, answer.send)
    if isinstance(answer, Failed):
        return failed(answer.kind)
    started_s = frame.joined_s if frame.started_s is None else frame.started_s
    read = answer.reading
    queue_ms = max(0.0, started_s - frame.joined_s) * 1e3
    return FaceReading(read.view, read.decode_ms, read.face_ms, read.expression_ms, queue_ms)


def _settle(outcome: asyncio.Future[str | None], problem: str | None) -> None:
    """Unless nobody waits for it any more."""
    if not outcome.done():
        outcome.set_result(problem)


async def _reap(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of a process that was killed, or has closed its socket; it leaves no zombie."""
    with suppress(ProcessLookupError):
        process.kill()
    try:
        while process.poll() is None:  # noqa: ASYNC110 - the end of a process sets no event
            await asyncio.sleep(0.005)
    finally:
        process.wait()  # the pool may end meanwhile: what was killed is over within moments
