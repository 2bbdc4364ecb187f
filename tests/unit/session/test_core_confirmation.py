"""Confirmation and escalation through the core: a pause is not over when it is sent, nor an alert when it is raised."""

import pytest

from emdr_stream.domain import AlertKind
from emdr_stream.errors import ProtocolError
from emdr_stream.session.effects import PauseConfirmed
from emdr_stream.wire.stream import (
    Applied,
    ControlPause,
    ControlResume,
    Stop,
)
from emdr_stream.wire.values import SessionConfig
from tests.unit.session.live import (
    CALM,
    CLIENT_CLOCK,
    Live,
    facts_of,
)
from tests.unit.session.test_core_causes import cause_crisis

NAN = float("nan")


def resent(live: Live) -> list[int]:
    return [message.control_epoch for message in live.sent(ControlPause)]


def test_an_unconfirmed_pause_is_sent_again_after_250_ms_and_alerted_after_a_second() -> None:
    live = Live()
    live.therapist_pauses()
    live.silence(0.249)
    assert resent(live) == [1]
    live.silence(0.001)
    assert resent(live) == [1, 1]
    live.silence(0.749)
    assert live.raised() == []
    live.silence(0.001)
    assert live.raised() == ["pause_unconfirmed"]


@pytest.mark.parametrize(("mode", "rest_s"), [("hard", 1.0), ("ease_to_center", 3.0), ("finish_pass", 2.0)])
def test_a_pause_that_does_not_come_to_rest_in_its_time_is_alerted(mode: str, rest_s: float) -> None:
    live = Live(facts=facts_of(config=SessionConfig(speed=1.0)))
    live.therapist_pauses(mode=mode)
    live.tell(Applied(control_epoch=1))
    live.silence(rest_s - 0.001)
    assert live.raised() == [] and resent(live) == [1]
    live.silence(0.001)
    assert live.raised() == ["pause_unconfirmed"]
    live.tell(Applied(control_epoch=1, stopped_ts=CLIENT_CLOCK))
    assert live.open_alerts() == []


def test_a_confirmed_pause_is_quiet_and_measured() -> None:
    live = Live()
    live.therapist_pauses()
    live.now = 120
    live.confirm()
    live.silence(1.5)
    assert resent(live) == [1] and live.raised() == []
    assert [effect.seconds for effect in live.effects if isinstance(effect, PauseConfirmed)] == [0.12]


@pytest.mark.parametrize("stopped_ts", [None, NAN, float("inf"), float("-inf")])
def test_a_time_that_is_none_does_not_confirm_the_rest(stopped_ts: float | None) -> None:
    """Missing is missing: NaN in `stopped_ts` must not pass for a stimulus at rest."""
    live = Live()
    live.therapist_pauses()
    live.tell(Applied(control_epoch=1, stopped_ts=stopped_ts))
    live.silence(1.0)
    assert live.raised() == ["pause_unconfirmed"]


@pytest.mark.parametrize("epoch", [2, 10**30, 0, -1])
def test_a_control_epoch_that_was_never_sent_is_refused_and_kept_nowhere(epoch: int) -> None:
    live = Live()
    live.therapist_pauses()
    count = len(live.effects)
    live.tell(Applied(control_epoch=epoch, stopped_ts=CLIENT_CLOCK))
    assert live.errors() == ["invalid_field"] and len(live.effects) == count + 1
    live.silence(1.0)
    assert live.raised() == ["pause_unconfirmed"]


def test_an_old_confirmation_confirms_nothing() -> None:
    live = Live()
    live.tell(Stop())
    live.confirm()
    live.request_resume()
    live.confirm()
    live.therapist_pauses()
    live.tell(Applied(id=9, control_epoch=1, stopped_ts=CLIENT_CLOCK))
    live.silence(1.0)
    assert "pause_unconfirmed" in live.raised()


def test_a_reconnect_has_the_pause_confirmed_anew() -> None:
    live = Live()
    live.therapist_pauses()
    live.confirm()
    live.disconnect()
    live.silence(1.0)
    live.reconnect()
    live.silence(1.0)
    assert live.raised() == ["pause_unconfirmed"]


def test_nobody_has_to_confirm_while_nobody_is_there() -> None:
    live = Live()
    live.therapist_pauses()
    live.disconnect()
    live.silence(4.0)
    assert live.raised() == [] and resent(live) == [1]


def test_an_unconfirmed_resume_is_sent_again_but_not_alerted() -> None:
    live = Live()
    live.tell(Stop())
    live.confirm()
    live.request_resume()
    live.silence(1.4)
    assert len(live.sent(ControlResume)) == 3 and "pause_unconfirmed" not in live.raised()


# escalation -----------------------------------------------------------------------------------------------------------


def test_an_unacknowledged_crisis_escalates_and_an_acknowledged_one_does_not() -> None:
    heard, unheard = Live(), Live()
    for live in (heard, unheard):
        cause_crisis(live)
        live.confirm()
    crisis = heard.alerts(AlertKind.CRISIS)[0]
    heard.took(heard.core.acknowledge(crisis.alert_id, "dr", "with her", heard.now))
    heard.took(heard.core.acknowledge(crisis.alert_id, "other", None, heard.now))
    for live in (heard, unheard):
        live.watch_for(16.0, CALM)
    assert [b.state for b in heard.alerts(AlertKind.CRISIS)] == ["raised", "acknowledged"]
    assert [b.state for b in unheard.alerts(AlertKind.CRISIS)] == ["raised", "escalated"]
    escalated = unheard.alerts(AlertKind.CRISIS)[1]
    assert escalated.ts == escalated.ack_deadline_ts, "at its own time, however late the core was called"
    assert unheard.core.care.monitor.level == "escalate"


def test_an_unknown_alert_cannot_be_acknowledged() -> None:
    live = Live()
    with pytest.raises(ProtocolError, match="alert_id"):
        live.core.acknowledge("s1.a7", "dr", None, 0)
