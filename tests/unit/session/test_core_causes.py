"""The causes of pauses through the core: the second table of the protocol, and what may end a pause."""

from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest
from msgspec import UNSET

from emdr_stream.domain import AlertKind, AlertState, Scores
from emdr_stream.session.seeing import Seeing
from emdr_stream.settings import SessionSettings
from emdr_stream.wire.stream import (
    InterventionMessage,
    Stop,
    Welcome,
)
from emdr_stream.wire.values import Dimensions, ModelRef
from tests.unit.session.live import (
    CALM,
    CLIENT_CLOCK,
    CRISIS,
    NUMB,
    RISKY,
    SETTINGS,
    WORST,
    Live,
    facts_of,
    many_faces,
    neutral_sample,
)

NAN = float("nan")


def see_faces(live: Live, faces: int, seconds: float) -> None:
    """The part that sees, as a source that counts faces would feed it."""
    seeing: Seeing = live.core._seeing
    until = live.now + seconds * 1_000
    while live.now < until:
        live.now += 100
        seeing.observe(many_faces(CLIENT_CLOCK + live.now, faces), None, live.now)
        live.took(live.core.advance(live.now))


def cause_crisis(live: Live) -> None:
    live.settle()
    live.watch_for(3.0, CRISIS)


def cause_dissociation(live: Live) -> None:
    live.settle()
    live.watch_for(7.0, NUMB)


def cause_silence(live: Live) -> None:
    live.sample()
    live.silence(8.0)


def cause_model_failure(live: Live) -> None:
    live.settle()
    live.watch_for(0.1, Scores((NAN, 0, 0, 0, 0), NAN, 0.0, (0.0, 0.0, 0.0)))


CAUSES: dict[str, tuple[Callable[[Live], object], str, str, str | None]] = {
    "client_stop": (lambda live: live.tell(Stop()), "hard", "client", "high"),
    "crisis": (cause_crisis, "hard", "therapist", "critical"),
    "dissociation": (cause_dissociation, "ease_to_center", "therapist", "high"),
    "signal_lost": (cause_silence, "ease_to_center", "client", "medium"),
    "many_faces": (lambda live: see_faces(live, 2, 1.5), "ease_to_center", "client", "medium"),
    "degraded": (cause_model_failure, "ease_to_center", "client", "medium"),
    "therapist": (lambda live: live.therapist_pauses(), "hard", "therapist", None),
}


@pytest.mark.parametrize("reason", CAUSES)
def test_each_cause_pauses_as_the_table_says(reason: str) -> None:
    act, mode, requires, severity = CAUSES[reason]
    live = Live()
    act(live)
    pause = live.pauses()[0]
    assert (pause.reason, pause.mode, pause.resume_requires) == (reason, mode, requires)
    assert len({p.control_epoch for p in live.pauses()}) == 1
    assert [(b.kind, b.severity) for b in live.alerts(state=AlertState.RAISED)[:1]] == (
        [(reason, severity)] if severity else []
    )
    assert len(live.sent(InterventionMessage)) == 1
    assert live.status == "paused"


@pytest.mark.parametrize("face", [None, True])
def test_no_cause_fires_on_a_calm_neutral_stream(face: bool | None) -> None:
    """Pitfall 2: a calm neutral face raised a high alert and a pause each second."""
    live = Live()
    live.watch_for(60.0, every_ms=200, face=face)
    assert live.raised() == [] and live.pauses() == [] and live.status == "running"


@pytest.mark.parametrize("by", ["client", "therapist"])
def test_good_samples_never_end_a_pause(by: str) -> None:
    live = Live()
    live.settle()
    live.tell(Stop()) if by == "client" else live.therapist_pauses()
    live.confirm()
    live.watch_for(60.0, CALM, every_ms=1_000)
    assert live.status == "paused" and not live.resumes()


def test_a_crisis_above_the_higher_threshold_comes_with_an_immediate_intervention() -> None:
    live = Live()
    live.settle()
    live.watch_for(2.0, WORST)
    (word,) = live.sent(InterventionMessage)
    assert word.intervention.priority == "critical"
    assert live.alerts(AlertKind.CRISIS)[0].threshold == 0.8


def test_a_crisis_that_rises_while_paused_is_told_again_as_more_urgent() -> None:
    live = Live()
    cause_crisis(live)
    live.watch_for(3.0, WORST)
    first, risen = live.alerts(AlertKind.CRISIS, AlertState.RAISED)
    assert (first.threshold, risen.threshold) == (0.7, 0.8)
    assert risen.alert_id == first.alert_id, "one crisis wants one acknowledgement"
    assert {pause.alert_id for pause in live.pauses()} == {first.alert_id}
    assert [m.intervention.priority for m in live.sent(InterventionMessage)] == ["high", "critical"]
    assert len({p.control_epoch for p in live.pauses()}) == 1
    for _ in range(20):
        live.watch_for(2.0, CALM)
        live.watch_for(2.0, WORST)
    assert len(live.alerts(AlertKind.CRISIS, AlertState.RAISED)) == 2, "not again and again"


