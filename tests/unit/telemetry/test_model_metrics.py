"""What `/metrics` says of the models: who is in use, and drift only where enough was seen."""

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import CollectorRegistry

from emdr_stream.telemetry.metrics import Metrics


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry(), version="1.2.3")


def samples(metrics: Metrics, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
        if sample.name == name
    }


def test_the_versions_in_use_are_told_and_those_before_are_not(metrics: Metrics) -> None:
    metrics.models.in_use([("emotion_safety", "1", "aa")])
    metrics.models.in_use([("emotion_safety", "2", "bb")])
    assert samples(metrics, "emdr_model_info") == {
        (("model", "emotion_safety"), ("sha256", "bb"), ("version", "2")): 1.0
    }


def test_drift_has_no_sample_before_enough_was_seen_and_none_without_a_reference(metrics: Metrics) -> None:
    model = (("model", "emotion_safety"),)
    metrics.models.drift("emotion_safety", outputs=None, inputs=None, limits=(0.25, 0.3), sessions=4.0)
    assert samples(metrics, "emdr_prediction_drift") == samples(metrics, "emdr_input_drift") == {}
    assert samples(metrics, "emdr_drift_sessions") == {model: 4.0}
    metrics.models.drift("emotion_safety", outputs=0.4, inputs=0.1, limits=(0.25, 0.3), sessions=31.0)
    assert samples(metrics, "emdr_prediction_drift") == {model: 0.4}
    assert samples(metrics, "emdr_input_drift") == {model: 0.1}
    assert samples(metrics, "emdr_drift_limit") == {(*model, ("of", "outputs")): 0.25, (*model, ("of", "inputs")): 0.3}
    metrics.models.drift_unknown()
    assert samples(metrics, "emdr_prediction_drift") == samples(metrics, "emdr_drift_sessions") == {}


def test_a_shadows_rows_and_refused_versions_are_counted(metrics: Metrics) -> None:
    metrics.models.shadowed(100, 3)
    metrics.models.refused()
    counts = [samples(metrics, f"emdr_{name}_total") for name in ("shadow_rows", "shadow_failures", "model_refusals")]
    assert counts == [{(): 100.0}, {(): 3.0}, {(): 1.0}]
