"""What a session is counted under goes in, changes of the worker's gauges come out; all is taken back at its end,
but for what a person must still see."""

from typing import Final

from emdr_stream.domain import SignalStatus
from emdr_stream.pipeline.perception import Intake
from emdr_stream.telemetry.labels import SampleOutcome, Stage
from emdr_stream.telemetry.metrics import Metrics
from emdr_stream.telemetry.waiting_alerts import UNSEEN
from emdr_stream.wire.values import AlertBody

OUTCOMES: Final = {
    Intake.ACCEPTED: SampleOutcome.ACCEPTED,
    Intake.LATE: SampleOutcome.LATE,
    Intake.TOO_LATE: SampleOutcome.TOO_LATE,
    Intake.DUPLICATE: SampleOutcome.DUPLICATE,
    Intake.UNUSABLE: SampleOutcome.UNUSABLE,
}
"""How `emdr_samples_total` names what became of an observation."""


class Gauges:
    """One session's part: its signal, its alerts that nobody has acknowledged, and what is counted a message."""

    __slots__ = ("_metrics", "_signal", "_unacknowledged", "age", "latency", "results", "samples")

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._signal: SignalStatus | None = None
        self._unacknowledged: set[str] = set()
        # Looked up once: these are needed for each message.
        self.samples = metrics.samples
        self.results = metrics.results
        self.latency = metrics.latency_of(Stage.TOTAL)
        self.age = metrics.age_observer()

    def see_signal(self, status: SignalStatus | None) -> None:
        """The signal has this status now; None when the session is over."""
        if status is not self._signal:
            self._metrics.signal_moved(self._signal, status)
            self._signal = status

    def see_alert(self, body: AlertBody) -> None:
        before = len(self._unacknowledged)
        if body.state in UNSEEN:
            self._unacknowledged.add(body.alert_id)
        else:
            self._unacknowledged.discard(body.alert_id)
        self._metrics.alerts_unacknowledged(len(self._unacknowledged) - before)
        self._metrics.waiting.see(body)

    def clear(self, *, over: bool) -> None:
        """The session does no longer live here. `over`: it lives nowhere, and what nobody has seen waits on."""
        self.see_signal(None)
        self._metrics.alerts_unacknowledged(-len(self._unacknowledged))
        self._metrics.waiting.let_go(self._unacknowledged, over=over)
        self._unacknowledged.clear()
