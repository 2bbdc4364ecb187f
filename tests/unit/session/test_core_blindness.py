"""What looks like a live view and is none: a heart rate without a face, a clock that stands still."""

from emdr_stream.domain import StateLabel
from emdr_stream.wire.stream import ControlPause, Result, Sample, Signal
from emdr_stream.wire.values import BodySignals
from tests.unit.session.live import CALM, CLIENT_CLOCK, Live, neutral_sample


def pulse(live: Live) -> Sample:
    """What a wrist tells, whatever the camera sees."""
    return Sample(ts=CLIENT_CLOCK + live.now, signals=BodySignals(heart_rate=70.0))


def pulse_for(live: Live, seconds: float) -> None:
    for _ in range(round(seconds * 5)):
        live.silence(0.2)
        live.tell(pulse(live))


def test_a_heart_rate_alone_is_no_sight_of_the_client() -> None:
    live = Live()
    pulse_for(live, 10.0)
    assert [signal.status for signal in live.sent(Signal)] == ["stale", "lost"]
    assert {pause.reason for pause in live.sent(ControlPause)} == {"signal_lost"}
    assert not live.core.perception.baseline.ready


def test_a_face_that_is_gone_is_not_called_calm_for_a_heart_that_beats() -> None:
    live = Live()
    live.settle()
    live.watch_for(3.0)
    assert live.sent(Result)[-1].state.label is StateLabel.CALM
    live.scores = CALM
    pulse_for(live, 10.0)
    last = live.sent(Result)[-1]
    assert last.state.label is StateLabel.UNKNOWN and last.signal.status == "lost"
    assert live.sent(ControlPause)[-1].reason == "signal_lost"


def test_a_heart_rate_between_looks_at_the_face_changes_nothing_of_what_is_seen() -> None:
    live = Live()
    live.settle()
    for _ in range(50):
        live.watch_for(0.1)
        live.now += 20
        live.tell(pulse(live))
    assert live.sent(Signal) == [] and live.sent(ControlPause) == []
    assert live.sent(Result)[-1].state.label is StateLabel.CALM


def test_samples_of_a_clock_that_stands_still_are_no_live_view() -> None:
    live = Live()
    for _ in range(100):
        live.silence(0.1)
        live.tell(neutral_sample(CLIENT_CLOCK))
    assert [signal.status for signal in live.sent(Signal)] == ["stale", "lost"]
    assert {pause.reason for pause in live.sent(ControlPause)} == {"signal_lost"}
