"""In: simulated sessions. Out: their truth as `labels.jsonl` has it, and how rare crises are among them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from emdr_stream.evaluation.labels import (
    Event,
    EventKind,
    HardNegative,
    HardNegativeKind,
    Seconds,
    SecondState,
    Sud,
    Truth,
)
from emdr_stream.simulation import labels as inner
from emdr_stream.simulation.labels import Bools, LatentState
from emdr_stream.simulation.parameters import Parameters
from emdr_stream.simulation.person import expressivity_third
from emdr_stream.simulation.session import SimulatedSession

BASELINE_MS: Final = 60_000
"""What is scored begins here: until then the service learns the calm face."""
BOTH_S: Final = 5
"""Seconds on either side of the window that make an event one of both."""
_KINDS: Final[dict[inner.EventKind, EventKind]] = {
    inner.EventKind.HYPER: "hyperarousal",
    inner.EventKind.HYPO: "hypoarousal",
    inner.EventKind.DISSOCIATION: "hypoarousal",
}
_FORMS: Final = {inner.EventKind.HYPO: "flat form; ", inner.EventKind.DISSOCIATION: "frozen form; "}
_STATES: Final[dict[LatentState, SecondState]] = {
    LatentState.CALM: "calm",
    LatentState.PROCESSING: "processing",
    LatentState.DROWSY: "drowsy",
    LatentState.HYPERAROUSAL: "hyperarousal",
    LatentState.HYPOAROUSAL: "hypoarousal",
}
_SUD_DELAY_MS: Final = 3_000


@dataclass(frozen=True, slots=True)
class Prevalence:
    """How rare crises are in `sessions` sessions: events, those that show, marginal ones, and their share of time.

    The share is of the time that is scored: after the baseline.
    """

    sessions: int
    hours: float
    events: int
    observable: int
    marginal: int
    share_of_time: float

    @property
    def events_per_session(self) -> float:
        return self.events / self.sessions if self.sessions else float("nan")

    def __str__(self) -> str:
        return (
            f"{self.events} crises in {self.sessions} sessions ({self.events_per_session:.2f} a session, "
            f"{self.share_of_time:.1%} of {self.hours:.1f} h); {self.observable} observable, {self.marginal} marginal"
        )


def truth_of(session: SimulatedSession, recording: str) -> Truth:
    """The truth of `session`, written to the file `recording`."""
    return Truth(
        recording=recording,
        person=session.person_id,
        family=session.family,
        sensor=session.sensor_profile.name,
        groups=groups_of(session),
        from_ms=BASELINE_MS,
        to_ms=round(session.duration_s * 1_000),
        events=tuple(_event(event, session) for event in session.crises),
        seconds=_seconds(session),
        hard_negatives=_hard_negatives(session),
        sud=_suds(session),
    )


def groups_of(session: SimulatedSession) -> dict[str, str]:
    """What figures are told apart by: who it is, and what the sensor sends."""
    sensor = session.sensor_profile
    return {
        "expressivity": expressivity_third(session.person, Parameters()),
        "person_shift": _yes(session.person.shifted),
        "sensor_shift": _yes(sensor.shifted),
        "body_signals": _yes(sensor.sends_body),
        "heart_rate": _yes(sensor.sends_heart and session.person.has_heart_rate),
        "stop_pressed": _yes(session.stop_press_ms is not None),
    }


def prevalence(sessions: Iterable[SimulatedSession | Truth]) -> Prevalence:
    """How rare crises are among sessions, or among their truths."""
    count = events = observable = marginal = 0
    scored_ms = crisis_ms = 0
    for session in sessions:
        truth = session if isinstance(session, Truth) else truth_of(session, "x")
        count += 1
        events += len(truth.events)
        observable += sum(event.observable for event in truth.events)
        marginal += sum(event.marginal for event in truth.events)
        scored_ms += truth.to_ms - truth.from_ms
        crisis_ms += sum(event.end_ms - event.onset_ms for event in truth.events)
    share = crisis_ms / scored_ms if scored_ms else float("nan")
    return Prevalence(count, scored_ms / 3.6e6, events, observable, marginal, share)


def _event(event: inner.Event, session: SimulatedSession) -> Event:
    seen = f"shows {event.shown:.1f} momentary SD"
    stopped = session.stop_press_ms
    pressed = "; stop pressed" if stopped is not None and event.onset_s <= stopped / 1_000 <= event.offset_s else ""
    felt = session.labels.felt[int(event.onset_s) : int(event.offset_s)]
    both = min((felt == LatentState.HYPERAROUSAL).sum(), (felt == LatentState.HYPOAROUSAL).sum()) >= BOTH_S
    return Event(
        kind=_KINDS[event.kind],
        onset_ms=round(event.onset_s * 1_000),
        end_ms=round(event.offset_s * 1_000),
        observable=event.observable,
        marginal=event.marginal,
        note=f"{_FORMS.get(event.kind, '')}{'above and below the window; ' if both else ''}{seen}{pressed}",
    )


def _seconds(session: SimulatedSession) -> Seconds:
    labels = session.labels
    return Seconds(
        state=tuple(_STATES[LatentState(state)] for state in labels.felt.tolist()),
        observable=tuple(labels.observable.tolist()),
        present=tuple((labels.states != LatentState.ABSENT).tolist()),
    )


def _hard_negatives(session: SimulatedSession) -> tuple[HardNegative, ...]:
    """Strong feelings inside the window, laughter and talk, as far as no crisis is near."""
    found = [_negative("abreaction", start, end) for start, end in session.strong]
    found += [_negative("laughing", start, end) for start, end in _stretches(session.laugh)]
    found += [_negative("talking", start, end) for start, end in _stretches(session.talk)]
    return tuple(
        sorted((one for one in found if not _near_crisis(one, session)), key=lambda one: (one.onset_ms, one.kind))
    )


def _negative(kind: HardNegativeKind, start_s: float, end_s: float) -> HardNegative:
    return HardNegative(kind=kind, onset_ms=round(start_s * 1_000), end_ms=round(end_s * 1_000))


def _near_crisis(negative: HardNegative, session: SimulatedSession) -> bool:
    return any(
        negative.onset_ms < (event.offset_s + 60.0) * 1_000 and negative.end_ms > (event.onset_s - 30.0) * 1_000
        for event in session.crises
    )


def _stretches(holds: Bools) -> list[tuple[int, int]]:
    return inner.runs(holds, valley_s=0.0, minimum_s=1.0)


def _suds(session: SimulatedSession) -> tuple[Sud, ...]:
    end_ms = round(session.duration_s * 1_000)
    told = ((stop + _SUD_DELAY_MS, sud) for (_, stop), sud in zip(session.sets, session.sud, strict=True))
    return tuple(Sud(at_ms=at_ms, value=float(sud)) for at_ms, sud in told if at_ms < end_ms)


def _yes(holds: bool | np.bool_) -> str:
    return "yes" if holds else "no"