def test_rising_arousal_alone_is_no_cause() -> None:
    live = Live()
    live.settle()
    for step in range(200):
        live.now += 100
        moved = Dimensions(valence=-0.2, arousal=min(1.0, 0.1 + step / 100), attention=0.8)
        live.tell(msgspec.structs.replace(neutral_sample(CLIENT_CLOCK + live.now), dimensions=moved))
    assert live.status == "running" and not live.raised()


def test_high_risk_advises_and_does_not_pause() -> None:
    live = Live()
    live.settle()
    live.watch_for(5.0, RISKY)
    assert live.status == "running" and not live.pauses()
    assert live.raised() == ["high_risk"] and len(live.sent(InterventionMessage)) == 1
    live.watch_for(30.0, CALM)
    assert live.open_alerts() == []


def test_what_is_known_is_not_repeated_after_a_resume_but_a_rise_is() -> None:
    live = Live()
    cause_crisis(live)
    live.therapist_resumes()
    live.watch_for(20.0, CRISIS)
    assert live.status == "running" and len(live.alerts(AlertKind.CRISIS, AlertState.RAISED)) == 1
    live.watch_for(2.0, WORST)
    assert live.status == "paused" and len(live.alerts(AlertKind.CRISIS, AlertState.RAISED)) == 2


def test_a_crisis_that_lasts_longer_than_the_refractory_time_pauses_again() -> None:
    live = Live()
    cause_crisis(live)
    live.therapist_resumes()
    live.watch_for(64.0, CRISIS)
    assert live.status == "paused"


# models and stores ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        Scores((1.0, 0, 0, 0, 0), NAN, 0.0, (0.0, 0.0, 0.0)),
        Scores((1.0, 0, 0, 0, 0), 0.0, float("inf"), (0.0, 0.0, 0.0)),
        Scores((float("inf"), float("-inf"), 0, 0, 0), 0.0, 0.0, (0.0, 0.0, 0.0)),
        Scores((1.0, 0, 0, 0, 0), 0.0, 0.0, (NAN, 0.0, 0.0)),
        Scores((1.0, 0, 0, 0, 0), -1.0, 1.7, (0.0, 0.0, 0.0)),
    ],
)
def test_scores_that_are_none_pause_once_and_are_never_shown(bad: Scores) -> None:
    live = Live()
    live.settle()
    live.watch_for(3.0, bad)
    assert [pause.reason for pause in live.pauses()][:1] == ["degraded"]
    assert live.raised().count("degraded") == 1
    assert live.results()[-1].safety.risk_level is None and live.results()[-1].state.label == "unknown"
    live.confirm()
    live.request_resume()
    live.watch_for(3.0, bad)
    assert live.status == "running", "who resumed chose to go on with rules alone"
    live.watch_for(1.0, CALM)
    assert live.open_alerts() == []


def test_a_missed_deadline_is_a_failure_and_a_late_answer_is_ignored() -> None:
    live = Live()
    live.settle()
    live.scores = None
    live.now += 100
    live.sample()
    live.silence(1.0)
    assert live.status == "paused" and live.pauses()[0].reason == "degraded"
    count = len(live.effects)
    assert not live.took(live.core.scored(live.core._view.ticket, CRISIS, live.now))
    assert not live.took(live.core.model_failed(live.core._view.ticket, live.now))
    assert len(live.effects) == count


def test_scores_for_somebody_who_has_left_are_ignored() -> None:
    live = Live()
    live.settle()
    live.scores = None
    live.now += 100
    live.sample()
    live.disconnect()
    ticket = live.core._view.ticket
    assert live.core.scored(ticket, WORST, live.now) == [] and live.core.model_failed(ticket, live.now) == []
    assert live.core.care.control.state.control_epoch == 0


def test_a_store_that_is_away_is_told_and_does_not_pause() -> None:
    live = Live()
    for store in ("redis", "postgres"):
        live.took(live.core.store_changed(store, False, 0))
    assert live.raised() == ["degraded"] and live.status == "running"
    live.took(live.core.store_changed("redis", True, 0))
    assert live.open_alerts() == ["degraded"]
    live.took(live.core.store_changed("postgres", True, 0))
    assert live.open_alerts() == []


def test_in_the_calm_minute_only_rules_act() -> None:
    live = Live(replace(SETTINGS, baseline=SessionSettings().baseline))
    live.watch_for(50.0, WORST, every_ms=200)
    assert {result.state.label for result in live.results()} == {"unknown"}
    assert live.status == "running" and live.raised() == []
    live.tell(Stop())
    assert live.status == "paused"
    live.request_resume()
    live.watch_for(15.0, WORST)
    assert live.pauses()[-1].reason == "crisis"


def test_the_model_is_named_in_the_welcome_and_in_each_alert_that_it_caused() -> None:
    model = ModelRef(name="emotion_safety", version="7", sha256="ab" * 32)
    live = Live(facts=facts_of(models=(model,)))
    live.tell(Stop())
    live.request_resume()
    cause_crisis(live)
    assert live.sent(Welcome)[0].models == (model,)
    assert [body.model for body in live.alerts(AlertKind.CRISIS, AlertState.RAISED)] == [model]
    # What a person did is no model's word.
    assert [body.model for body in live.alerts(AlertKind.CLIENT_STOP, AlertState.RAISED)] == [UNSET]
