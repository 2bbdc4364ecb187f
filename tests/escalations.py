"""Simulated clients whose crisis is plain to see, cut to seconds: calm for a short baseline, then the escalation.

What a model makes of faint or contrary faces is for its evaluation; here the question is whether a crisis that shows is
carried to everybody. So these people are expressive, wear a heart-rate sensor and have a good camera.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from emdr_stream.domain import N_SIGNALS
from emdr_stream.simulation import (
    CRISES,
    Family,
    Parameters,
    Person,
    SensorProfile,
    SimulatedSession,
    TimedMessage,
    draw_person,
    draw_sensor,
    session_messages,
    simulate_session,
)

Message = dict[str, Any]

RATE_HZ = 10.0
_CALM_FROM_S = 15.0
_LEAD_S = 2.0
_PARAMETERS = Parameters()


def expressive_person(rng: np.random.Generator) -> Person:
    """Somebody in whose face and body activation shows clearly."""
    return replace(
        draw_person(rng, "expressive", _PARAMETERS),
        channel_gain=np.full(10, 1.3),
        liveliness=0.5,
        window_edge=0.6,
        has_heart_rate=True,
        heart_gain=40.0,
    )


def good_camera(rng: np.random.Generator) -> SensorProfile:
    """A camera client that loses nothing."""
    return replace(
        draw_sensor(rng, _PARAMETERS),
        name="camera_fast",
        rate_hz=RATE_HZ,
        smoothness=np.zeros(10),
        scale=1.0,
        drop_share=0.0,
        gaps_per_min=0.0,
        disorder_share=0.0,
        sent=np.ones(N_SIGNALS, dtype=np.bool_),
        reports_absence=True,
    )


def crisis_session(family: Family, seed: int) -> SimulatedSession:
    """A whole session of five minutes with an event of the family."""
    rng = np.random.default_rng([20, seed])
    person, camera = expressive_person(rng), good_camera(rng)
    return simulate_session(rng, family, person=person, sensor=camera, duration_s=300.0)


def escalation(family: Family, seed: int, *, calm_s: float, crisis_s: float) -> Iterator[tuple[int, Message]]:
    """`calm_s` seconds of the session's calm beginning, then `crisis_s` seconds from two before its event on.

    Gives the time to send each message with it, in milliseconds; it and `ts` count from 0. Only samples are given, so
    that nothing but face and body can pause.
    """
    session = crisis_session(family, seed)
    onset_s = next(event.onset_s for event in session.events if event.kind in CRISES)
    calm_from, calm_until = _ms(_CALM_FROM_S), _ms(_CALM_FROM_S + calm_s)
    crisis_from, crisis_until = _ms(onset_s - _LEAD_S), _ms(onset_s - _LEAD_S + crisis_s)
    for timed in session_messages(session):
        if timed.message["type"] != "sample":
            continue
        if calm_from <= timed.at_ms < calm_until:
            yield _moved(timed, calm_from)
        elif crisis_from <= timed.at_ms < crisis_until:
            yield _moved(timed, crisis_from - _ms(calm_s))


def _moved(timed: TimedMessage, by_ms: int) -> tuple[int, Message]:
    at_ms = timed.at_ms - by_ms
    return at_ms, {**timed.message, "ts": at_ms}


def _ms(seconds: float) -> int:
    return round(seconds * 1_000)
