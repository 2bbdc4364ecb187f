"""Steps of alerts in, a session's counts out."""

from emdr_stream.analytics.figures import SessionFigures
from emdr_stream.analytics.rollup import with_alerts
from tests.kept_sessions import DAY0, alert, alerts_of


def test_an_alert_that_rises_before_somebody_takes_it_is_counted_once() -> None:
    begun = SessionFigures("s0", "anna", DAY0, DAY0 + 120_000)
    first, *rest = (entry.payload for entry in alerts_of("s0", "anna"))
    plain = with_alerts(begun, [first, *rest])
    risen = alert("s0", "anna", 2, DAY0 + 83_000).payload
    assert with_alerts(begun, [first, risen, *rest]) == plain
    assert (plain.alerts, plain.kinds, plain.acks) == (2, {"crisis": 1, "signal_lost": 1}, 1)
