"""In: how thorough to be. Out: how many sessions of what are replayed, and from which seed they are drawn."""

from dataclasses import dataclass, replace
from typing import Final

RELEASE_SEED: Final = 77_006
"""Of the test sets. Whoever looks at them while tuning has spent them: choose another for the release. 77,001 was that
of version 2, and so on to 77,005, that of version 6; the figures of each led to the next."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Sessions of each test set, each ablation, each variation of the generator's constants; 0 leaves those two out.

    `long_sessions`: of the test set whose sessions are five times as long.
    `hearts`: how many of the real heart rates are replayed, None for all.
    """

    seed: int = RELEASE_SEED
    sessions: int = 200
    long_sessions: int = 40
    ablation_sessions: int = 80
    constant_sessions: int = 40
    hearts: int | None = None
    processes: int = 2
    resume_after_s: float = 30.0

    def of(self, sessions: int) -> "Plan":
        """The same with so many sessions of each test set, of the long ones not more than a fifth: of as many hours."""
        return replace(self, sessions=sessions, long_sessions=min(self.long_sessions, max(sessions // 5, 1)))


BRIEF: Final = Plan(sessions=50, long_sessions=5, ablation_sessions=0, constant_sessions=0, hearts=8)
"""For a training that is to be held against an earlier one: three minutes on two cores."""
QUICK: Final = Plan(sessions=24, long_sessions=2, ablation_sessions=0, constant_sessions=0, hearts=3)
"""For trying things: minutes become seconds, and the intervals say how little that shows."""
