"""The runner carries out what the core asks for, in virtual time."""

import gc
import weakref

import msgspec

from emdr_stream.domain import AlertState
from emdr_stream.errors import CloseCode
from emdr_stream.settings import SocketSettings
from emdr_stream.store.base import RecordKind
from emdr_stream.wire.stream import Bye, Stop
from emdr_stream.wire.values import AlertBody
from tests.session.world import CALM, CRISIS, STARTED_TS, World, attach, make_runner, sample, stream


def test_each_sample_is_answered_with_its_scores_and_where_the_time_went() -> None:
    world = World()
    runner = make_runner(world)
    wire = attach(runner)
    stream(world, runner, 4)
    results = wire.all("result")
    assert len(results) == 40
    assert results[0]["safety"]["risk_level"] is None
    assert results[-1]["safety"]["risk_level"] == CALM.risk
    assert results[-1]["timing"]["infer_ms"] == 0.2
    assert [result["re"] for result in results] == sorted(result["re"] for result in results)


def test_a_crisis_reaches_the_client_the_alert_log_the_watchers_and_the_records() -> None:
    world = World()
    runner = make_runner(world)
    wire = attach(runner)
    stream(world, runner, 3)
    world.scores = CRISIS
    stream(world, runner, 2)
    pause = wire.all("control.pause")[0]
    assert (pause["reason"], pause["resume_requires"]) == ("crisis", "therapist")
    assert wire.all("intervention")[0]["intervention"]["priority"] == "critical"
    alert = msgspec.json.decode(world.alerts[0].payload, type=AlertBody)
    assert alert.alert_id == pause["alert_id"]
    assert alert.state is AlertState.RAISED
    assert alert.evidence
    assert any(getattr(notice, "action", None) == "pause" for notice in world.notices)
    assert any(r.kind is RecordKind.CONTROL and r.fields["action"] == "pause" for r in world.records)
    assert all(record.ts_ms >= STARTED_TS for record in world.records)


def test_silence_is_noticed_without_any_message() -> None:
    world = World()
    runner = make_runner(world)
    wire = attach(runner)
    stream(world, runner, 1)
    world.pass_s(1.9)
    assert not wire.all("signal")
    world.pass_s(0.2)
    assert [message["status"] for message in wire.all("signal")] == ["stale"]
    world.pass_s(7)
    assert [message["status"] for message in wire.all("signal")] == ["stale", "lost"]
    assert wire.all("control.pause")[0]["reason"] == "signal_lost"


def test_a_heartbeat_is_sent_only_when_nothing_else_was() -> None:
    world = World()
    runner = make_runner(world)
    wire = attach(runner)
    stream(world, runner, 3)
    assert "heartbeat" not in wire.types()
    world.pass_s(1.7)
    assert wire.types().count("heartbeat") == 3


def test_results_may_wait_for_others_and_nothing_else_does() -> None:
    world = World()
    runner = make_runner(world)
    wire = attach(runner)
    stream(world, runner, 3)
    world.pass_s(1.7)
    world.scores = CRISIS
    stream(world, runner, 5)
    assert {"control.pause", "intervention"} <= set(wire.types())
    assert wire.posted == {"result"}
    assert "heartbeat" in wire.types()


def test_a_slow_reader_loses_results_but_no_control_message() -> None:
    world = World()
    runner = make_runner(world)
    wire = attach(runner)
    stream(world, runner, 1)
    before = len(wire.all("result"))
    wire.buffered_bytes = SocketSettings().conflate_bytes + 1
    stream(world, runner, 1)
    assert len(wire.all("result")) == before
    runner.take(Stop(), world.now)
    assert "control.pause" in wire.types()
    assert wire.close_code is None


def test_a_reader_that_cannot_be_told_of_a_pause_is_closed_as_too_slow() -> None:
    world = World()
    runner = make_runner(world)
    wire = attach(runner)
    wire.buffered_bytes = SocketSettings().outbox_bytes + 1
    runner.take(Stop(), world.now)
    assert wire.close_code == CloseCode.TOO_SLOW


