"""The metrics as Prometheus reads them: names, units, bounded labels."""

import math
import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import CollectorRegistry

from emdr_stream.domain import AlertKind, Role, Severity, SignalStatus
from emdr_stream.errors import CloseCode, ErrorCode
from emdr_stream.telemetry.instruments import Buckets
from emdr_stream.telemetry.labels import AuthFailure, Loss, Refusal, ResumeResult, SampleOutcome, Stage
from emdr_stream.telemetry.metrics import Metrics

DESIGNED = [
    "emdr_frame_latency_seconds",
    "emdr_frame_age_seconds",
    "emdr_samples_total",
    "emdr_signal_state",
    "emdr_alerts_total",
    "emdr_alerts_unacknowledged",
    "emdr_alerts_oldest_unacknowledged_seconds",
    "emdr_alert_ack_seconds",
    "emdr_pause_confirm_seconds",
    "emdr_ws_connections",
    "emdr_ws_closes_total",
    "emdr_resumes_total",
    "emdr_watcher_lag_seconds",
    "emdr_event_loop_lag_seconds",
    "emdr_inference_queue_depth",
    "emdr_pubsub_lag_seconds",
    "emdr_store_backlog",
    "emdr_model_info",
    "emdr_build_info",
]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry(), version="1.2.3")


def value(metrics: Metrics, name: str, **labels: str) -> float:
    found = [
        sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    ]
    assert len(found) == 1, f"{name}{labels} appears {len(found)} times"
    return found[0]


def use_everything(metrics: Metrics) -> None:
    metrics.models.in_use([("emotion_safety", "1", "ab" * 32)])
    metrics.models.shadowed(7, 1)
    metrics.models.refused()
    metrics.rest_answered("safety", 200, 0.01)
    metrics.latency_of(Stage.TOTAL)(0.003)
    metrics.age_observer()(0.04)
    metrics.sample(SampleOutcome.LATE)
    metrics.result()
    metrics.conflated()
    metrics.notices_dropped(3)
    metrics.error(ErrorCode.RATE_LIMITED)
    metrics.signal_moved(None, SignalStatus.OK)
    metrics.alert_raised(AlertKind.CRISIS, Severity.CRITICAL)
    metrics.alerts_unacknowledged(2)
    metrics.alert_acknowledged(4.0)
    metrics.pause_confirmed(0.1)
    metrics.connection_opened(Role.CLIENT)
    metrics.connection_closed(Role.CLIENT, CloseCode.NORMAL)
    metrics.resume(ResumeResult.REPLAYED)
    metrics.auth_failed(AuthFailure.ORIGIN)
    metrics.refused(Refusal.PEER)
    metrics.watcher_lag(0.2)
    metrics.event_loop_lag(0.001)
    metrics.pubsub_lag(0.001)
    metrics.inference_queue(3)
    metrics.store_backlog(4)
    metrics.store_rows(5)
    metrics.store_lost(Loss.ROOM, 1)
    metrics.store_spill(spilled=3, read_back=2, size=900, limit=1_000, failures=1)
    metrics.notices_unsent(1)
    metrics.stale_epoch_refusals(1)
    metrics.alert_journal_failed()
    metrics.recordings_failed(1)


def test_every_designed_metric_is_there_from_the_start(metrics: Metrics) -> None:
    metrics.models.in_use([("m", "1", "00")])
    text = metrics.render().decode()
    assert [name for name in DESIGNED if f"\n{name}" not in text] == []


