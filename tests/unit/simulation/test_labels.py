"""The rules of the labels, each on paths made by hand; and what of a deviation shows."""

from dataclasses import replace

import numpy as np
import pytest

from emdr_stream.domain import N_SIGNALS
from emdr_stream.simulation import EventKind, LatentState, Parameters, Person, draw_person, draw_sensor
from emdr_stream.simulation.face import show
from emdr_stream.simulation.families import COURSES, Family
from emdr_stream.simulation.labels import Labels, label, runs
from emdr_stream.simulation.observability import shown_deviation
from emdr_stream.simulation.scenario import ACTIVATION, DISSOCIATION, DROWSINESS, build_scenario

P = Parameters()
STEPS = 10


def person(**changes: object) -> Person:
    drawn = draw_person(np.random.default_rng(1), "one", P)
    return replace(drawn, window_edge=0.6, low_edge=0.4, **changes)  # type: ignore[arg-type]


def path_of(*stretches: tuple[float, float, float], seconds: int = 200, latent: int = ACTIVATION) -> np.ndarray:
    """Latents on the grid: `level` from `start` to `end` seconds, 0 elsewhere."""
    latents = np.zeros((seconds * STEPS, 5))
    for start, end, level in stretches:
        latents[round(start * STEPS) : round(end * STEPS), latent] = level
    return latents


def labelled(latents: np.ndarray, shown: float = 5.0, absent: tuple[int, int] = (0, 0)) -> Labels:
    away = np.zeros(len(latents), dtype=bool)
    away[absent[0] * STEPS : absent[1] * STEPS] = True
    return label(person(), latents, np.full(len(latents), shown), away, P)


def test_ten_seconds_beyond_the_window_are_an_event_and_nine_are_not() -> None:
    long, short = (labelled(path_of((50, 50 + length, 1.2))).events for length in (11, 8))
    assert [(event.kind, event.onset_s, event.offset_s) for event in long] == [(EventKind.HYPER, 50.0, 61.0)]
    assert short == ()


def test_a_flicker_of_four_seconds_is_smoothed_away() -> None:
    broken = path_of((50, 70, 1.2), (71, 90, 1.2))
    assert [event.offset_s - event.onset_s for event in labelled(broken).events] == [40.0]
    assert labelled(path_of(*((at, at + 4, 0.65) for at in range(50, 90, 8)))).events == ()


@pytest.mark.parametrize(("gap", "events"), [(15, 1), (30, 2)])
def test_events_less_than_twenty_seconds_apart_are_one(gap: int, events: int) -> None:
    assert len(labelled(path_of((40, 60, 1.0), (60 + gap, 80 + gap, 1.0))).events) == events


def test_short_crossings_do_not_join_into_an_event() -> None:
    holds = np.zeros(160, dtype=bool)
    holds[[*range(10, 18), *range(25, 33), *range(80, 95), *range(100, 112)]] = True
    assert runs(holds, valley_s=20, minimum_s=10) == [(80, 112)]


def test_a_freeze_that_turns_into_a_flood_is_one_event_of_the_longer_kind() -> None:
    latents = path_of((40, 55, 0.8), latent=DISSOCIATION) + path_of((57, 100, 1.1))
    [event] = labelled(latents).events
    assert event.kind is EventKind.HYPER
    assert event.onset_s == pytest.approx(41.0, abs=1.0)


@pytest.mark.parametrize(("level", "marginal"), [(0.62, True), (0.70, False)])
def test_an_event_within_five_percent_of_the_edge_is_marginal(level: float, marginal: bool) -> None:
    assert [event.marginal for event in labelled(path_of((50, 80, level))).events] == [marginal]


@pytest.mark.parametrize(
    ("latent", "level", "kind"),
    [
        (ACTIVATION, -0.6, EventKind.HYPO),
        (DISSOCIATION, 0.8, EventKind.DISSOCIATION),
        (DROWSINESS, 0.8, EventKind.DROWSY),
    ],
)
def test_each_state_makes_events_of_its_own_kind(latent: int, level: float, kind: EventKind) -> None:
    assert [event.kind for event in labelled(path_of((50, 80, level), latent=latent)).events] == [kind]


def test_what_does_not_show_or_happens_out_of_view_is_not_observable() -> None:
    crisis = path_of((50, 80, 1.2))
    assert [event.observable for event in labelled(crisis, shown=P.observable_sd - 0.1).events] == [False]
    assert [event.observable for event in labelled(crisis, shown=P.observable_sd).events] == [True]
    away = labelled(crisis, absent=(50, 70))
    assert [(event.kind, event.observable) for event in away.events if event.kind is EventKind.HYPER] == [
        (EventKind.HYPER, False)
    ]
    assert away.states[60] == LatentState.ABSENT
    assert away.felt[60] == LatentState.HYPERAROUSAL


def shown_by(who: Person, sends_body: bool = False) -> float:
    """Median of what shows in the second half of a strong, lasting activation."""
    rng = np.random.default_rng(3)
    scenario = build_scenario(rng, COURSES[Family.CALM], who, 200.0, P)
    sensor = replace(draw_sensor(rng, P), noise=1.0, sent=np.array([*[True] * 10, *[sends_body] * 3, False]))
    latents = path_of((100, 200, 0.9))
    display = show(rng, who, replace(scenario, occlusions=()), latents, P)
    return float(np.median(shown_deviation(who, latents, display, sensor, P)[150 * STEPS :]))


def test_an_expressive_face_shows_more_than_a_faint_one_and_a_contrary_one_less_than_nothing() -> None:
    clear, faint, contrary = (
        shown_by(person(channel_gain=np.full(10, gain), mask=1.0, liveliness=0.5)) for gain in (1.0, 0.05, -0.5)
    )
    assert clear > 3.0 * P.observable_sd
    assert 0.0 < faint < P.observable_sd
    assert contrary < 0.0


def test_what_the_sensor_does_not_send_does_not_show() -> None:
    restless = person(channel_gain=np.zeros(10), agitation=1.0)
    assert shown_by(restless, sends_body=True) > 1.0
    assert shown_by(restless, sends_body=False) == 0.0


def test_a_hand_before_the_face_hides_what_it_shows() -> None:
    who = person(channel_gain=np.ones(10))
    rng = np.random.default_rng(3)
    scenario = build_scenario(rng, COURSES[Family.CALM], who, 200.0, P)
    latents = path_of((100, 200, 0.9))
    display = show(rng, who, replace(scenario, occlusions=((150.0, 200.0),)), latents, P)
    sensor = replace(draw_sensor(rng, P), sent=np.array([*[True] * 10, *[False] * (N_SIGNALS - 10)]))
    shown = shown_deviation(who, latents, display, sensor, P)
    assert np.median(shown[160 * STEPS :]) < 0.3 * np.median(shown[110 * STEPS : 140 * STEPS])