def test_a_second_socket_takes_over_and_the_first_says_nothing_more_of_the_session() -> None:
    world = World()
    runner = make_runner(world)
    first = attach(runner)
    stream(world, runner, 1)
    second = attach(runner, last_seq=0)
    assert first.close_code == CloseCode.REPLACED
    assert second.types()[0] == "welcome"
    assert second.sent[0]["snapshot"]["status"] == "paused"
    runner.detach(first)
    assert runner.core.status == "paused"
    runner.detach(second)
    assert runner.core.status == "detached"


def test_live_state_is_published_at_the_rate_that_the_keenest_watcher_wants() -> None:
    world = World()
    runner = make_runner(world)
    attach(runner)
    stream(world, runner, 5)
    idle = sum(type(notice).__name__ == "StateMessage" for notice in world.notices)
    assert 4 <= idle <= 7
    world.notices.clear()
    world.demand.wish("a watcher", {"u1"}, 5.0)
    world.demand.wish("another", {"*"}, 2.0)
    stream(world, runner, 5)
    assert 20 <= sum(type(notice).__name__ == "StateMessage" for notice in world.notices) <= 28
    world.notices.clear()
    world.demand.wish("a watcher", set(), 5.0)
    world.demand.wish("another", set(), 2.0)
    stream(world, runner, 5)
    assert sum(type(notice).__name__ == "StateMessage" for notice in world.notices) <= 7


def test_a_fenced_runner_closes_its_socket_and_neither_commands_nor_records_any_more() -> None:
    world = World()
    runner = make_runner(world)
    wire = attach(runner)
    stream(world, runner, 1)
    runner.fence()
    assert wire.close_code == CloseCode.RESTART
    records, alerts = len(world.records), len(world.alerts)
    world.pass_s(20)
    runner.detach(wire)
    assert (len(world.records), len(world.alerts)) == (records, alerts)


def test_the_session_ends_with_totals_and_its_socket_closes_normally() -> None:
    world = World()
    runner = make_runner(world)
    wire = attach(runner)
    stream(world, runner, 1)
    runner.take(Bye(), world.now)
    assert wire.sent[-1]["type"] == "ended"
    assert wire.sent[-1]["totals"]["samples"] == 10
    assert wire.close_code == CloseCode.NORMAL
    assert runner.over


def test_an_unacknowledged_alert_escalates_after_the_session_is_over() -> None:
    world = World()
    runner = make_runner(world)
    wire = attach(runner)
    stream(world, runner, 1)
    runner.take(Stop(), world.now)
    runner.take(Bye(), world.now)
    runner.detach(wire)
    assert runner.waits_for_acknowledgement
    world.pass_s(31)
    states = [msgspec.json.decode(entry.payload, type=AlertBody).state for entry in world.alerts]
    assert AlertState.ESCALATED in states
    assert not runner.waits_for_acknowledgement


def test_a_model_that_fails_pauses_the_session_and_rules_go_on() -> None:
    world = World()
    runner = make_runner(world)
    wire = attach(runner)
    stream(world, runner, 3)
    world.scores = None
    world.pass_s(0.1)
    runner.take(sample(world), world.now)
    world.answer()
    assert wire.all("control.pause")[0]["reason"] == "degraded"
    assert wire.all("result")[-1]["safety"]["risk_level"] is None


def test_a_runner_has_no_more_attributes_than_python_shares_the_names_of() -> None:
    """CPython: an instance with more than 30 gets a dictionary of its own, in which each name is looked up anew."""
    world = World()
    runner = make_runner(world)
    attach(runner)
    stream(world, runner, 1.0)
    assert len(vars(runner)) <= 30


def test_a_session_that_is_let_go_is_free_at_once_and_without_the_garbage_collector() -> None:
    """A look of the collector at everything holds the loop for a tenth of a second and more."""
    world = World()
    runner = make_runner(world)
    wire = attach(runner)
    stream(world, runner, 3)
    gc.disable()
    try:
        runner.take(Bye(), world.now)
        runner.detach(wire)
        runner.stop()
        world.pass_s(60)
        world.answer()
        innermost = weakref.ref(runner.core.perception.baseline.mean)  # by whom all else is held is in slots
        left = weakref.ref(runner), weakref.ref(runner.core)
        del runner
        assert (*[each() for each in left], innermost() is None) == (None, None, True)
    finally:
        gc.enable()
