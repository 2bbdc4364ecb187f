"""In: a session of training. Out: when the service begins to listen to it, and how.

A client whose connection comes late, a demonstration, a session with a short baseline: there the models know the person
for seconds when a crisis begins, and remember nothing. Whoever only ever learned from whole sessions with a minute's
baseline waits in such a session for what it is used to have seen.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emdr_stream.settings import BaselineSettings, SessionSettings
from emdr_stream.simulation import SimulatedSession

SHORTEST_S, LONGEST_S = 8.0, 60.0
"""Baselines that a late session is given, log-uniform."""
SOON_S: Final = 20.0
"""In one of two late sessions that have a crisis, it begins after so much more time for a baseline, in the mean."""
LEAST_WATCHED_S: Final = 60.0
"""Where there is no crisis, as much is left at least."""
UNTOLD_SHARE: Final = 0.5
"""Of the late sessions: who comes late has not always heard that a set runs."""


@dataclass(frozen=True, slots=True)
class Listening:
    """From when on a session is listened to, for how long its baseline is taken, and whether its sets are told."""

    from_ms: int = 0
    tell_sets: bool = True
    settings: SessionSettings = field(default_factory=SessionSettings)


def listened_late(rng: np.random.Generator, session: SimulatedSession) -> Listening | None:
    """A late beginning that leaves time for a baseline before the first crisis; None where no second is left for it.

    Time counts outside of sets, where they are told. With each gap in the samples a baseline stands later: one in two
    hundred stands after the onset.
    """
    baseline_s = float(np.exp(rng.uniform(np.log(SHORTEST_S), np.log(LONGEST_S))))
    tell_sets, soon, drawn = bool(rng.random() >= UNTOLD_SHARE), bool(rng.random() < 0.5), rng.random()
    crisis_s = session.crises[0].onset_s if session.crises else None
    last_s = session.duration_s - LEAST_WATCHED_S if crisis_s is None else crisis_s
    left_s = _calm_left(session, int(last_s), tell_sets)
    possible = np.flatnonzero(left_s >= baseline_s)
    if not len(possible):
        return None
    if soon and crisis_s is not None:
        wanted_s = baseline_s - SOON_S * np.log1p(-drawn)
        from_s = int(possible[np.argmin(np.abs(left_s[possible] - wanted_s))])
    else:
        from_s = int(possible[int(drawn * len(possible))])
    return Listening(from_s * 1_000, tell_sets, SessionSettings(baseline=BaselineSettings(duration_s=baseline_s)))


def _calm_left(session: SimulatedSession, last_s: int, tell_sets: bool) -> NDArray[np.float64]:
    """From each second (n,), how many follow before `last_s` in which a baseline could be taken."""
    calm = np.ones(max(last_s, 0))
    for start_ms, end_ms in session.sets if tell_sets else ():
        calm[start_ms // 1_000 : -(-end_ms // 1_000)] = 0.0
    return np.asarray(np.cumsum(calm[::-1])[::-1])
