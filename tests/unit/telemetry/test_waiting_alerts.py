"""How long the oldest alert waits for a person, of whatever session, as far as one worker can know."""

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import CollectorRegistry

from emdr_stream.domain import AlertKind, AlertState, Severity
from emdr_stream.telemetry.metrics import Metrics
from emdr_stream.telemetry.waiting_alerts import Waiting
from emdr_stream.wire.values import AlertBody

RAISED_TS = 1_795_000_000_000
HIGH, CRITICAL, MEDIUM = Severity.HIGH, Severity.CRITICAL, Severity.MEDIUM


class Worker:
    """One worker's metrics, and the time."""

    def __init__(self) -> None:
        self.now_ms = RAISED_TS
        self.metrics = Metrics(CollectorRegistry(), version="test", wall_ms=lambda: self.now_ms)
        self.waiting = self.metrics.waiting

    def see(
        self,
        severity: Severity,
        state: AlertState = AlertState.RAISED,
        alert_id: str = "s1.a1",
        raised_ts: int = RAISED_TS,
    ) -> None:
        body = AlertBody(
            alert_id=alert_id,
            session_id="s1",
            alert_seq=1,
            kind=AlertKind.CRISIS,
            severity=severity,
            state=state,
            ts=self.now_ms,
            raised_ts=raised_ts,
            evidence=(),
        )
        self.waiting.see(body)

    def pass_s(self, seconds: float) -> None:
        self.now_ms += int(seconds * 1_000)

    def look(self, *alert_ids: str, severity: Severity = HIGH) -> None:
        self.waiting.looked({alert_id: Waiting(severity, RAISED_TS) for alert_id in alert_ids}, self.now_ms)

    def oldest(self) -> dict[str, float]:
        families = text_string_to_metric_families(self.metrics.render().decode())
        samples = [sample for family in families for sample in family.samples]
        name = "emdr_alerts_oldest_unacknowledged_seconds"
        return {sample.labels["severity"]: sample.value for sample in samples if sample.name == name}


def test_only_what_a_person_must_see_waits_each_severity_by_itself() -> None:
    worker = Worker()
    assert worker.oldest() == {"high": 0, "critical": 0}
    worker.see(MEDIUM, alert_id="s1.a1")
    worker.see(CRITICAL, alert_id="s1.a2")
    worker.pass_s(20)
    assert worker.oldest() == {"high": 0, "critical": 20}
    worker.see(CRITICAL, AlertState.ESCALATED, "s1.a2")
    worker.pass_s(20)
    assert worker.oldest() == {"high": 0, "critical": 40}
    for state in (AlertState.ACKNOWLEDGED, AlertState.RESOLVED):
        worker.see(CRITICAL, state, "s1.a2")
        assert worker.oldest() == {"high": 0, "critical": 0}


def test_alerts_that_overlap_and_are_each_acknowledged_soon_never_add_up() -> None:
    worker, oldest = Worker(), 0.0
    for number in range(20):
        worker.see(HIGH, alert_id=f"s{number}.a1", raised_ts=worker.now_ms)
        worker.pass_s(10)
        oldest = max(oldest, worker.oldest()["high"])
        worker.see(HIGH, AlertState.ACKNOWLEDGED, f"s{number - 1}.a1")
    assert oldest == 20


def test_what_the_store_has_is_as_old_as_it_was_when_the_store_was_asked() -> None:
    # Since then somebody may have acknowledged it at another worker.
    worker = Worker()
    worker.pass_s(70)
    worker.look("s9.a1")
    worker.pass_s(500)
    assert worker.oldest()["high"] == 70
    worker.look("s9.a1")
    assert worker.oldest()["high"] == 570
    worker.look()
    assert worker.oldest()["high"] == 0


def test_while_the_store_is_away_the_alerts_of_sessions_that_ended_here_wait_on() -> None:
    worker = Worker()
    worker.see(HIGH)
    worker.pass_s(60)
    worker.waiting.let_go(["s1.a1"], over=True)
    worker.pass_s(3_600)
    assert worker.oldest()["high"] == 3_660


def test_a_look_takes_over_what_ended_here_and_forgets_nothing_that_is_still_on_its_way_to_the_store() -> None:
    worker = Worker()
    worker.see(HIGH)
    worker.pass_s(60)
    worker.waiting.let_go(["s1.a1"], over=True)
    worker.look()
    worker.pass_s(5)
    assert worker.oldest()["high"] == 65, "it may not have been written yet"
    worker.look("s1.a1")
    assert worker.oldest()["high"] == 65
    worker.pass_s(5)
    worker.look()
    assert worker.oldest()["high"] == 0, "somebody has acknowledged it at another worker"


def test_an_alert_that_ended_here_and_was_acknowledged_elsewhere_at_once_ends_with_a_later_look() -> None:
    worker = Worker()
    worker.see(HIGH)
    worker.waiting.let_go(["s1.a1"], over=True)
    worker.pass_s(31)
    worker.look()
    assert worker.oldest()["high"] == 0


def test_a_clock_that_is_behind_gives_no_age_below_zero() -> None:
    worker = Worker()
    worker.pass_s(-30)
    worker.see(HIGH)
    assert worker.oldest()["high"] == 0
