"""A recording, its truth and the models in; what the service made of it out: one course for the evaluation.

Nothing is scored on tables of features: each `in` line goes through the session's core, the models in their real batch,
the safety monitor and the pause latch, and a therapist resumes some time after each pause.
"""

from dataclasses import replace
from math import ceil
from typing import Any, Final

import msgspec

from emdr_stream.domain import AlertKind, AlertState, Status, Thresholds
from emdr_stream.evaluation.course import MODEL_CAUSES, Course, Pause, Watched, state_number
from emdr_stream.evaluation.labels import Truth
from emdr_stream.recording.reading import Recording
from emdr_stream.recording.replay import Scorer, watch_recording
from emdr_stream.session.effects import Effect, Keep, Raise, Send
from emdr_stream.wire.stream import ControlPause, ControlResume, Ended
from emdr_stream.wire.values import AlertBody, ModelRef

RESUME_AFTER_S: Final = 30.0
"""How long the therapist of an evaluation takes to look, acknowledge and resume."""
_OF_THE_MODELS: Final = frozenset({AlertKind.CRISIS, AlertKind.DISSOCIATION, AlertKind.HIGH_RISK})


def course_of(
    recording: Recording,
    truth: Truth,
    scorer: Scorer,
    *,
    models: tuple[ModelRef, ...] = (),
    thresholds: Thresholds | None = None,
    resume_after_s: float = RESUME_AFTER_S,
) -> Course:
    """Put one recording through the service. `thresholds`: in place of those of its header.

    Raises RecordingError for `settings` of the header that are none.
    """
    if thresholds is not None:
        recording = replace(recording, header=msgspec.structs.replace(recording.header, thresholds=thresholds))
    witness = _Witness(recording.duration_ms)
    watch_recording(recording, scorer, witness.see, models=models, resume_after_s=resume_after_s)
    return witness.course(truth)


class _Witness:
    """Writes down of the effects what the evaluation needs."""

    def __init__(self, duration_ms: int) -> None:
        self._duration_ms = duration_ms
        self._watched = Watched.of_length(ceil(duration_ms / 1_000))
        self._alarms: list[int] = []
        self._model_pauses: list[int] = []
        self._pauses: list[Pause] = []
        self._other_alerts: list[str] = []
        self._paused: tuple[int, str] | None = None
        self._control_epoch = 0

    def see(self, effect: Effect, at_ms: int) -> None:
        """Take notice of what happened at `at_ms`."""
        if isinstance(effect, Send):
            message = effect.message
            if isinstance(message, ControlPause):
                self._pause(message, at_ms)
            elif isinstance(message, (ControlResume, Ended)):
                self._end_pause(at_ms)
        elif isinstance(effect, Keep):
            if effect.kind == "second":
                self._second(effect.fields)
        elif isinstance(effect, Raise):
            self._alert(effect.body, at_ms)

    def course(self, truth: Truth) -> Course:
        """All of it, once the recording is over."""
        self._end_pause(self._duration_ms)
        return Course(
            truth=truth,
            duration_ms=self._duration_ms,
            alarms_ms=tuple(sorted({*self._alarms, *self._model_pauses})),
            pauses_ms=tuple(self._model_pauses),
            pauses=tuple(self._pauses),
            watched=self._watched,
            other_alerts=tuple(self._other_alerts),
        )

    def _pause(self, message: ControlPause, at_ms: int) -> None:
        if message.control_epoch <= self._control_epoch:  # sent again, because nobody has confirmed it
            return
        self._control_epoch = message.control_epoch
        if message.reason in MODEL_CAUSES:
            self._model_pauses.append(at_ms)
        if self._paused is None:
            self._paused = (at_ms, message.reason)

    def _end_pause(self, at_ms: int) -> None:
        if self._paused is not None:
            start_ms, cause = self._paused
            self._pauses.append(Pause(start_ms, max(at_ms, start_ms), cause))
            self._paused = None

    def _alert(self, body: AlertBody, at_ms: int) -> None:
        # Nobody in a replay confirms a pause that the recorded client never had.
        if body.state is not AlertState.RAISED or body.kind is AlertKind.PAUSE_UNCONFIRMED:
            return
        # An advice without a probability is the rule's on rising distress: no model's.
        if body.kind in _OF_THE_MODELS and isinstance(body.probability, float):
            self._alarms.append(at_ms)
        else:
            self._other_alerts.append(body.kind.value)

    def _second(self, fields: dict[str, Any]) -> None:
        watched, at = self._watched, int(fields["at_ms"]) // 1_000
        if at >= len(watched.crisis):
            return
        watched.paused[at] = fields["status"] == Status.PAUSED.value
        if fields["crisis"] is not None:
            watched.crisis[at], watched.risk[at] = fields["crisis"], fields["risk"]
            watched.state[at] = state_number(fields["state"])
