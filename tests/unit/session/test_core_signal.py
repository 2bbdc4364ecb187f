"""Blindness through the core: what is not seen is told, is never shown, and pauses; and it never looks like calm."""

import pytest

from emdr_stream.domain import AlertKind, AlertState, SignalStatus
from emdr_stream.session.effects import Send
from emdr_stream.wire.stream import Result, Sample, Signal
from emdr_stream.wire.values import Dimensions
from tests.unit.session.live import CALM, CLIENT_CLOCK, CRISIS, Live, facts_of, many_faces, neutral_sample
from tests.unit.session.test_core_causes import see_faces

NAN = float("nan")
DIMENSIONS = Dimensions(valence=0.0, arousal=0.1, attention=0.8)


def statuses(live: Live) -> list[str]:
    return [message.status.value for message in live.sent(Signal)]


def test_silence_is_stale_after_two_seconds_and_lost_after_eight() -> None:
    live = Live()
    live.sample()
    live.silence(1.999)
    assert statuses(live) == []
    live.silence(0.001)
    assert [(m.status, m.age_ms) for m in live.sent(Signal)] == [("stale", 2_000)]
    live.silence(5.999)
    assert live.status == "running"
    live.silence(0.001)
    assert statuses(live) == ["stale", "lost"]
    assert live.status == "paused" and live.pauses()[0].reason == "signal_lost"
    assert live.alerts(AlertKind.SIGNAL_LOST)[0].evidence[0].value == 8_000.0


def test_a_client_that_never_showed_itself_is_lost_too() -> None:
    live = Live()
    live.silence(8.0)
    assert live.status == "paused" and live.pauses()[0].reason == "signal_lost"


@pytest.mark.parametrize("kind", ["no_face", "nothing", "nan"])
def test_a_lost_face_is_blindness_however_often_it_is_reported(kind: str) -> None:
    """Pitfall 6: messages that keep coming without a face are no sight of the client."""
    live = Live()
    live.settle()
    for _ in range(90):
        live.now += 100
        if kind == "no_face":
            live.sample(face=False)
        elif kind == "nothing":
            live.tell(Sample(ts=CLIENT_CLOCK + live.now))
        else:
            live.sample(joy=NAN)
            live.tell(Sample(ts=CLIENT_CLOCK + live.now, emotions=None, dimensions=None, signals=None))
    if kind == "nan":
        assert statuses(live) == [] or "lost" not in statuses(live), "dimensions were still seen"
        return
    assert live.status == "paused" and live.pauses()[0].reason == "signal_lost"
    assert all(result.dimensions.valence is None for result in live.results()[-80:])


def test_results_never_show_a_lost_face() -> None:
    """Pitfall 6: the last good sample was sent for ever."""
    live = Live()
    live.settle()
    assert live.results()[-1].dimensions.attention is not None
    live.now += 200
    live.sample(face=False)
    blind = live.results()[-1]
    assert blind.emotions.joy is None and blind.dimensions.valence is None
    assert blind.safety.risk_level is None and blind.state.label == "unknown" and blind.predicted_changes is None


def test_watchers_are_not_shown_a_lost_face_either() -> None:
    live = Live()
    live.settle()
    seen = live.core.state_message(live.now)
    assert seen.dimensions.attention is not None and seen.safety.risk_level is not None
    live.silence(10.0)
    blind = live.core.state_message(live.now)
    assert blind.dimensions.attention is None and blind.emotions.joy is None
    assert blind.safety.risk_level is None and blind.signal.status == "lost" and blind.ts > seen.ts


def test_a_face_that_is_back_ends_the_alert_but_not_the_pause() -> None:
    live = Live()
    live.settle()
    live.silence(8.0)
    live.confirm()
    live.watch_for(1.0)
    assert statuses(live)[-1] == "ok" and live.status == "paused"
    assert live.alerts(AlertKind.SIGNAL_LOST)[-1].state is AlertState.RESOLVED


