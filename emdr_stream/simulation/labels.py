"""In: latents, person and what shows of them. Out: what truly happened: state and visibility per second, and events.

The rules: the latents are smoothed over 5 s; an event is at least 10 s beyond the person's window without a break;
events less than 20 s apart are one, of the kind that it is for longer; an event that never goes further beyond than 5 %
of the edge is marginal. Whether an event is observable is said in `observability`.
"""

from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum

import numpy as np
from numpy.typing import NDArray

from emdr_stream.simulation.dynamics import Floats, centred_mean
from emdr_stream.simulation.parameters import Parameters
from emdr_stream.simulation.person import Person
from emdr_stream.simulation.scenario import ACTIVATION, DISSOCIATION, DROWSINESS, VALENCE

Bools = NDArray[np.bool_]
INWARDLY_AWAKE = -0.15  # mean activation above which a shutdown is the frozen form, not the flat one


class LatentState(IntEnum):
    """The true state of a second; later ones take precedence."""

    CALM = 0
    PROCESSING = 1
    DROWSY = 2
    HYPERAROUSAL = 3
    HYPOAROUSAL = 4
    ABSENT = 5


class EventKind(StrEnum):
    HYPER = "hyper"
    HYPO = "hypo"
    DISSOCIATION = "dissociation"
    DROWSY = "drowsy"
    ABSENT = "absent"


CRISES = frozenset({EventKind.HYPER, EventKind.HYPO, EventKind.DISSOCIATION})


@dataclass(frozen=True, slots=True)
class Event:
    """At least ten seconds outside the window (or asleep, or away).

    `observable`: most of it shows; `shown`: how much, in momentary standard deviations (median over the event);
    `marginal`: it stays within 5 % of the window's edge.
    """

    kind: EventKind
    onset_s: float
    offset_s: float
    observable: bool
    marginal: bool = False
    shown: float = float("nan")


@dataclass(frozen=True, slots=True)
class Labels:
    """Truth per second: `states` (S,) of `LatentState`, also while the client is away in `felt` (S,); `observable`
    (S,), `shown` (S,) as in `Event`, smoothed `latents` (S, 5), `closeness` (S,): 1 at the window's edge; events."""

    states: NDArray[np.int8]
    felt: NDArray[np.int8]
    observable: Bools
    shown: Floats
    latents: Floats
    closeness: Floats
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Holding:
    """Per second (S,): which of the states that make events holds."""

    hyper: Bools
    hypo: Bools
    drowsy: Bools
    away: Bools


def label(person: Person, latents: Floats, shown: Floats, absent: Bools, parameters: Parameters) -> Labels:
    """Truth for latents (n, 5) and `shown` (n,) on the grid; as many seconds as there are whole ones in it."""
    p = parameters
    per_second = round(1.0 / p.step_s)
    smooth = centred_mean(latents, p.smoothing_s * per_second)[per_second // 2 :: per_second]
    seen = shown[per_second // 2 :: per_second][: len(smooth)]
    away = absent[: len(smooth) * per_second].reshape(-1, per_second).mean(axis=1) > 0.5
    closeness = edge_closeness(smooth, person, p)
    hypo = (smooth[:, DISSOCIATION] > p.dissociation_edge) | (smooth[:, ACTIVATION] < -person.low_edge)
    hyper = (smooth[:, ACTIVATION] > person.window_edge) & ~hypo
    drowsy = (smooth[:, DROWSINESS] > p.drowsiness_edge) & ~hyper & ~hypo
    felt = _felt(smooth, hyper, hypo, drowsy, p)
    states = np.where(away, np.int8(LatentState.ABSENT), felt)
    observable = ~away & ((felt == LatentState.CALM) | (seen >= p.observable_sd))
    labels = Labels(states, felt, observable, seen, smooth, closeness, ())
    return replace(labels, events=_events(Holding(hyper, hypo, drowsy, away), labels, p))


def edge_closeness(latents: Floats, person: Person, p: Parameters) -> Floats:
    """How near latents (S, 5) are to leaving the window (S,): 0 at rest, 1 at the nearest of its three edges."""
    edges = (
        latents[:, ACTIVATION] / person.window_edge,
        -latents[:, ACTIVATION] / person.low_edge,
        latents[:, DISSOCIATION] / p.dissociation_edge,
    )
    return np.asarray(np.clip(np.maximum.reduce(edges), 0.0, 3.0))


def runs(holds: Bools, valley_s: float, minimum_s: float) -> list[tuple[int, int]]:
    """Stretches [start, end) of at least `minimum_s` whole seconds in which `holds`; those less than `valley_s` apart
    are one."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], holds, [False]]).astype(np.int8)))
    merged: list[tuple[int, int]] = []
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if end - start < minimum_s:
            continue
        if merged and start - merged[-1][1] < valley_s:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged


def _felt(smooth: Floats, hyper: Bools, hypo: Bools, drowsy: Bools, p: Parameters) -> NDArray[np.int8]:
    working = (smooth[:, ACTIVATION] > p.processing_activation) | (smooth[:, VALENCE] < p.processing_valence)
    felt = np.zeros(len(smooth), dtype=np.int8)
    for state, holds in (
        (LatentState.PROCESSING, working),
        (LatentState.DROWSY, drowsy),
        (LatentState.HYPERAROUSAL, hyper),
        (LatentState.HYPOAROUSAL, hypo),
    ):
        felt[holds] = state
    return felt


def _events(holding: Holding, labels: Labels, p: Parameters) -> tuple[Event, ...]:
    found: list[Event] = []
    for kind, holds in (
        (EventKind.HYPER, holding.hyper | holding.hypo),
        (EventKind.DROWSY, holding.drowsy),
        (EventKind.ABSENT, holding.away),
    ):
        for start, end in runs(holds, p.event_valley_s, p.event_minimum_s):
            low = holding.hypo[start:end].sum() > holding.hyper[start:end].sum()
            found.append(_event(EventKind.HYPO if low else kind, start, end, labels, p))
    return tuple(sorted(found, key=lambda event: (event.onset_s, event.kind)))


def _event(kind: EventKind, start: int, end: int, labels: Labels, p: Parameters) -> Event:
    inwardly_awake = float(labels.latents[start:end, ACTIVATION].mean()) > INWARDLY_AWAKE
    exact = EventKind.DISSOCIATION if kind is EventKind.HYPO and inwardly_awake else kind
    crisis = exact in CRISES
    return Event(
        kind=exact,
        onset_s=float(start),
        offset_s=float(end),
        observable=bool(labels.observable[start:end].mean() >= p.observable_share),
        marginal=crisis and bool(labels.closeness[start:end].max() <= 1.0 + p.marginal_share),
        shown=float(np.median(labels.shown[start:end])),
    )
