"""The pause latch and the confirmation of control messages."""

import pytest

from emdr_stream.domain import PauseCause, PauseMode, ResumeRequires
from emdr_stream.session.control import PAUSE_RULES, Control
from emdr_stream.session.pacing import NEVER
from emdr_stream.settings import ControlSettings

SETTINGS = ControlSettings()
HARD, EASE, FINISH = PauseMode.HARD, PauseMode.EASE_TO_CENTER, PauseMode.FINISH_PASS
CLIENT, THERAPIST = ResumeRequires.CLIENT, ResumeRequires.THERAPIST


@pytest.mark.parametrize(
    ("cause", "mode", "requires", "severity"),
    [
        ("client_stop", HARD, CLIENT, "high"),
        ("crisis", HARD, THERAPIST, "critical"),
        ("dissociation", EASE, THERAPIST, "high"),
        ("signal_lost", EASE, CLIENT, "medium"),
        ("many_faces", EASE, CLIENT, "medium"),
        ("degraded", EASE, CLIENT, "medium"),
        ("client_disconnected", HARD, CLIENT, "medium"),
        ("therapist", HARD, THERAPIST, None),
    ],
)
def test_causes_pause_as_the_protocol_says(
    cause: str, mode: PauseMode, requires: ResumeRequires, severity: str | None
) -> None:
    rule = PAUSE_RULES[PauseCause(cause)]
    assert (rule.mode, rule.requires, rule.severity) == (mode, requires, severity)
    assert (rule.alert or cause) == cause and (rule.alert is None) is (severity is None)


def test_every_cause_has_a_rule() -> None:
    assert set(PAUSE_RULES) == set(PauseCause)


@pytest.mark.parametrize("first_mode", PauseMode)
@pytest.mark.parametrize("first_requires", ResumeRequires)
@pytest.mark.parametrize("mode", PauseMode)
@pytest.mark.parametrize("requires", ResumeRequires)
def test_a_pause_only_tightens(
    first_mode: PauseMode, first_requires: ResumeRequires, mode: PauseMode, requires: ResumeRequires
) -> None:
    control = Control(SETTINGS)
    assert control.tighten(PauseCause.THERAPIST, first_mode, first_requires)
    changed = control.tighten(PauseCause.CRISIS, mode, requires)
    state = control.state
    stricter = (mode is HARD and first_mode is not HARD) or (requires is THERAPIST and first_requires is CLIENT)
    assert changed is stricter
    assert state.control_epoch == 1 + stricter
    assert state.requires is (THERAPIST if THERAPIST in (requires, first_requires) else CLIENT)
    assert state.mode is (HARD if HARD in (mode, first_mode) else first_mode)
    assert state.reason == (PauseCause.CRISIS if stricter else PauseCause.THERAPIST)


@pytest.mark.parametrize(("mode", "rest_ms"), [(HARD, 1_000), (EASE, 3_000), (FINISH, 2_000 + 1_000)])
def test_each_mode_has_its_own_time_to_come_to_rest(mode: PauseMode, rest_ms: int) -> None:
    control = Control(SETTINGS)
    control.tighten(PauseCause.THERAPIST, mode, THERAPIST)
    control.await_confirmation(10_000, pass_ms=2_000.0)
    assert not control.confirm(1, at_rest=False)
    assert control.next_deadline() == 10_000 + rest_ms
    assert control.due(10_000 + rest_ms - 1) == (False, False)
    assert control.due(10_000 + rest_ms) == (False, True)
    assert control.next_deadline() == NEVER


def test_an_unconfirmed_pause_is_sent_again_and_then_alerted_once() -> None:
    control = Control(SETTINGS)
    control.tighten(PauseCause.CRISIS, HARD, THERAPIST)
    control.await_confirmation(0, pass_ms=1_000.0)
    seen = [(ms, control.due(ms)) for ms in range(0, 4_000, 50)]
    assert [ms for ms, (again, _) in seen if again] == [250, 1_250, 2_250, 3_250]
    assert [ms for ms, (_, overdue) in seen if overdue] == [1_000]


def test_a_confirmation_of_an_older_message_confirms_nothing() -> None:
    control = Control(SETTINGS)
    control.tighten(PauseCause.SIGNAL_LOST, EASE, CLIENT)
    control.tighten(PauseCause.CRISIS, HARD, THERAPIST)
    control.await_confirmation(0, pass_ms=1_000.0)
    assert not control.confirm(1, at_rest=True)
    assert control.state.awaiting_receipt and control.state.awaiting_rest
    assert control.confirm(2, at_rest=True)


def test_a_resume_needs_no_rest_but_a_receipt() -> None:
    control = Control(SETTINGS)
    control.tighten(PauseCause.CLIENT_STOP, HARD, CLIENT)
    control.release()
    control.await_confirmation(0, pass_ms=1_000.0)
    assert control.due(1_000) == (True, False)
    assert control.confirm(2, at_rest=False)
    assert control.next_deadline() == NEVER