@pytest.mark.parametrize("blind_s", [3.0, 9.0])
def test_silence_after_a_recovery_is_noticed_again(blind_s: float) -> None:
    """The next deadline moved closer when the signal came back: it must not be forgotten."""
    live = Live()
    live.sample()
    live.silence(blind_s)
    live.now += 100
    live.sample()
    count = len(live.sent(Signal))
    assert live.core.wake_ms <= live.now + 2_000
    live.silence(2.0)
    assert statuses(live)[count - 1 :] == ["ok", "stale"]


def test_who_resumes_blind_is_paused_again_after_eight_seconds() -> None:
    live = Live()
    live.silence(8.0)
    live.confirm()
    live.request_resume()
    live.confirm()
    live.silence(7.999)
    assert live.status == "running"
    live.silence(0.001)
    assert live.status == "paused"


def test_a_reconnect_alone_is_not_a_sight_of_the_client() -> None:
    """Waiting for the first sample is not seeing: no `ok`, and the alert stays."""
    live = Live()
    live.sample()
    live.silence(8.0)
    live.disconnect()
    live.silence(1.0)
    live.reconnect()
    live.silence(5.0)
    assert statuses(live) == ["stale", "lost"] and "signal_lost" in live.open_alerts()
    live.now += 100
    live.sample()
    assert statuses(live)[-1] == "ok" and "signal_lost" not in live.open_alerts()


def test_many_faces_pause_after_a_second_and_are_over_with_one() -> None:
    live = Live()
    see_faces(live, 2, 0.9)
    assert live.status == "running"
    see_faces(live, 2, 0.5)
    assert live.status == "paused" and live.raised() == ["many_faces"]
    see_faces(live, 1, 0.1)
    assert live.open_alerts() == [] and live.status == "paused"


def test_a_face_in_passing_pauses_nothing() -> None:
    live = Live()
    for _ in range(10):
        see_faces(live, 2, 0.5)
        see_faces(live, 1, 0.5)
    assert live.status == "running" and live.raised() == []


def test_a_face_count_of_seconds_ago_neither_begins_nor_ends_anything() -> None:
    live = Live()
    see_faces(live, 2, 1.5)
    live.core._seeing.observe(many_faces(CLIENT_CLOCK + live.now - 3_000, 1), None, live.now)
    live.took(live.core.advance(live.now))
    assert live.open_alerts() == ["many_faces"]


def test_many_faces_that_are_gone_after_a_reconnect_end_their_alert() -> None:
    live = Live()
    see_faces(live, 2, 1.5)
    live.disconnect()
    live.reconnect()
    see_faces(live, 1, 0.1)
    assert live.open_alerts() == []


def test_who_resumes_with_a_second_face_in_the_picture_is_paused_again() -> None:
    live = Live()
    see_faces(live, 2, 1.5)
    live.confirm()
    live.request_resume()
    see_faces(live, 2, 8.2)
    assert live.status == "paused" and len({p.control_epoch for p in live.pauses()}) == 2


def test_a_rare_signal_is_degraded_and_pauses_nothing() -> None:
    live = Live()
    live.watch_for(20.0, every_ms=1_000)
    assert statuses(live)[-1] == "degraded" and live.status == "running"
    live.watch_for(10.0)
    assert statuses(live)[-1] == "ok"


@pytest.mark.parametrize("jump_ms", [3_600_000.0, -3_600_000.0, 8e14])
def test_a_client_clock_that_jumps_is_followed(jump_ms: float) -> None:
    live = Live()
    live.settle()
    for _ in range(20):
        live.now += 100
        live.sample()
    for _ in range(40):
        live.now += 100
        live.tell(Sample(ts=CLIENT_CLOCK + jump_ms + live.now, dimensions=DIMENSIONS))
    assert live.status == "running" and live.core.perception.sight.age_ms(live.now) < 300


