"""Messages of the client and commands of its watchers in; what they do to the session out, or why it cannot be done."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from emdr_stream.domain import REPROCESSING_PHASES, Observation, PauseCause, Phase, ResumeRequires, Source, Status
from emdr_stream.errors import ErrorCode, ProtocolError
from emdr_stream.pipeline.decode import check_time, decode_sample
from emdr_stream.pipeline.face import FaceSignals
from emdr_stream.pipeline.morphcast import MorphcastAdapter
from emdr_stream.pipeline.perception import Intake
from emdr_stream.session import denials
from emdr_stream.session.care import Care
from emdr_stream.session.effects import Send
from emdr_stream.session.facts import apply_thresholds
from emdr_stream.session.judging import Judging
from emdr_stream.session.seeing import Seeing
from emdr_stream.wire.face import FaceProblem
from emdr_stream.wire.orders import Intervene, Order, ReportAlert
from emdr_stream.wire.stream import (
    Applied,
    Bye,
    Done,
    Frame,
    Heard,
    Landmarks,
    Morphcast,
    Observed,
    PhaseMark,
    Rating,
    ResumeRequest,
    Sample,
    SetMark,
    Stop,
)
from emdr_stream.wire.values import Id, ThresholdChange
from emdr_stream.wire.watch import (
    ConfigSet,
    EndCommand,
    PauseCommand,
    PhaseNotice,
    RatingNotice,
    ResumeCommand,
    ResumeRequested,
)

_FACES: Final = (Source.FRAME, Source.LANDMARKS)
_SCALES: Final = {"sud": (0.0, 10.0), "voc": (1.0, 7.0)}
_INFINITY: Final = float("inf")


class Hearing:
    """Listens for one session. `last_intake`: what became of the newest observation."""

    __slots__ = (
        "_care",
        "_face",
        "_facts",
        "_judging",
        "_ledger",
        "_morphcast",
        "_require_readiness",
        "_seeing",
        "_state",
        "last_intake",
    )

    def __init__(self, care: Care, seeing: Seeing, judging: Judging, require_readiness: bool) -> None:
        self.last_intake: Intake | None = None
        self._care = care
        self._facts = care.facts
        self._ledger = care.ledger
        self._state = care.state
        self._seeing = seeing
        self._judging = judging
        self._require_readiness = require_readiness
        self._morphcast = MorphcastAdapter()
        self._face = FaceSignals() if self._facts.source in _FACES else None

    def begin_anew(self) -> None:
        """Another socket is there: what the time before it had shown in part is forgotten."""
        if self._face is not None:
            self._face.forget()

    def hear(self, message: Heard, at_ms: int) -> None:
        """Do what a client's message asks. Raises ProtocolError when it cannot be done."""
        handler = _HANDLERS.get(type(message))
        if handler is None:
            raise ProtocolError(ErrorCode.BAD_MESSAGE, "this message is not expected here")
        handler(self, message, at_ms)

    # messages of the client ---------------------------------------------------------------------------------------

    def _on_sample(self, message: Sample, at_ms: int) -> None:
        if self._facts.source is not Source.EMOTION:
            raise _wrong_source(self._facts.source)
        observation = decode_sample(message)
        if self._state.status is not Status.DETACHED:  # as in `_observe`, without the call: each sample comes here
            self.last_intake = self._seeing.observe(observation, message.id, at_ms)

    def _on_morphcast(self, message: Morphcast, at_ms: int) -> None:
        if self._facts.source is not Source.MORPHCAST:
            raise _wrong_source(self._facts.source)
        check_time(message.ts)
        observation = self._morphcast.feed(message)
        if observation is not None:
            self._observe(observation, message.id, at_ms)

    def _observe(self, observation: Observation, re: Id | None, at_ms: int) -> None:
        """What a socket that is gone had sent is not looked at."""
        if self._state.status is not Status.DETACHED:
            self.last_intake = self._seeing.observe(observation, re, at_ms)

    def _on_observed(self, message: Observed, at_ms: int) -> None:
        view = message.face
        if self._face is None or view is None:
            raise _wrong_source(self._facts.source)
        check_time(message.ts)
        if self._state.status is not Status.DETACHED:
            if self._face.is_older(message.ts):
                self.last_intake = self._seeing.pass_over(message.id)
                return
            observation = self._face.observe(view, message.ts, message.delay_ms)
            problem = view.problem
            if problem is None and observation.face_present is False:
                problem = FaceProblem.NO_FACE  # a face that has just come back, and may be a shadow
            self.last_intake = self._seeing.look(observation, problem, message.id, at_ms)

    def _on_picture(self, message: Frame | Landmarks, at_ms: int) -> None:
        """Pictures are looked at before the core, in sessions that have them for their source."""
        raise _wrong_source(self._facts.source)

    def _on_set(self, message: SetMark, at_ms: int) -> None:
        stimulation = self._care.stimulation
        if message.action == "end":
            stimulation.end_set(message.set_no, at_ms)
        elif self._state.status is not Status.RUNNING:
            raise ProtocolError(ErrorCode.PAUSED, "the session is paused: no set can start until it is resumed")
        else:
            self._check_readiness(self._state.phase)
            stimulation.begin_set(message.set_no, at_ms)
        self._done(message.id)

    def _on_rating(self, message: Rating, at_ms: int) -> None:
        low, high = _SCALES[message.scale]
        if not low <= message.value <= high:
            why = f"`value` of {message.scale} must be between {low:g} and {high:g}"
            raise ProtocolError(ErrorCode.INVALID_FIELD, why, param="value")
        self._judging.note_rating(message.scale, message.value)
        self._ledger.keep("rating", at_ms, scale=message.scale, value=message.value)
        ts = self._facts.started_ts + at_ms
        self._ledger.notify(
            RatingNotice(session_id=self._facts.session_id, scale=message.scale, value=message.value, ts=ts)
        )
        if message.scale == "sud":
            self._judging.rate_sud(message.value, at_ms)
        self._done(message.id)

    def _on_phase(self, message: PhaseMark, at_ms: int) -> None:
        self._check_readiness(message.phase)
        self._state.phase = message.phase
        self._ledger.keep("session", at_ms, action="phase", phase=message.phase.value)
        ts = self._facts.started_ts + at_ms
        self._ledger.notify(PhaseNotice(session_id=self._facts.session_id, phase=message.phase, ts=ts))
        self._done(message.id)

    def _on_stop(self, message: Stop, at_ms: int) -> None:
        self._care.pause(PauseCause.CLIENT_STOP, at_ms)
        self._done(message.id)

    def _on_applied(self, message: Applied, at_ms: int) -> None:
        stopped = message.stopped_ts
        at_rest = stopped is not None and -_INFINITY < stopped < _INFINITY
        stopped_ms = self._seeing.session_time(stopped, at_ms) if stopped is not None and at_rest else None
        self._care.confirm(message.control_epoch, stopped_ms, at_ms)
        self._done(message.id)

    def _on_resume_request(self, message: ResumeRequest, at_ms: int) -> None:
        control = self._care.control.state
        if self._state.status is Status.PAUSED and control.requires is ResumeRequires.THERAPIST:
            facts = self._facts
            self._ledger.notify(ResumeRequested(session_id=facts.session_id))
            self._ledger.keep("audit", at_ms, action="resume_request", by=facts.user, refused=True)
            raise ProtocolError(ErrorCode.RESUME_DENIED, "only a therapist may end this pause; yours has been asked")
        self._resume("client", at_ms)

    def _on_bye(self, message: Bye, at_ms: int) -> None:
        self._care.end("bye", at_ms)

    def _resume(self, by: str, at_ms: int) -> None:
        self._care.resume(by, at_ms)
        self._seeing.resumed(at_ms)

    def _check_readiness(self, phase: Phase | None) -> None:
        if not self._require_readiness or phase not in REPROCESSING_PHASES:
            return
        readiness = self._facts.readiness
        missing = [name for name in readiness.__struct_fields__ if getattr(readiness, name) is not True]
        if missing:
            why = f"reprocessing needs `hello.readiness`; missing: {', '.join(missing)}"
            raise ProtocolError(ErrorCode.NOT_READY, why, param=f"readiness.{missing[0]}")

    def _done(self, re: Id | None) -> None:
        if re is not None:
            self._ledger.out.append(Send(Done(re=re)))

    # commands -----------------------------------------------------------------------------------------------------

    def obey(self, command: Order, by: str, at_ms: int) -> None:
        """Do what a watcher commands. Raises ProtocolError when it cannot be done."""
        if isinstance(command, PauseCommand):
            self._care.pause(PauseCause.THERAPIST, at_ms, mode=command.mode)
        elif isinstance(command, ResumeCommand):
            if command.control_epoch not in (None, self._care.control.state.control_epoch):
                raise denials.newer_pause()
            self._resume(by, at_ms)
        elif isinstance(command, EndCommand):
            self._care.end(f"ended by the therapist: {command.reason}", at_ms)
        elif isinstance(command, ReportAlert):
            self._care.report(command.severity, command.text, by, at_ms)
        elif isinstance(command, Intervene):
            self._care.intervene(command.intervention, at_ms)
        else:
            self._configure(command, at_ms)

    def _configure(self, command: ConfigSet, at_ms: int) -> None:
        wish = command.config
        self._move_thresholds(at_ms, wish.safety_thresholds if wish else None, command.thresholds)
        if wish is not None:
            self._care.stimulation.wish(msgspec.structs.replace(wish, safety_thresholds=None), at_ms)

    def _move_thresholds(self, at_ms: int, *changes: ThresholdChange | None) -> None:
        """What none of them names stays as it is, whatever it is. Raises ProtocolError(invalid_field)."""
        if not any(changes):
            return
        thresholds = self._state.thresholds
        for change in changes:
            thresholds = apply_thresholds(thresholds, change)
        if thresholds.crisis_immediate < thresholds.crisis_pause:
            why = "`thresholds.crisis_immediate` must not be below `crisis_pause`"
            raise ProtocolError(ErrorCode.INVALID_FIELD, why, param="thresholds.crisis_immediate")
        self._state.thresholds = self._care.monitor.thresholds = thresholds
        self._care.keep_thresholds(at_ms)


# Functions and no methods of one session: a table of its own would be a circle that the garbage collector has to find.
_HANDLERS: Final[dict[type, Callable[[Hearing, Any, int], None]]] = {
    Sample: Hearing._on_sample,
    Morphcast: Hearing._on_morphcast,
    Observed: Hearing._on_observed,
    Frame: Hearing._on_picture,
    Landmarks: Hearing._on_picture,
    SetMark: Hearing._on_set,
    Rating: Hearing._on_rating,
    PhaseMark: Hearing._on_phase,
    Stop: Hearing._on_stop,
    Applied: Hearing._on_applied,
    ResumeRequest: Hearing._on_resume_request,
    Bye: Hearing._on_bye,
}


def _wrong_source(source: Source) -> ProtocolError:
    return ProtocolError(
        ErrorCode.SOURCE_UNAVAILABLE, f"this session's source is `{source}`, as said in `hello`", param="source"
    )
