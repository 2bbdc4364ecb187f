"""In: a simulated session's truth. Out: per second, what the models are asked and how much it counts.

Crisis: a crisis event (hyperarousal, shutdown or dissociation of at least 10 s) is on, or begins within 15 s.
Risk: the client is outside the window of tolerance, or will be within 15 s. Its soft form, which the network learns
from, is the probability of that for an edge known only to about a tenth; its hard form is what it is calibrated on.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emdr_stream.domain import MODEL_STATES, StateLabel
from emdr_stream.evaluation.probabilities import HORIZON_S
from emdr_stream.simulation import LatentState, SimulatedSession
from training.stretches import Parts, Spell, parts_of

Floats = NDArray[np.float64]

EDGE_BLUR: Final = 0.06
"""Scale of the logistic about the window's edge, as a share of it: half of the edge's own spread over persons."""
UNOBSERVABLE_WEIGHT: Final = 0.2
MARGINAL_WEIGHT: Final = 0.3
"""For seconds outside the window that belong to no event: too short to be one, too much to be none."""

_STATE_OF: Final = {
    LatentState.CALM: StateLabel.CALM,
    LatentState.PROCESSING: StateLabel.PROCESSING,
    LatentState.DROWSY: StateLabel.DROWSY,
    LatentState.HYPERAROUSAL: StateLabel.HYPERAROUSAL,
    LatentState.HYPOAROUSAL: StateLabel.HYPOAROUSAL,
}
CLASS_OF: Final = np.array(
    [MODEL_STATES.index(_STATE_OF[state]) if state in _STATE_OF else -1 for state in LatentState], dtype=np.int64
)
"""Index into MODEL_STATES for each latent state, -1 for an absent client."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Per second (S,). `state` indexes MODEL_STATES, -1 where the client is away; weights are 0..1. `parts`: stretches
    of which the crisis' peak counts."""

    state: NDArray[np.int64]
    state_weight: Floats
    soft_risk: Floats
    risk: Floats
    crisis: Floats
    safety_weight: Floats
    parts: Parts


def targets_of(session: SimulatedSession) -> Targets:
    """What the models should say in each second of `session`; seconds after a stop signal count nothing."""
    labels = session.labels
    state = CLASS_OF[labels.states]
    closeness = labels.closeness
    outside = (closeness > 1.0).astype(np.float64)
    soft = 1.0 / (1.0 + np.exp(-(closeness - 1.0) / EDGE_BLUR))
    crisis, hidden, inside = _crises(session)
    counted = (state >= 0).astype(np.float64)
    if session.stop_press_ms is not None:
        counted[session.stop_press_ms // 1_000 :] = 0.0
    unseen = np.where(labels.observable, 1.0, UNOBSERVABLE_WEIGHT)
    safety = np.where(hidden | (~labels.observable & inside), UNOBSERVABLE_WEIGHT, 1.0)
    safety = np.where((outside > 0.0) & ~inside, np.minimum(safety, MARGINAL_WEIGHT), safety)
    counts = counted * safety
    return Targets(
        state=state,
        state_weight=counted * unseen,
        soft_risk=leading_maximum(soft, HORIZON_S),
        risk=leading_maximum(outside, HORIZON_S),
        crisis=crisis,
        safety_weight=counts,
        parts=parts_of(np.arange(len(counts), dtype=np.float64), counts, _spells(session)),
    )


def _spells(session: SimulatedSession) -> list[Spell]:
    """The crises."""
    return [
        Spell(each.onset_s, each.offset_s, worth_of_finding(each.observable, each.marginal)) for each in session.crises
    ]


def worth_of_finding(observable: bool, marginal: bool) -> float:
    """An event, 0..1."""
    return (1.0 if observable else UNOBSERVABLE_WEIGHT) * (MARGINAL_WEIGHT if marginal else 1.0)


def leading_maximum(path: Floats, horizon: int) -> Floats:
    """Highest value of `path` (S,) from each step until `horizon` steps later."""
    padded = np.concatenate([path, np.full(horizon, -np.inf)])
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, horizon + 1).max(axis=1))


def _crises(session: SimulatedSession) -> tuple[Floats, NDArray[np.bool_], NDArray[np.bool_]]:
    """Per second: crisis target, whether it belongs to an event that mostly does not show, whether an event is on."""
    n = len(session.labels.states)
    crisis = np.zeros(n)
    hidden, inside = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    for event in session.crises:
        ahead = slice(max(int(event.onset_s) - HORIZON_S, 0), int(event.offset_s))
        crisis[ahead] = 1.0
        hidden[ahead] |= not event.observable
        inside[int(event.onset_s) : int(event.offset_s)] = True
    return crisis, hidden, inside
