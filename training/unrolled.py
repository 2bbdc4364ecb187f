"""In: the times of sessions' rows. Out: which rows are kept in memory, and an order in which many sessions go at once.

Which rows are kept is asked of the service's own memory (`emdr_stream.pipeline.memory`): the first row, and then the
first one at or after two seconds; rows in between see the memory of the last step. Steps are ordered by time over all
sessions, the longest session first, so that each step of all sessions is one piece of an array, right behind the one
before it, and nothing is filled up.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from emdr_stream.domain import ANEW, BETWEEN
from emdr_stream.pipeline.memory import Memory

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Run:
    """Rows of one session from where the memory is empty: `steps` are kept; those `between` see what was remembered
    after the step of that number in `since`. All index the session's rows."""

    steps: Indices
    between: Indices
    since: Indices


def runs_of(times_ms: npt.NDArray[np.int64]) -> list[Run]:
    """All rows of one session, by the service's rule; more than one run where so long nothing came that it forgot."""
    memory = Memory(_nowhere)
    steps: list[int] = []
    seen: list[tuple[int, int]] = []
    runs: list[Run] = []
    for row, at_ms in enumerate(times_ms.tolist()):
        mark = memory.mark(at_ms)
        if mark == ANEW and steps:
            runs.append(_run(steps, seen))
            steps, seen = [], []
        if mark != BETWEEN:
            memory.step(b"", at_ms)
            steps.append(row)
        else:
            seen.append((row, len(steps) - 1))
    return [*runs, _run(steps, seen)] if steps else runs


def _nowhere(values: npt.NDArray[np.float64]) -> None:
    """Only the rule is asked, not what is kept."""


def _run(steps: list[int], seen: list[tuple[int, int]]) -> Run:
    between = np.array(seen, dtype=np.int64).reshape(-1, 2)
    return Run(np.array(steps, dtype=np.int64), between[:, 0], between[:, 1])


@dataclass(frozen=True, slots=True)
class Packed:
    """Rows of many runs: first all steps, by time, then the rows between them.

    `rows` (n,) says which rows these are; `offsets` where the pieces begin that are one step of every run that is as
    long, and where the last one ends; `previous` for each row between, where the step stands whose memory it sees.
    """

    rows: Indices
    offsets: Indices
    previous: Indices

    @property
    def between(self) -> slice:
        """Of the rows, those that are not kept."""
        return slice(int(self.offsets[-1]), None)

    def pieces(self) -> Iterator[tuple[slice, slice | None]]:
        """Each step of all runs, with where the memory before it stands; None for the first."""
        before: slice | None = None
        start = 0
        for first, end in pairwise(self.offsets.tolist()):
            yield slice(first, end), before and slice(start, start + end - first)
            before, start = slice(first, end), first


def packed(runs: Sequence[Run], first_rows: Sequence[int]) -> Packed:
    """`first_rows`: where the rows of each run's session begin among those of all sessions. At least one run."""
    order = sorted(range(len(runs)), key=lambda number: -len(runs[number].steps))
    lengths = np.array([len(runs[number].steps) for number in order])
    counts = (lengths[:, None] > np.arange(lengths[0])).sum(axis=0)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    steps = np.empty(offsets[-1], dtype=np.int64)
    between, previous = [], []
    for place, number in enumerate(order):
        run, first = runs[number], first_rows[number]
        steps[offsets[: len(run.steps)] + place] = run.steps + first
        between.append(run.between + first)
        previous.append(offsets[run.since] + place)
    return Packed(np.concatenate([steps, *between]), offsets, np.concatenate(previous))
