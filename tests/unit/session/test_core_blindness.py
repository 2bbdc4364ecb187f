"""What looks like a live view and is none: a heart rate without a face, a clock that stands still. And the reverse."""

import pytest

from emdr_stream.domain import Scores, Source, StateLabel
from emdr_stream.session.effects import Analyse
from emdr_stream.wire.face import Expression, FaceProblem, FaceView, HeadPose
from emdr_stream.wire.stream import ControlPause, Observed, Result, Sample, Signal, Skipped
from emdr_stream.wire.values import BodySignals
from tests.unit.session.live import CALM, CLIENT_CLOCK, CRISIS, RISKY, WORST, Live, facts_of, neutral_sample

FACE = FaceView(
    faces=1,
    quality=0.9,
    expression=Expression(emotions=(0.05, 0.05, 0.05, 0.05, 0.05, 0.05, 0.7), valence=0.1, arousal=-0.1),
    eye_closure=0.1,
    pose=HeadPose(yaw=0.0, pitch=0.0, roll=0.0),
)
BLURRED = FaceView(faces=1, quality=0.0, problem=FaceProblem.BLURRED)


def pulse(live: Live) -> Sample:
    """What a wrist tells, whatever the camera sees."""
    return Sample(ts=CLIENT_CLOCK + live.now, signals=BodySignals(heart_rate=70.0))


def asks(live: Live) -> list[Analyse]:
    return [effect for effect in live.effects if isinstance(effect, Analyse)]


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


@pytest.mark.parametrize("scores", [CRISIS, WORST])
@pytest.mark.parametrize("told", [True, False])
def test_no_model_judges_a_heart_rate_without_a_face(scores: Scores, told: bool) -> None:
    # Rows went out with the sums of the last face in them, which no model was trained on: they paused as a crisis.
    live = Live()
    live.settle()
    if told:
        live.now += 100
        live.sample(face=False)
    else:
        live.silence(2.0)
    asked = len(asks(live))
    live.scores = scores
    pulse_for(live, 10.0)
    assert {pause.reason for pause in live.sent(ControlPause)} == {"signal_lost"} and len(asks(live)) == asked
    live.watch_for(2.5, scores)
    assert live.sent(ControlPause)[-1].reason == "crisis", "who is seen again is judged again"


def test_a_calm_heart_ends_no_advice_while_the_face_is_gone() -> None:
    live = Live()
    live.settle()
    live.watch_for(4.0, RISKY)
    live.now += 100
    live.sample(face=False)
    live.scores = CALM
    pulse_for(live, 15.0)
    assert "high_risk" in live.open_alerts()


def test_between_rare_looks_at_the_face_the_heart_is_judged_beside_it() -> None:
    live = Live()
    live.settle()
    live.scores = CRISIS
    for number in range(25):
        live.now += 100
        live.tell(pulse(live)) if number % 10 else live.sample()
    assert [pause.reason for pause in live.sent(ControlPause)][:1] == ["crisis"]


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


def look(live: Live, number: int, face: FaceView, delay_ms: int) -> None:
    """A picture that had come `delay_ms` before it was looked at to the end."""
    live.tell(Observed(id=number, ts=CLIENT_CLOCK + live.now - delay_ms, face=face, delay_ms=delay_ms))


@pytest.mark.parametrize("delay_ms", [20, 100, 190])
def test_every_other_picture_blurred_loses_nobody(delay_ms: int) -> None:
    # A camera as fast as its worker: a picture is taken while the one before is looked at. A blurred one let time pass
    # up to when it was heard, so the good one after it was `stale`; none was seen for eight seconds, and it paused.
    live = Live(facts=facts_of(Source.FRAME))
    for number in range(150):
        live.now += 100
        look(live, number, BLURRED if number > 30 and number % 2 else FACE, delay_ms)
    assert live.status == "running" and live.sent(Skipped) == [] and live.sent(Signal) == []
    assert len(live.results()) == 150


def test_an_old_report_of_a_lost_face_hides_nobody_who_was_seen_since() -> None:
    live = Live()
    live.settle()
    for late_ms in (50, 1_500, 2_500):
        live.tell(neutral_sample(CLIENT_CLOCK + live.now - late_ms, face=False))
    live.watch_for(0.1)
    assert live.sent(Result)[-1].dimensions.valence is not None and live.core.state_message(live.now).emotions.joy
    assert live.core.care.state.tally.too_late == 1
    live.now += 20
    live.tell(neutral_sample(CLIENT_CLOCK + live.now, face=False))
    assert live.core.state_message(live.now).emotions.joy is None


def test_a_picture_that_is_passed_over_leaves_what_was_said_of_the_one_before() -> None:
    live = Live(facts=facts_of(Source.FRAME))
    for number in range(30):
        live.now += 100
        look(live, number, FACE, 0)
    live.now += 100
    look(live, 30, BLURRED, 0)
    blurred_ms = live.now
    live.silence(1.5)
    # Its clock says that it is newer, and its arrival that it cannot be.
    live.tell(Observed(id=31, ts=CLIENT_CLOCK + blurred_ms + 5, face=FACE, delay_ms=live.now - blurred_ms + 200))
    assert [skipped.reason for skipped in live.sent(Skipped)] == ["stale"]
    assert live.core.state_message(live.now).signal.reason == "blurred"
    live.silence(0.5)
    assert live.core.state_message(live.now).signal.reason != "blurred"
