"""What a console is told of a session: everything that holds in each live state, and each event with its time."""

from dataclasses import replace

import pytest

from emdr_stream.domain import Phase
from emdr_stream.session.attendance import FORGOTTEN_S, Attendance
from emdr_stream.settings import BaselineSettings
from emdr_stream.wire.stream import Applied, PhaseMark, Rating, SetMark, Stop
from emdr_stream.wire.values import SessionConfig, ThresholdChange
from emdr_stream.wire.watch import (
    AdaptNotice,
    AppliedNotice,
    ConfigSet,
    ControlNotice,
    InterventionNotice,
    PhaseNotice,
    RatingNotice,
    SetNotice,
)
from tests.unit.session.live import CLIENT_CLOCK, SETTINGS, STARTED_TS, Live


def test_the_baseline_grows_sure_and_then_stands_with_the_persons_own_levels() -> None:
    live = Live(replace(SETTINGS, baseline=BaselineSettings(duration_s=6.0)))
    assert live.core.state_message(live.now).baseline.sureness == 0.0
    live.watch_for(3.0)
    half = live.core.state_message(live.now).baseline
    assert 0.4 < half.sureness < 0.6
    assert half.arousal is None
    live.watch_for(3.5)
    stands = live.core.state_message(live.now).baseline
    assert stands.sureness == 1.0
    assert stands.arousal is not None
    assert stands.arousal.mean == pytest.approx(0.1)
    assert stands.arousal.deviation > 0
    assert live.core.summary(live.now).baseline == stands == live.restored().core.state_message(live.now).baseline


def test_a_signal_that_was_never_seen_has_no_level_of_its_own() -> None:
    live = Live()
    level = live.core.perception.baseline
    level.take(tuple(0.2 if i else float("nan") for i in range(14)), 2.0)
    baseline = live.core.state_message(live.now).baseline
    assert baseline.sureness == 1.0
    assert baseline.valence is None


def test_a_state_tells_how_far_the_client_has_confirmed_the_pause() -> None:
    live = Live()
    live.watch_for(0.5)
    assert not live.core.state_message(live.now).pause
    asked = live.now
    live.tell(Stop())
    pause = live.core.state_message(live.now).pause
    assert pause
    assert (pause.reason, pause.resume_requires, pause.received) == ("client_stop", "client", False)
    assert pause.asked_ts == STARTED_TS + asked
    live.now += 40
    live.tell(Applied(control_epoch=1))
    received = live.core.state_message(live.now).pause
    assert received and received.received and not received.stopped_ts
    live.now += 100
    live.tell(Applied(control_epoch=1, stopped_ts=CLIENT_CLOCK + asked + 60))
    rests = live.restored().core.state_message(live.now).pause
    assert rests and rests.stopped_ts == STARTED_TS + asked + 60
    notices = live.told(AppliedNotice)
    assert [notice.ts - STARTED_TS - asked for notice in notices] == [40, 140]
    assert notices[1].stopped_ts == rests.stopped_ts
    live.request_resume()
    assert not live.core.state_message(live.now).pause


@pytest.mark.parametrize("told", [CLIENT_CLOCK + 10_000_000, CLIENT_CLOCK - 10_000_000])
def test_a_stop_that_a_wrong_clock_dates_elsewhere_counts_as_of_when_it_was_told(told: float) -> None:
    live = Live()
    live.watch_for(0.5)
    live.therapist_pauses()
    live.tell(Applied(control_epoch=1, stopped_ts=told))
    pause = live.core.state_message(live.now).pause
    assert pause and pause.stopped_ts == STARTED_TS + live.now


def test_a_second_pause_asks_for_rest_anew() -> None:
    live = Live()
    live.tell(Stop())
    live.confirm()
    live.therapist_pauses()
    pause = live.core.state_message(live.now).pause
    assert pause and (pause.resume_requires, pause.received, bool(pause.stopped_ts)) == ("therapist", False, False)


def test_a_pause_that_nobody_is_there_to_hear_counts_as_received_by_nobody() -> None:
    live = Live()
    live.watch_for(0.5)
    live.disconnect()
    live.therapist_pauses()
    pause = live.core.state_message(live.now).pause
    assert pause and (pause.received, bool(pause.stopped_ts)) == (False, False)
    live.reconnect()
    live.confirm()
    pause = live.core.state_message(live.now).pause
    assert pause and (pause.received, bool(pause.stopped_ts)) == (True, True)
    live.disconnect()
    live.reconnect()
    pause = live.core.state_message(live.now).pause
    assert pause and (pause.received, bool(pause.stopped_ts)) == (False, False), "what is there now must say it anew"


def test_sets_ratings_and_phases_are_told_at_once_with_their_time() -> None:
    live = Live()
    live.now = 1_000
    live.tell(PhaseMark(phase=Phase.DESENSITIZATION))
    live.tell(SetMark(action="start", set_no=1))
    assert live.core.state_message(live.now).set_started_ts == STARTED_TS + 1_000
    live.now = 2_000
    live.therapist_pauses()
    assert not live.core.state_message(live.now).set_started_ts
    live.tell(Rating(scale="sud", value=6))
    ts = STARTED_TS + 2_000
    assert [(n.action, n.set_no, n.ts) for n in live.told(SetNotice)] == [
        ("start", 1, ts - 1_000),
        ("interrupted", 1, ts),
    ]
    assert live.told(RatingNotice) == [RatingNotice(session_id="s1", scale="sud", value=6, ts=ts)]
    assert live.told(PhaseNotice) == [PhaseNotice(session_id="s1", phase=Phase.DESENSITIZATION, ts=ts - 1_000)]
    assert [n.ts for n in live.told(ControlNotice)] == [n.ts for n in live.told(InterventionNotice)] == [ts]


def test_a_wish_that_waits_for_the_sets_end_and_new_thresholds_are_told() -> None:
    live = Live()
    live.tell(SetMark(action="start", set_no=1))
    live.took(
        live.core.command(
            ConfigSet(session_id="s1", config=SessionConfig(speed=1.4), thresholds=ThresholdChange(risk=0.5)),
            "dr",
            live.now,
        )
    )
    state = live.core.state_message(live.now)
    assert state.pending == SessionConfig(speed=1.4)
    assert (state.config.speed, state.thresholds.risk) == (1.0, 0.5)
    live.now = 500
    live.tell(SetMark(action="end", set_no=1))
    state = live.core.state_message(live.now)
    assert (bool(state.pending), state.config.speed) == (False, 1.4)
    assert [n.ts for n in live.told(AdaptNotice)] == [STARTED_TS + 500]


def test_who_attends_is_forgotten_when_they_fall_silent_and_the_many_do_not_pile_up() -> None:
    now = 0.0
    attendance = Attendance(lambda: now)
    assert attendance.present() == ()
    attendance.note("dr.noor")
    attendance.note("dr.abel")
    assert attendance.present() == ("dr.abel", "dr.noor")
    now = FORGOTTEN_S - 1.0
    attendance.note("dr.noor")
    now = FORGOTTEN_S + 1.0
    assert attendance.present() == ("dr.noor",)
    for number in range(100):
        attendance.note(f"dr.{number}")
    assert len(attendance.present()) == 16
