"""In: latents, person and scenario. Out: what truly happened: state and visibility per second, and events."""

from dataclasses import dataclass
from enum import IntEnum, StrEnum

import numpy as np
from numpy.typing import NDArray

from emdr_stream.simulation.dynamics import Floats, centred_mean
from emdr_stream.simulation.face import Display
from emdr_stream.simulation.parameters import Parameters
from emdr_stream.simulation.person import FACE_CHANNELS, Person
from emdr_stream.simulation.scenario import ACTIVATION, DISSOCIATION, DROWSINESS, VALENCE

Bools = NDArray[np.bool_]
EVIDENT = 1.5  # standard deviations of the momentary noise that the shown change must reach to be observable


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
    """At least ten seconds outside the window (or asleep, or away); `observable` if most of it shows."""

    kind: EventKind
    onset_s: float
    offset_s: float
    observable: bool


@dataclass(frozen=True, slots=True)
class Labels:
    """Truth per second: `states` (S,) of `LatentState`, `observable` (S,), smoothed `latents` (S, 5) and events."""

    states: NDArray[np.int8]
    observable: Bools
    latents: Floats
    events: tuple[Event, ...]


def label(
    person: Person, latents: Floats, display: Display, absent: Bools, sends_body: bool, parameters: Parameters
) -> Labels:
    """Truth for latents (n, 5) on the grid; the number of seconds is that of the whole seconds in it."""
    p = parameters
    per_second = round(1.0 / p.step_s)
    smooth = centred_mean(latents, p.smoothing_s * per_second)[per_second // 2 :: per_second]
    away = absent[: len(smooth) * per_second].reshape(-1, per_second).mean(axis=1) > 0.5
    hypo = (smooth[:, DISSOCIATION] > p.dissociation_edge) | (smooth[:, ACTIVATION] < -person.low_edge)
    hyper = (smooth[:, ACTIVATION] > person.window_edge) & ~hypo
    drowsy = (smooth[:, DROWSINESS] > p.drowsiness_edge) & ~hyper & ~hypo
    working = (smooth[:, ACTIVATION] > p.processing_activation) | (smooth[:, VALENCE] < p.processing_valence)
    states = np.zeros(len(smooth), dtype=np.int8)
    for state, holds in (
        (LatentState.PROCESSING, working),
        (LatentState.DROWSY, drowsy),
        (LatentState.HYPERAROUSAL, hyper),
        (LatentState.HYPOAROUSAL, hypo),
        (LatentState.ABSENT, away),
    ):
        states[holds] = state
    evident = _evident(display, sends_body, p)[per_second // 2 :: per_second][: len(smooth)]
    observable = ~away & ((states == LatentState.CALM) | evident)
    events = _events(hyper, hypo, drowsy, away, smooth, observable, p)
    return Labels(states, observable, smooth, events)


def _evident(display: Display, sends_body: bool, p: Parameters) -> Bools:
    """Whether the change that the latents make to face or body stands out of the momentary noise (n,)."""
    noise = np.array([*p.noise_sd, *([p.noise_logit_sd] * 7)])
    shown = np.abs(display.evident[:, :FACE_CHANNELS] / noise).max(axis=1) > EVIDENT
    if sends_body:
        moved = np.abs(np.log(np.maximum(display.motion_evident, 1e-3))) > 0.5 * EVIDENT
        shown |= moved | (np.abs(np.log(np.maximum(display.blinks_evident, 1e-3))) > 0.5 * EVIDENT)
    return np.asarray(shown)


def _events(
    hyper: Bools, hypo: Bools, drowsy: Bools, away: Bools, smooth: Floats, observable: Bools, p: Parameters
) -> tuple[Event, ...]:
    found: list[Event] = []
    for kind, holds in (
        (EventKind.HYPER, hyper),
        (EventKind.HYPO, hypo),
        (EventKind.DROWSY, drowsy),
        (EventKind.ABSENT, away),
    ):
        for start, end in runs(holds, p.event_valley_s, p.event_minimum_s):
            inwardly_awake = float(smooth[start:end, ACTIVATION].mean()) > -0.15
            exact = EventKind.DISSOCIATION if kind is EventKind.HYPO and inwardly_awake else kind
            found.append(Event(exact, float(start), float(end), bool(observable[start:end].mean() > 0.5)))
    return tuple(sorted(found, key=lambda event: (event.onset_s, event.kind)))


def runs(holds: Bools, valley_s: float, minimum_s: float) -> list[tuple[int, int]]:
    """Stretches [start, end) of whole seconds in which `holds`, gaps below `valley_s` closed, short ones left out."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], holds, [False]]).astype(np.int8)))
    merged: list[tuple[int, int]] = []
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if merged and start - merged[-1][1] < valley_s:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return [(start, end) for start, end in merged if end - start >= minimum_s]
