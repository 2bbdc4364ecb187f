"""What an alert gives for its reasons: signals that stand out against the person's own baseline, and no others."""

from dataclasses import replace

import numpy as np

from emdr_stream.domain import N_SIGNALS, SIGNALS, Observation
from emdr_stream.pipeline.perception import Perception
from emdr_stream.session.facts import ViewState
from emdr_stream.session.reporting import Signs
from emdr_stream.settings import BaselineSettings, SessionSettings
from emdr_stream.wire.values import Evidence

SETTINGS = replace(SessionSettings(), baseline=BaselineSettings(duration_s=20.0))
CALM_MS = 30_000


def seen(then: dict[str, float], for_ms: int = 8_000) -> Perception:
    """Half a minute about 0.4 in all signals, then `for_ms` with some of them elsewhere."""
    rng, perception = np.random.default_rng(1), Perception(SETTINGS)
    for ms in range(0, CALM_MS + for_ms, 100):
        values = 0.4 + rng.normal(0.0, 0.02, N_SIGNALS)
        if ms >= CALM_MS:
            for name, value in then.items():
                values[SIGNALS.index(name)] = value
        perception.observe(Observation(ms, tuple(values.tolist()), True), ms, True)
    return perception


def evidence(perception: Perception) -> dict[str, Evidence]:
    return {piece.signal: piece for piece in Signs(ViewState()).evidence(perception)}


def test_only_what_stands_out_is_evidence_the_furthest_first() -> None:
    found = evidence(seen({"arousal": 0.9, "valence": -0.6}))
    assert [*found] == ["valence", "arousal"]
    valence = found["valence"]
    assert valence.value is not None and valence.value < -0.5
    assert isinstance(valence.baseline, float) and abs(valence.baseline - 0.4) < 0.05


def test_never_more_than_three() -> None:
    assert len(evidence(seen({"arousal": 0.9, "valence": -0.6, "fear": 0.9, "attention": -0.4}))) == 3


def test_an_alert_has_one_reason_at_least() -> None:
    assert len(evidence(seen({}))) == 1
