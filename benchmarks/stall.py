"""What a watched event loop tells: how long each kind of entry took in all, and each that was long by itself."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

LIMIT_S: Final = 0.003
MOST: Final = 500
"""So many are kept of what may be many."""
_SCHEDULING: Final = Path("/proc/thread-self/schedstat")
_MOSTLY: Final = 0.6


@dataclass(frozen=True, slots=True)
class Stall:
    """Something longer than LIMIT_S; times in seconds, `began` of the monotonic clock.

    `cpu_s`: processor time since the entry before. `waited_s`: time in line for the core since the stall before.
    """

    what: str
    began: float
    took_s: float
    cpu_s: float
    waited_s: float

    @property
    def cause(self) -> str:
        """Who is to blame: our own work, a neighbour on the core, or neither (the host, or nothing to do)."""
        if self.cpu_s >= _MOSTLY * self.took_s:
            return f"own work: {self.what}"
        if self.waited_s >= _MOSTLY * self.took_s:
            return "another process had the core"
        return "the machine stood still, or nothing came"


@dataclass(frozen=True, slots=True)
class Mark:
    """How many entries there had been of each kind, and how many seconds in them, at one moment."""

    at: float
    calls: dict[str, int]
    spent_s: dict[str, float]


@dataclass(frozen=True, slots=True)
class Log:
    """What one process noticed, with a mark a second."""

    stalls: list[Stall] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)

    def between(self, began: float, ended: float) -> "Log":
        """What falls into this time."""
        return Log(
            [stall for stall in self.stalls if began <= stall.began <= ended],
            [mark for mark in self.marks if began <= mark.at <= ended],
        )


def blamed(late: Iterable[tuple[float, float]], stalls: Iterable[Stall], memory_s: float = 0.1) -> dict[str, int]:
    """Late answers (sent at, took) by the cause of the longest stall in them, or up to `memory_s` before."""
    found: dict[str, int] = {}
    known = list(stalls)
    for sent, took in late:
        near = [each for each in known if each.began < sent + took and each.began + each.took_s > sent - memory_s]
        cause = max(near, key=lambda each: each.took_s).cause if near else "no stall: too much work"
        found[cause] = found.get(cause, 0) + 1
    return found


def waited_s() -> float:
    """How long this thread has stood in line for its core in all; 0 where the kernel does not count it."""
    try:
        return int(_SCHEDULING.read_bytes().split()[1]) / 1e9
    except OSError:
        return 0.0
