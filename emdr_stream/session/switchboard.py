"""Commands for sessions of other workers in, their outcome out: question and answer by letters through the broker.

A letter may be lost: who asks waits a second and tells the watcher to ask again. One may come twice: commands and
acknowledgements bear that. Whoever can write to the broker can command: it lies within the service's own trust.
"""

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec

from emdr_stream.broker.base import Broker
from emdr_stream.errors import ErrorCode, ProtocolError, StoreUnavailable
from emdr_stream.wire.orders import Forget, Intervene, ReportAlert
from emdr_stream.wire.watch import Ack, Attend, ConfigSet, EndCommand, PauseCommand, ResumeCommand

ANSWER_S: Final = 1.0
_OUT: Final = 10_000
"""Letters that wait to be sent, at most; beyond it the oldest are lost, as any letter may be."""
_LOG: Final = logging.getLogger(__name__)

Request = PauseCommand | ResumeCommand | EndCommand | ConfigSet | ReportAlert | Intervene | Forget | Attend | Ack


class Ask(msgspec.Struct, frozen=True, tag="ask"):
    """`by` asks for this; the asker has checked that they may."""

    number: int
    asker: str
    by: str
    request: Request


class Answer(msgspec.Struct, frozen=True, tag="answer"):
    """What became of it: done, or the refusal. `told`: of `Forget`, the sessions that lived here."""

    number: int
    code: ErrorCode | None = None
    message: str = ""
    param: str | None = None
    told: tuple[str, ...] = ()


class Moved(msgspec.Struct, frozen=True, tag="moved"):
    """The session has a newer owner than the worker that is told."""

    session_id: str
    epoch: int


_ENCODE: Final = msgspec.msgpack.Encoder().encode
_DECODE: Final = msgspec.msgpack.Decoder(Ask | Answer | Moved).decode


class Switchboard:
    """One worker's line to the others. `obey` does what is asked of a session here; `moved` hears of one that left."""

    def __init__(
        self,
        broker: Broker,
        owner: str,
        *,
        obey: Callable[[Request, str], tuple[str, ...]],
        moved: Callable[[str, int], None],
    ) -> None:
        self._broker = broker
        self._owner = owner
        self._obey = obey
        self._moved = moved
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._out: deque[tuple[str, bytes]] = deque(maxlen=_OUT)
        self._some = asyncio.Event()
        broker.receive(self.received)

    async def run(self) -> None:
        """Send what is to be sent until cancelled."""
        while True:
            await self._some.wait()
            self._some.clear()
            while self._out:
                owner, letter = self._out.popleft()
                # Lost while the broker is away: who waits for an answer tells its watcher to ask again.
                with suppress(StoreUnavailable):
                    await self._broker.post(owner, letter)

    async def ask(self, owner: str, request: Request, by: str) -> tuple[str, ...]:
        """Have the worker `owner` do it; gives what it tells.

        Raises ProtocolError: its refusal, or `internal` when it cannot be reached.
        """
        number = next(self._numbers)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            async with asyncio.timeout(ANSWER_S):
                if not await self._broker.post(owner, _ENCODE(Ask(number, self._owner, by, request))):
                    raise unreachable()
                told = await answer
        except (StoreUnavailable, TimeoutError):
            raise unreachable() from None
        finally:
            del self._waiting[number]
        if told.code is not None:
            raise ProtocolError(told.code, told.message, param=told.param)
        return told.told

    def tell_moved(self, owner: str, session_id: str, epoch: int) -> None:
        """Let the earlier owner know at once; it would notice by itself when it next saves."""
        self._send(owner, Moved(session_id, epoch))

    def received(self, letter: bytes) -> None:
        """A letter of another worker."""
        try:
            told = _DECODE(letter)
        except msgspec.MsgspecError:
            _LOG.warning("a letter could not be read: do all workers run the same version?")
            return
        if isinstance(told, Moved):
            self._moved(told.session_id, told.epoch)
        elif isinstance(told, Ask):
            self._serve(told)
        elif (waiting := self._waiting.get(told.number)) is not None and not waiting.done():
            waiting.set_result(told)

    def _serve(self, ask: Ask) -> None:
        try:
            answer = Answer(ask.number, told=self._obey(ask.request, ask.by))
        except ProtocolError as problem:
            answer = Answer(ask.number, problem.code, problem.message, problem.param)
        except Exception:
            # A fault of one session must not cut the line to all others.
            _LOG.exception("a session failed on another worker's request")
            answer = Answer(ask.number, ErrorCode.INTERNAL, "the session failed on it: see the service's log")
        self._send(ask.asker, answer)

    def _send(self, owner: str, told: Answer | Moved) -> None:
        self._out.append((owner, _ENCODE(told)))
        self._some.set()


def unreachable() -> ProtocolError:
    why = "the worker that has this session does not answer, another takes over in seconds if it is gone: ask again"
    return ProtocolError(ErrorCode.INTERNAL, why)
