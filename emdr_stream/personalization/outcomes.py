"""In: what the records hold of a client's sets. Out: those sets as values, and what a set counts as having brought."""

from typing import Final

import msgspec

from emdr_stream.personalization.setting import Setting

RECOVERY_WEIGHT: Final = 0.3
LEAVING_WEIGHT: Final = 2.0
"""Weights of the reward (domain notes, section 6): -change of SUD + 0.3 recovery - 2 (left the window)."""


class SetOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """One set of stimulation. `at_ms`: wall clock of its start; `seconds`: how long it ran; None where unknown.

    `sud_before`, `sud_after`: the ratings next to it, 0..10. `recovery`: 0..1, how far the client came down after it.
    `left`: whether the client left the window of tolerance in it. `attention`: its mean, 0..1. `stopped`: the cause
    of a pause that broke it off. `recovery_before`: that of the set before in the same session.
    """

    session: str
    set_no: int
    at_ms: int
    setting: Setting
    seconds: float | None = None
    sud_before: float | None = None
    sud_after: float | None = None
    recovery: float | None = None
    left: bool | None = None
    attention: float | None = None
    stopped: str | None = None
    reference: Setting | None = None
    recovery_before: float | None = None
    attention_before: float | None = None

    @property
    def sud_change(self) -> float | None:
        """Points; less than 0 is better. None when it was not asked."""
        if self.sud_before is None or self.sud_after is None:
            return None
        return self.sud_after - self.sud_before


class SessionOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """One session. `levels`: means of valence, arousal and attention in its first minute, None where not seen.
    `hours`: how long it was watched; `pauses`: how many there were of each cause."""

    session: str
    at_ms: int
    hours: float
    levels: tuple[float | None, float | None, float | None] = (None, None, None)
    pauses: dict[str, int] = {}


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What therapists said to proposals for this client, and what they locked."""

    accepted: int = 0
    rejected: int = 0
    locked: tuple[str, ...] = ()


def benefit(outcome: SetOutcome) -> float | None:
    """What a set brought, in points of SUD; None when SUD was not asked before and after it.

    Recovery that is unknown counts as none, a window that nobody saw as kept: the first is the cautious side, and the
    second has a model of its own which takes no unseen set.
    """
    change = outcome.sud_change
    if change is None:
        return None
    return -change + RECOVERY_WEIGHT * (outcome.recovery or 0.0) - LEAVING_WEIGHT * bool(outcome.left)
