"""What a session counts: each number that an operator sees comes from something that happened."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from emdr_stream.domain import Source
from emdr_stream.session.core import SessionCore
from emdr_stream.session.facts import SessionFacts
from emdr_stream.session.runner import SessionRunner
from emdr_stream.wire.stream import Applied, Morphcast, Sample, Stop
from emdr_stream.wire.values import Dimensions
from tests.session.world import STARTED_TS, World, attach, make_runner, stream


def value(world: World, name: str, **labels: str) -> float:
    families = text_string_to_metric_families(world.metrics.render().decode())
    found = [s.value for family in families for s in family.samples if s.name == name and s.labels == labels]
    assert len(found) == 1, f"{name}{labels} appears {len(found)} times"
    return found[0]


def running() -> tuple[World, SessionRunner]:
    world = World()
    runner = make_runner(world)
    attach(runner)
    return world, runner


def test_results_are_counted_with_their_age_and_where_their_time_went() -> None:
    world, runner = running()
    stream(world, runner, 5)
    results = value(world, "emdr_results_total")
    assert results > 30
    assert value(world, "emdr_frame_age_seconds_count") == results
    assert value(world, "emdr_frame_latency_seconds_count", stage="total") > 10


def test_a_run_of_the_models_counts_for_each_of_its_rows() -> None:
    world = World()
    world.metrics.models_ran(5, 0.002, 0.0005)
    for stage, seconds in (("queue", 0.01), ("infer", 0.0025)):
        assert value(world, "emdr_frame_latency_seconds_count", stage=stage) == 5
        assert value(world, "emdr_frame_latency_seconds_sum", stage=stage) == pytest.approx(seconds)


def test_a_session_is_in_a_signal_state_from_its_first_socket_to_its_end() -> None:
    world, runner = running()
    assert value(world, "emdr_signal_state", state="ok") == 1
    world.pass_s(3.0)
    assert (value(world, "emdr_signal_state", state="ok"), value(world, "emdr_signal_state", state="stale")) == (0, 1)
    runner.stop()
    assert value(world, "emdr_signal_state", state="stale") == 0


def test_alerts_wait_until_somebody_acknowledges_them() -> None:
    world = World()
    runners = [make_runner(world), make_runner(world)]
    for runner in runners:
        attach(runner)
        runner.take(Stop(), world.now)
    assert value(world, "emdr_alerts_unacknowledged") == 2
    [alert_id] = runners[0].core.care.alerts.state.open
    runners[0].acknowledge(alert_id, "therapist-1", None)
    assert value(world, "emdr_alerts_unacknowledged") == 1
    assert value(world, "emdr_alert_ack_seconds_count") == 1
    runners[1].stop()
    assert value(world, "emdr_alerts_unacknowledged") == 0


def oldest(world: World, severity: str = "high") -> float:
    return value(world, "emdr_alerts_oldest_unacknowledged_seconds", severity=severity)


def test_the_oldest_alert_waits_from_its_raising_until_somebody_acknowledges_it() -> None:
    world, runner = running()
    assert (oldest(world), oldest(world, "critical")) == (0, 0)
    runner.take(Stop(), world.now)
    runner.take(Applied(control_epoch=1, stopped_ts=1.0), world.now)
    world.pass_s(12)
    assert (oldest(world), oldest(world, "critical")) == (12, 0)
    runner.acknowledge("s1.a1", "therapist-1", None)
    world.pass_s(1)
    assert oldest(world) == 0


def test_an_alert_waits_on_when_its_session_has_ended_and_was_forgotten() -> None:
    # A client pressed stop, lost the connection and never came back: with the session's end, 62 s later, the gauge
    # that the operator's rule read went to 0, before the rule's two minutes were over. Nobody was ever called.
    world, runner = running()
    assert runner.socket is not None
    runner.take(Stop(), world.now)
    runner.detach(runner.socket)
    world.pass_s(61)
    assert runner.over and not runner.waits_for_acknowledgement
    runner.stop()
    assert value(world, "emdr_alerts_unacknowledged") == 0
    world.pass_s(59)
    assert oldest(world) == pytest.approx(120, abs=0.1)
    world.metrics.waiting.acknowledged("s1.a1")
    assert oldest(world) == 0


def test_an_alert_of_a_session_that_another_worker_took_is_that_workers() -> None:
    world, runner = running()
    runner.take(Stop(), world.now)
    world.pass_s(5)
    runner.fence()
    assert oldest(world) == 0


def test_a_confirmed_pause_is_measured() -> None:
    world, runner = running()
    runner.take(Stop(), world.now)
    world.now += 0.2
    runner.take(Applied(control_epoch=1, stopped_ts=1.0), world.now)
    assert value(world, "emdr_pause_confirm_seconds_count") == 1
    assert value(world, "emdr_pause_confirm_seconds_sum") == pytest.approx(0.2)


def test_each_sample_is_counted_once_also_when_it_is_refused() -> None:
    world, runner = running()
    runner.take(Sample(ts=STARTED_TS, dimensions=Dimensions(valence=0.0, arousal=0.0, attention=0.5)), world.now)
    runner.take(Sample(ts=STARTED_TS, dimensions=Dimensions(valence=7.0)), world.now)
    runner.take(Morphcast(ts=STARTED_TS, events=[]), world.now)
    assert value(world, "emdr_samples_total", outcome="accepted") == 1
    assert value(world, "emdr_samples_total", outcome="malformed") == 2


def test_a_message_that_says_nothing_of_the_client_is_empty() -> None:
    world = World()
    facts = SessionFacts(session_id="s1", user="u1", source=Source.MORPHCAST, started_ts=STARTED_TS)
    runner = SessionRunner(SessionCore(facts, world.around.session), world.around, world.now)
    attach(runner)
    runner.take(Morphcast(ts=STARTED_TS, events=[]), world.now)
    assert value(world, "emdr_samples_total", outcome="empty") == 1
