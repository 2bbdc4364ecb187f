"""The lives of alerts: raised, acknowledged, escalated, resolved."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emdr_stream.domain import AlertKind, AlertState, Severity
from emdr_stream.session.alerts import AlertBook
from emdr_stream.session.pacing import NEVER
from emdr_stream.settings import ControlSettings
from emdr_stream.wire.values import AlertBody

STARTED = 1_700_000_000_000


def book() -> AlertBook:
    return AlertBook("s1", STARTED, ControlSettings())


def raised(alerts: AlertBook, kind: AlertKind = AlertKind.CRISIS, severity: Severity = Severity.CRITICAL) -> str:
    body = alerts.raise_alert(kind, severity, 1_000, ())
    assert body is not None
    return body.alert_id


@pytest.mark.parametrize(
    ("severity", "wait_ms"), [("low", None), ("medium", None), ("high", 30_000), ("critical", 15_000)]
)
def test_high_and_critical_alerts_have_a_deadline(severity: str, wait_ms: int | None) -> None:
    alerts = book()
    body = alerts.raise_alert(AlertKind.CRISIS, Severity(severity), 1_000, ())
    assert body is not None and body.ts == body.raised_ts == STARTED + 1_000
    if wait_ms is None:
        assert alerts.next_deadline() == NEVER and not isinstance(body.ack_deadline_ts, int)
    else:
        assert body.ack_deadline_ts == STARTED + 1_000 + wait_ms
        assert not alerts.escalate_due(1_000 + wait_ms - 1)
        (escalated,) = alerts.escalate_due(1_000 + wait_ms)
        assert escalated.state is AlertState.ESCALATED and escalated.alert_id == body.alert_id
        assert not alerts.escalate_due(1_000_000)


def test_one_alert_of_a_kind_is_open_at_a_time() -> None:
    alerts = book()
    raised(alerts)
    assert alerts.raise_alert(AlertKind.CRISIS, Severity.CRITICAL, 2_000, ()) is None
    assert alerts.raise_alert(AlertKind.DISSOCIATION, Severity.HIGH, 2_000, ()) is not None


def more_urgent(alerts: AlertBook, at_ms: int) -> AlertBody | None:
    return alerts.raise_alert(
        AlertKind.CRISIS, Severity.CRITICAL, at_ms, (), probability=0.9, threshold=0.8, again=True
    )


def test_what_rises_before_anybody_has_dealt_with_it_is_the_same_alert_raised_once_more() -> None:
    alerts = book()
    first = alerts.raise_alert(AlertKind.CRISIS, Severity.CRITICAL, 0, (), probability=0.75, threshold=0.7)
    risen = more_urgent(alerts, 3_000)
    assert first is not None and risen is not None
    assert (first.is_new, risen.is_new) == (True, False)
    assert (risen.alert_id, risen.alert_seq, risen.state) == (first.alert_id, first.alert_seq + 1, AlertState.RAISED)
    assert (risen.probability, risen.threshold) == (0.9, 0.8)
    assert (risen.raised_ts, risen.ack_deadline_ts) == (first.raised_ts, first.ack_deadline_ts)
    assert more_urgent(alerts, 3_100) is None, "once"
    assert alerts.state.count == 1
    (escalated,) = alerts.escalate_due(15_000)
    assert (escalated.alert_id, escalated.probability) == (first.alert_id, 0.9)


@pytest.mark.parametrize("dealt_with", ["acknowledged", "escalated", "taken over"])
def test_what_rises_after_somebody_was_told_to_act_is_a_new_alert_with_a_deadline_of_its_own(dealt_with: str) -> None:
    alerts = book()
    first = alerts.raise_alert(AlertKind.CRISIS, Severity.CRITICAL, 0, (), threshold=0.7)
    assert first is not None
    if dealt_with == "acknowledged":
        alerts.acknowledge(first.alert_id, "dr", None, 1_000)
    elif dealt_with == "escalated":
        alerts.escalate_due(15_000)
    else:  # what the former owner told in its last moments is unknown: the alert may be resolved
        alerts.begin_block(2)
    risen = more_urgent(alerts, 16_000)
    assert risen is not None and risen.is_new and risen.alert_id != first.alert_id
    assert alerts.next_deadline() == (31_000 if dealt_with != "taken over" else 15_000)
    assert more_urgent(alerts, 16_100) is None


def test_a_stop_pressed_after_a_takeover_is_told_although_one_of_the_former_owner_seems_open() -> None:
    """The one before was resolved, and consoles saw it; that step died with the owner, and its raising was kept."""
    before = book()
    first = raised(before, AlertKind.CLIENT_STOP, Severity.HIGH)
    taken_over = AlertBook("s1", STARTED, ControlSettings(), before.state)
    taken_over.begin_block(2)
    second = raised(taken_over, AlertKind.CLIENT_STOP, Severity.HIGH)
    assert second != first
    assert taken_over.raise_alert(AlertKind.CLIENT_STOP, Severity.HIGH, 3_000, ()) is None
    assert {closed.alert_id for closed in taken_over.resolve(AlertKind.CLIENT_STOP, 4_000)} == {first, second}


def test_a_condition_that_goes_on_over_a_takeover_is_not_told_twice() -> None:
    before = book()
    raised(before, AlertKind.SIGNAL_LOST, Severity.HIGH)
    taken_over = AlertBook("s1", STARTED, ControlSettings(), before.state)
    taken_over.begin_block(2)
    assert taken_over.raise_alert(AlertKind.SIGNAL_LOST, Severity.HIGH, 3_000, ()) is None


def test_the_first_acknowledgement_wins_and_silences() -> None:
    alerts = book()
    alert_id = raised(alerts)
    first = alerts.acknowledge(alert_id, "dr a", "with her", 2_000)
    assert first is not None and (first.by, first.note, first.state) == ("dr a", "with her", AlertState.ACKNOWLEDGED)
    assert alerts.acknowledge(alert_id, "dr b", None, 3_000) is None
    assert alerts.state.open[alert_id].by == "dr a"
    assert not alerts.escalate_due(1_000_000)


def test_an_escalated_alert_can_still_be_acknowledged() -> None:
    alerts = book()
    alert_id = raised(alerts)
    alerts.escalate_due(16_000)
    assert alerts.acknowledge(alert_id, "dr", None, 17_000) is not None


def test_an_acknowledgement_of_a_resolved_alert_is_no_error_and_changes_nothing() -> None:
    alerts = book()
    alert_id = raised(alerts)
    alerts.resolve(AlertKind.CRISIS, 2_000)
    assert alerts.knows(alert_id) and alerts.acknowledge(alert_id, "dr", None, 3_000) is None
    assert not alerts.knows("s1.a99")


def test_resolved_alerts_are_forgotten_in_the_end() -> None:
    alerts = book()
    for _ in range(1_000):
        raised(alerts)
        alerts.resolve(AlertKind.CRISIS, 2_000)
    assert len(alerts.state.closed) <= 256 and not alerts.state.open and not alerts.state.deadlines_ms


def test_the_end_closes_only_what_nobody_must_still_see() -> None:
    alerts = book()
    seen = raised(alerts)
    alerts.acknowledge(seen, "dr", None, 2_000)
    more_urgent = alerts.raise_alert(AlertKind.CRISIS, Severity.CRITICAL, 3_000, (), threshold=0.8, again=True)
    assert more_urgent is not None
    lost = raised(alerts, AlertKind.SIGNAL_LOST, Severity.MEDIUM)
    closed = alerts.close_seen(4_000)
    assert {body.alert_id for body in closed} == {seen, lost}
    assert list(alerts.state.open) == [more_urgent.alert_id]


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from(["raise", "ack", "resolve", "escalate"]), st.sampled_from(list(AlertKind)))))
def test_steps_are_numbered_without_a_gap(steps: list[tuple[str, AlertKind]]) -> None:
    alerts, seen, ms = book(), [], 0
    for what, kind in steps:
        ms += 7_000
        if what == "raise":
            body = alerts.raise_alert(kind, Severity.HIGH, ms, ())
            seen += [body] if body else []
        elif what == "resolve":
            seen += alerts.resolve(kind, ms)
        elif what == "escalate":
            seen += alerts.escalate_due(ms)
        elif (known := alerts.find(kind)) is not None:
            body = alerts.acknowledge(known.alert_id, "dr", None, ms)
            seen += [body] if body else []
    assert [body.alert_seq for body in seen] == list(range(1, len(seen) + 1))
    assert [body.ts for body in seen] == sorted(body.ts for body in seen)