def test_promtool_accepts_the_output(metrics: Metrics) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian package `prometheus`)")
    use_everything(metrics)
    checked = subprocess.run([promtool, "check", "metrics"], input=metrics.render(), capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_no_label_can_hold_a_person_or_a_session(metrics: Metrics) -> None:
    use_everything(metrics)
    labels = {name for line in metrics.render().decode().splitlines() for name in re.findall(r'[{,](\w+)="', line)}
    assert labels == {
        "stage", "outcome", "state", "kind", "severity", "role", "code", "result", "model", "version", "sha256",
        "journal", "reason", "le", "limit", "group", "status", "store",
    }  # fmt: skip


def test_using_a_metric_adds_no_series_besides_those_of_the_models(metrics: Metrics) -> None:
    metrics.models.in_use([("emotion_safety", "1", "ab" * 32)])
    before = metrics.render().count(b"\nemdr_")
    use_everything(metrics)
    assert metrics.render().count(b"\nemdr_") == before


def test_a_histogram_counts_what_is_at_or_below_each_bound(metrics: Metrics) -> None:
    for seconds in (0.0001, 0.0011, 99.0):
        metrics.latency_of(Stage.TOTAL)(seconds)
    name = "emdr_frame_latency_seconds"
    assert value(metrics, f"{name}_bucket", stage="total", le="0.0001") == 1
    assert value(metrics, f"{name}_bucket", stage="total", le="0.0025") == 2
    assert value(metrics, f"{name}_bucket", stage="total", le="+Inf") == 3
    assert value(metrics, f"{name}_count", stage="total") == 3
    assert value(metrics, f"{name}_sum", stage="total") == pytest.approx(99.0012)


@pytest.mark.parametrize(("seconds", "counted"), [(math.nan, 0), (math.inf, 0), (1e6, 0), (-0.5, 1), (-math.inf, 1)])
def test_a_broken_clock_does_not_spoil_the_sum(seconds: float, counted: int) -> None:
    buckets = Buckets((0.1, 1.0))
    buckets.observe(seconds)
    pairs, total = buckets.cumulative()
    assert (pairs[-1], total) == (("+Inf", counted), 0.0)


def test_a_session_is_in_one_signal_state_at_a_time(metrics: Metrics) -> None:
    metrics.signal_moved(None, SignalStatus.OK)
    metrics.signal_moved(SignalStatus.OK, SignalStatus.LOST)
    assert value(metrics, "emdr_signal_state", state="ok") == 0
    assert value(metrics, "emdr_signal_state", state="lost") == 1
    metrics.signal_moved(SignalStatus.LOST, None)
    assert value(metrics, "emdr_signal_state", state="lost") == 0


def test_unacknowledged_alerts_are_summed_over_all_sessions(metrics: Metrics) -> None:
    for change in (1, 1, 0, 1, -1):
        metrics.alerts_unacknowledged(change)
    assert value(metrics, "emdr_alerts_unacknowledged") == 2


def test_close_codes_that_peers_make_up_share_one_label(metrics: Metrics) -> None:
    for code in (3999, 4999, 4408):
        metrics.connection_closed(None, code)
    assert value(metrics, "emdr_ws_closes_total", code="other") == 2
    assert value(metrics, "emdr_ws_closes_total", code="4408") == 1


def test_a_word_outside_a_labels_set_is_refused(metrics: Metrics) -> None:
    with pytest.raises(KeyError):
        metrics.sample("invented")  # type: ignore[arg-type]


def test_two_sets_of_metrics_cannot_share_a_registry() -> None:
    registry = CollectorRegistry()
    Metrics(registry, version="1")
    with pytest.raises(ValueError, match="Duplicated"):
        Metrics(registry, version="1")


SECONDS = st.one_of(st.floats(-1.0, 20.0), st.sampled_from([0.001, 0.01, math.nan, math.inf, 1e9]))


@given(st.lists(SECONDS, max_size=30))
def test_what_is_gathered_counts_as_what_is_observed_one_by_one(seconds: list[float]) -> None:
    bounds = (0.001, 0.01, 0.1, 1.0)
    one_by_one, gathered = Buckets(bounds), Buckets(bounds)
    for each in seconds:
        one_by_one.observe(each)
        gathered.gather(each)
    gathered.fold(at_least=len(seconds) + 1)
    pairs, total = gathered.cumulative()
    assert pairs == one_by_one.cumulative()[0]
    assert total == pytest.approx(one_by_one.cumulative()[1])
