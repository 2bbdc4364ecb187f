"""The times at which the loop was seen to run in, what must wait until the worker knows that it is still who it was.

A worker that stood still for long (stopped, swapped out, its machine asleep) may have lost its sessions to others. What
it wakes up to, its timers and the messages that came meanwhile, must not be acted on before it has asked the broker.
"""

import logging
from collections.abc import Callable
from typing import Final

_LOG: Final = logging.getLogger(__name__)
GAP_S: Final = 1.0
"""A loop that was not seen to run for this long may have slept past its lease, which is longer."""


class Standing:
    """One worker's standing. `seen_s`: monotonic seconds at which the loop last ran, as long as nothing is in doubt.

    While in doubt `seen_s` stands still, so that one comparison tells either case: `now - seen_s > GAP_S`.
    """

    __slots__ = ("_on_doubt", "held", "in_doubt", "seen_s")

    def __init__(self, seen_s: float, on_doubt: Callable[[], None] = lambda: None) -> None:
        self.seen_s = seen_s
        self.in_doubt = False
        self.held: list[Callable[[], None]] = []
        self._on_doubt = on_doubt

    def see(self, now: float) -> None:
        """The loop runs, at monotonic time `now`; called ten times a second."""
        if now - self.seen_s > GAP_S:
            self.doubt()
        else:
            self.seen_s = now

    def hold(self, work: Callable[[], None]) -> None:
        """Let work wait until the doubt is over."""
        self.held.append(work)
        self.doubt()

    def doubt(self) -> None:
        """It must be asked first."""
        if not self.in_doubt:
            self.in_doubt = True
            self._on_doubt()

    def assure(self, now: float) -> None:
        """It was asked: what waited is done, in its order. A session that was lost ignores its share."""
        self.in_doubt, self.seen_s = False, now
        held, self.held = self.held, []
        for work in held:
            try:
                work()
            except Exception:
                # A fault of one session must not cost the others what waited for them.
                _LOG.exception("a session failed on what had waited for it")
