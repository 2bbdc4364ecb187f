"""In: nothing. Out: the shape of one recording as the service went through it, beside what truly happened."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emdr_stream.domain import MODEL_STATES, PauseCause, StateLabel
from emdr_stream.evaluation.labels import Truth

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
States = NDArray[np.int8]

NO_STATE: Final = -1
MODEL_CAUSES: Final = frozenset({PauseCause.CRISIS.value, PauseCause.DISSOCIATION.value})
"""Pauses that the models ask for; every other one is the client's, the therapist's or the technique's."""


@dataclass(frozen=True, slots=True)
class Pause:
    """The stimulus stood still from `start_ms` to `end_ms`; `cause` is the first one's."""

    start_ms: int
    end_ms: int
    cause: str


@dataclass(frozen=True, slots=True)
class Watched:
    """What the service made of each second of a recording (S,), as its own records say.

    `crisis`, `risk`: probabilities, NaN where the models were not heard. `state`: index into MODEL_STATES, NO_STATE for
    unknown. `paused`: whether the session was paused.
    """

    crisis: Floats
    risk: Floats
    state: States
    paused: Bools

    @classmethod
    def of_length(cls, seconds: int) -> "Watched":
        """That many seconds in which nobody was heard."""
        return cls(
            np.full(seconds, np.nan),
            np.full(seconds, np.nan),
            np.full(seconds, NO_STATE, dtype=np.int8),
            np.zeros(seconds, dtype=np.bool_),
        )

    @property
    def judged(self) -> Bools:
        """Seconds in which the models were heard (S,)."""
        return ~np.isnan(self.crisis)


@dataclass(frozen=True, slots=True)
class Course:
    """One recording. `alarms_ms`: whenever the models raised something, a pause, an alert or an advice; `pauses_ms`:
    those of them that paused; `pauses`: all pauses, whoever caused them; `other_alerts`: kinds of alerts that no model
    caused. Times are the recording's, not cut to what is scored of it."""

    truth: Truth
    duration_ms: int
    alarms_ms: tuple[int, ...]
    pauses_ms: tuple[int, ...]
    pauses: tuple[Pause, ...]
    watched: Watched
    other_alerts: tuple[str, ...] = ()

    @property
    def from_ms(self) -> int:
        """From where it is scored."""
        return self.truth.from_ms

    @property
    def to_ms(self) -> int:
        """Until where it is scored."""
        return min(self.truth.to_ms or self.duration_ms, self.duration_ms)

    @property
    def window(self) -> slice:
        """The seconds that are scored."""
        return slice(-(-self.from_ms // 1_000), max(self.to_ms // 1_000, 0))

    def counts(self, at_ms: int) -> bool:
        """Whether this moment is scored."""
        return self.from_ms <= at_ms < self.to_ms


def state_number(label: str) -> int:
    """Index into MODEL_STATES, NO_STATE for `unknown`."""
    return NO_STATE if label == StateLabel.UNKNOWN else MODEL_STATES.index(StateLabel(label))