@pytest.mark.parametrize("ts", [NAN, float("inf"), float("-inf"), 1e300, -1e300, 8.7e15])
def test_a_time_that_is_none_is_refused(ts: float) -> None:
    live = Live()
    live.tell(Sample(id=4, ts=ts, dimensions=DIMENSIONS))
    assert live.errors() == ["invalid_field"]
    live.settle()


@pytest.mark.parametrize("first", [8.64e15, -8.64e15])
def test_times_at_the_end_of_the_range_break_nothing(first: float) -> None:
    live = Live()
    for ts in (first, -first, first, *[-first] * 7, CLIENT_CLOCK, CLIENT_CLOCK + 50):
        live.now += 100
        live.tell(Sample(ts=ts, dimensions=DIMENSIONS))
    live.silence(10.0)
    assert live.errors() == []


def test_samples_are_counted_by_what_became_of_them() -> None:
    live = Live()
    live.watch_for(5.0)
    for late_ms, sent in ((0, 1), (150, 2), (2_500, 1)):
        for _ in range(sent):
            live.tell(Sample(ts=CLIENT_CLOCK + live.now - late_ms, dimensions=DIMENSIONS))
    tally = live.core.care.state.tally
    assert (tally.samples, tally.duplicates, tally.too_late) == (54, 2, 1)


def test_results_are_conflated_to_their_rate_and_name_the_newest_sample() -> None:
    live = Live(facts=facts_of(result_rate_hz=2.0))
    for number in range(100):
        live.now += 20
        live.sample(re=number)
    results = live.results()
    assert 4 <= len(results) <= 6
    live.silence(0.6)
    assert live.results()[-1].re == 99, "the newest sample is answered, without another one to push it"


def test_a_slow_result_rate_does_not_slow_the_analysis_down() -> None:
    live = Live(facts=facts_of(result_rate_hz=0.2))
    live.settle()
    live.watch_for(2.5, CRISIS)
    assert live.status == "paused"


def test_an_answer_names_its_own_sample_after_a_reconnect() -> None:
    live = Live(facts=facts_of(result_rate_hz=1.0))
    live.now = 10
    live.sample(re=1)
    live.now = 20
    live.sample(re=2)
    live.disconnect()
    out = live.reconnect() + live.silence(3.0)
    assert not [e for e in out if isinstance(e, Send) and isinstance(e.message, Result)]


def test_calm_results_do_not_warn() -> None:
    live = Live()
    live.settle()
    live.watch_for(5.0, CALM)
    last = live.results()[-1]
    assert last.safety.warning_signs == () and last.recommendations == () and not last.safety.should_pause_session
    assert last.signal.status == "ok" and 0.0 <= (last.signal.quality or 0.0) <= 1.0


def test_a_burst_of_samples_from_seconds_ago_is_no_live_view() -> None:
    # The status took a sample's own age; that it gets this age, and not the time of arrival, no test had asked.
    live = Live()
    live.watch_for(8.0)
    newest = live.now
    live.silence(4.0)
    for n in range(1, 11):
        live.tell(neutral_sample(CLIENT_CLOCK + newest + 100 * n))
    assert live.sent(Signal)[-1].status is SignalStatus.STALE
    live.watch_for(0.5)
    assert live.sent(Signal)[-1].status is SignalStatus.OK


def test_a_client_whose_samples_come_three_seconds_late_is_told_as_stale_and_still_judged() -> None:
    # Seeing late is better than not seeing: a crisis pauses three seconds after it, and nobody takes the view for live.
    live = Live()
    live.settle()
    late_ms = 3_000
    live.silence(late_ms / 1_000)
    live.scores = CRISIS
    for _ in range(60):
        live.now += 100
        live.tell(neutral_sample(CLIENT_CLOCK + live.now - late_ms))
    assert live.sent(Signal)[-1].status is SignalStatus.STALE
    assert {pause.reason for pause in live.pauses()} == {"crisis"}
    shown = [result for result in live.sent(Result) if result.safety.crisis_probability is not None][-1]
    assert shown.signal.status is SignalStatus.STALE and (shown.signal.age_ms or 0) >= 2_000
