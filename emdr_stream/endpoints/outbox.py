"""A console's messages in, its socket's bytes out: what may be dropped for a slow reader, and when one is cut off.

Alerts and answers are never dropped: a console that leaves too many bytes unread is closed with 4408 and comes back
with the cursor of the last alert that it has taken. Live states are dropped and counted long before.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

import msgspec

from emdr_stream.endpoints.ports import Peer
from emdr_stream.errors import CloseCode, ErrorCode, FatalProtocolError, ProtocolError
from emdr_stream.settings import SocketSettings
from emdr_stream.telemetry.metrics import Metrics
from emdr_stream.wire.codec import Codec
from emdr_stream.wire.refusals import error_message
from emdr_stream.wire.stream import Outgoing
from emdr_stream.wire.watch import StateMessage

_LOG: Final = logging.getLogger(__name__)
_LOOK_EVERY_S: Final = 0.01
_STATE: Final = msgspec.msgpack.Decoder(StateMessage).decode


class Outbox:
    """What one console is told. `clock` in seconds, monotonic."""

    def __init__(
        self,
        peer: Peer,
        codec: Codec[Any],
        settings: SocketSettings,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._peer = peer
        self._codec = codec
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._full_since: float | None = None
        self.last_sent = clock()
        self.is_open = True

    def send(self, message: Outgoing) -> None:
        """Send what must arrive; cut the reader off when too much already waits for it."""
        if not self.is_open:
            return
        self._peer.send(self._codec.encode(message))
        self.last_sent = self._clock()
        if self._peer.buffered_bytes > self._settings.outbox_bytes:
            self.cut_off("more alerts and answers wait than the console reads: come back with `resume_after`")

    def send_state(self, state: bytes) -> None:
        """Send a live state (MessagePack, as published), unless bytes already wait."""
        if not self.is_open:
            return
        if self._peer.buffered_bytes > self._settings.conflate_bytes:
            self._metrics.notices_dropped()
            return
        if self._codec.binary:
            # The sessions publish in the very encoding of this subprotocol.
            self._peer.send(state)
        else:
            try:
                self._peer.send(self._codec.encode(_STATE(state)))
            except msgspec.MsgspecError:
                self._metrics.notices_dropped()
                _LOG.warning("a live state could not be read: do all workers run the same version?")
                return
        self.last_sent = self._clock()

    def say(self, problem: ProtocolError, re: int | str | None, retry_after_ms: int | None = None) -> None:
        """Tell what is wrong with a message."""
        self._metrics.error(problem.code)
        answer_to = problem.re if problem.re is not None else re
        self.send(error_message(problem, answer_to, retry_after_ms=retry_after_ms))

    def close(self, problem: FatalProtocolError, re: int | str | None = None) -> None:
        """Tell what is wrong, then close."""
        if not self.is_open:
            return
        self._metrics.error(problem.code)
        answer_to = problem.re if problem.re is not None else re
        self._peer.send(self._codec.encode(error_message(problem, answer_to, fatal=True)))
        self.end(problem.close_code, problem.message)

    def cut_off(self, why: str) -> None:
        """Close a reader that lags too far; it is told to come back."""
        self._metrics.error(ErrorCode.OVERLOADED)
        self.end(CloseCode.TOO_SLOW, why)

    def end(self, code: CloseCode, why: str) -> None:
        """Close the socket; nothing is sent any more."""
        if self.is_open:
            self.is_open = False
            self._peer.close(code, why)

    def stuck_s(self) -> float:
        """For how long the reader has left more than `conflate_bytes` unread, as far as it was looked at."""
        if self._peer.buffered_bytes <= self._settings.conflate_bytes:
            self._full_since = None
            return 0.0
        now = self._clock()
        if self._full_since is None:
            self._full_since = now
        return now - self._full_since

    async def drained(self) -> None:
        """Let others run, and wait until the reader has taken most of what waits, or all is over."""
        await asyncio.sleep(0)
        # The transport tells nobody when it has written; this is waited for while a long replay is sent, not else.
        while self.is_open and self._peer.buffered_bytes > self._settings.conflate_bytes:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_EVERY_S)
