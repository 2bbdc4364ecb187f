"""What a session and its socket promise each other: messages go in to a `Sink`, answers go out to a `Peer`."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from emdr_stream.telemetry.logs import places

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """Bounds of one socket; sizes in bytes, durations in seconds.

    Attributes:
        max_pong_backlog_bytes: A ping that finds more than this in the write buffer aborts the connection, because
            pongs have no back-pressure.
        max_backlog_bytes: Output that a peer does not read, beyond which it is cut off with 4408.
        close_timeout_s: How long a peer may take to end a connection that is closing, before it is aborted.
        slow_header_s: How long a peer may take to send the headers of an HTTP request.
        max_connections: TCP connections of a worker; further ones are closed at once.
        max_odd_frames_hz: Control frames and fragments a second of one socket, beyond which it is closed with 4429:
            each costs as much as a message and is seen by no other limit.
    """

    max_pong_backlog_bytes: int = 256 * 1024
    max_backlog_bytes: int = 1024 * 1024
    close_timeout_s: float = 2.0
    slow_header_s: float = 3.0
    max_connections: int = 4_256
    max_odd_frames_hz: int = 500


class Peer(Protocol):
    """The other side of a socket, as the session sees it. Nothing here blocks or awaits."""

    def send(self, data: bytes | str) -> None:
        """Send one message, binary for bytes and text for str, at once. After the close it does nothing."""

    def post(self, data: bytes | str) -> None:
        """As `send`, for what may wait for the end of the loop's turn: many go out together then, at less cost.

        Messages keep their order, whichever way they go: `send` and `close` take along what was posted before.
        """

    def close(self, code: int, reason: str = "") -> None:
        """Start the closing handshake, the reason cut to 123 bytes of UTF-8. After the close it does nothing.

        Raises:
            ValueError: If the code may not be sent (allowed: 1000-1003, 1007-1014, 3000-4999).
        """

    @property
    def buffered_bytes(self) -> int:
        """Bytes sent or posted by the session that still wait in this process for the network."""


class Sink(Protocol):
    """The session, as the socket sees it. Both methods are called on the event loop and must return at once."""

    def received(self, data: bytes | str) -> None:
        """Take one whole message. An exception closes the socket with 1011 and is logged without its text."""

    def closed(self, code: int) -> None:
        """Learn that the socket has ended; called exactly once, and never from inside a method of `Peer`.

        Args:
            code: The code of whoever closed first; 1005 if the peer gave none, 1006 if the transport just died.
        """


MakeSink: TypeAlias = Callable[[Peer], Sink]


def log_sink_error(error: Exception) -> None:
    """Log where a sink failed and the type of its error; the text is left out, as it may quote the peer's data."""
    _LOG.error(
        "a session failed on a message, its socket is closed",
        extra={"problem": type(error).__name__, "places": places(error.__traceback__)},
    )


def tell_end(sink: Sink | None, code: int) -> None:
    """Tell a sink that its socket has ended; what it fails on is logged, as above."""
    if sink is None:
        return
    try:
        sink.closed(code)
    except Exception as error:
        log_sink_error(error)
