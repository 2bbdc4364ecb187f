"""Pauses and alerts in, acknowledgements and resumes out: a therapist who always takes the same time."""

from emdr_stream.domain import AlertState
from emdr_stream.session.effects import Effect, Raise, Send
from emdr_stream.session.pacing import NEVER
from emdr_stream.wire.stream import ControlPause, ControlResume, Ended


class PatientTherapist:
    """Acknowledges and resumes `delay_ms` after each pause; a stricter pause begins the time anew."""

    def __init__(self, delay_ms: int) -> None:
        self._delay_ms = delay_ms
        self._pause_epoch = 0
        self._open: dict[str, None] = {}
        self.due_ms = NEVER
        """Session time of the next act."""

    def see(self, effect: Effect, at_ms: int) -> None:
        """Take notice of what happened at `at_ms`."""
        if isinstance(effect, Raise):
            if effect.body.state in (AlertState.RAISED, AlertState.ESCALATED):
                self._open[effect.body.alert_id] = None
            else:
                self._open.pop(effect.body.alert_id, None)
        elif isinstance(effect, Send):
            message = effect.message
            if isinstance(message, ControlPause):
                if self.due_ms == NEVER or message.control_epoch > self._pause_epoch:
                    self.due_ms = at_ms + self._delay_ms
                self._pause_epoch = message.control_epoch
            elif isinstance(message, (ControlResume, Ended)):
                self.due_ms = NEVER

    def take_alerts(self) -> list[str]:
        """The alerts to acknowledge now; a refused act is tried again when the pause is told again."""
        self.due_ms = NEVER
        alerts, self._open = list(self._open), {}
        return alerts
