"""In: when events are. Out: stretches of time of which the peak of the crisis probability counts, and their loss.

A crisis is found by one alarm and missed by none, however long it lasts; a quiet minute is spoilt by one. Rows that
each count alike teach something else: a long crisis more than a short one, and how often an alarm is wrong rather than
whether. So stretches count as wholes, beside the rows: from before an event until an alarm would come too late the
probability must rise once, in a quiet stretch of 20 s never. The peak of a stretch is smooth, a log-sum-exp of its
logits (as Pinheiro & Collobert 2015 have it for pictures of which one part shows what is sought).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emdr_stream.evaluation.events import AFTER_MS, BEFORE_MS
from emdr_stream.evaluation.probabilities import HORIZON_S

Some = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

QUIET_S: Final = 20.0
"""Alarms for nothing are counted once in as long."""
_CERTAIN: Final = 0.9
"""Rows that are worth less are in no quiet stretch: what happened there is doubtful."""
_SHARPNESS: Final = 2.0
_ROWS_LIKE_ONE: Final = 5.0
"""As many rows of one logit have that logit for their peak."""
_FOUND, _SILENT = 18.0, 6.0
"""What a stretch of an event and a quiet one count, before `stretch_share`."""


@dataclass(frozen=True, slots=True)
class Spell:
    """An event: seconds of its onset and end, and what finding it is worth, 0..1."""

    onset_s: float
    end_s: float
    worth: float


@dataclass(frozen=True, slots=True)
class Parts:
    """Of n rows, `stretch` (n,): n ≥ 1 for the n-th event, below 0 for a quiet stretch, 0 for neither; `worth` (n,):
    that of the row's stretch, 0..1."""

    stretch: Indices
    worth: Floats


def parts_of(times_s: Floats, safety: Some, spells: Sequence[Spell]) -> Parts:
    """Of rows at `times_s` (n,) that count `safety` (n,), 0..1, by themselves; events in their order.

    Near an event an alarm is neither right nor wrong: that belongs to no stretch.
    """
    stretch, worth = np.zeros(len(times_s), dtype=np.int64), np.ones(len(times_s))
    quiet = safety > _CERTAIN
    for number, spell in enumerate(spells, start=1):
        since, on = times_s - spell.onset_s, times_s < spell.end_s
        quiet &= (since < -BEFORE_MS / 1_000) | ~(on | (since < AFTER_MS / 1_000))
        finds = (since >= -HORIZON_S) & on & (since < AFTER_MS / 1_000) & (safety > 0.0)
        stretch[finds], worth[finds] = number, spell.worth
    stretch[quiet] = -1 - (times_s[quiet] // QUIET_S).astype(np.int64)
    return Parts(stretch, worth)


@dataclass(frozen=True, slots=True)
class Stretches:
    """Of the rows of a batch: `rows` (m,), those of one stretch together; `firsts` (k,) where each stretch begins among
    them; `wanted` (k,) whether it should rise; `weight` (k,)."""

    rows: Indices
    firsts: Indices
    wanted: NDArray[np.bool_]
    weight: Some

    @classmethod
    def of(cls, session: Indices, stretch: Indices, worth: Some) -> "Stretches":
        """`session` (n,): whose row each one is; `stretch`, `worth` (n,) as in `Parts`."""
        rows = np.flatnonzero(stretch)
        rows = rows[np.lexsort((stretch[rows], session[rows]))]
        new = (np.diff(stretch[rows], prepend=0) != 0) | (np.diff(session[rows], prepend=-1) != 0)
        firsts = np.flatnonzero(new)
        wanted = stretch[rows[firsts]] > 0
        weight = np.where(wanted, _FOUND, _SILENT) * worth[rows[firsts]]
        return cls(rows, firsts, wanted, weight.astype(worth.dtype))

    def loss_and_slope(self, logits: Some) -> tuple[float, Some]:
        """Cross-entropy of the stretches' peaks, summed, and its slope by each of the logits (n,)."""
        slope = np.zeros_like(logits)
        if not len(self.firsts):
            return 0.0, slope
        lengths = np.diff(self.firsts, append=len(self.rows))
        sharp = logits[self.rows] * _SHARPNESS
        top = np.maximum.reduceat(sharp, self.firsts)
        parts = np.exp(sharp - np.repeat(top, lengths))
        sums = np.add.reduceat(parts, self.firsts)
        peak = (top + np.log(sums) - log(_ROWS_LIKE_ONE)) / _SHARPNESS
        against = np.where(self.wanted, -peak, peak)
        by_peak = self.weight / (1.0 + np.exp(-against))
        by_peak[self.wanted] *= -1.0
        slope[self.rows] = parts * np.repeat(by_peak / sums, lengths)
        return float((self.weight * np.logaddexp(0.0, against)).sum()), slope
