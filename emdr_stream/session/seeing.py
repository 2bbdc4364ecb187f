"""Observations, scores and silence in; a status of the signal, rows to score and judgements out: how the core sees.

observation ─▶ perception ─▶ row ─▶ (scores) ─▶ judging ─▶ telling. What is not seen now is never shown or judged.
"""

from typing import Final

from msgspec.structs import replace

from emdr_stream.domain import (
    BETWEEN,
    AlertKind,
    Observation,
    PauseCause,
    Scores,
    Severity,
    SignalStatus,
    Source,
    Status,
)
from emdr_stream.pipeline.classify import is_sound
from emdr_stream.pipeline.perception import Intake, Perception
from emdr_stream.session.care import Care
from emdr_stream.session.effects import Analyse, Send
from emdr_stream.session.facts import ViewState
from emdr_stream.session.judging import Judging
from emdr_stream.session.pacing import NEVER, Pace
from emdr_stream.session.telling import Telling
from emdr_stream.settings import SessionSettings
from emdr_stream.wire.face import FaceProblem
from emdr_stream.wire.stream import Signal, Skipped
from emdr_stream.wire.values import Evidence, Id, Timing

_PASSED_OVER: Final = (Intake.LATE, Intake.TOO_LATE, Intake.DUPLICATE)
_LEAST_ANALYSES_HZ: Final = 10.0
CALM_MINUTE_MS: Final = 60_000
"""From here on all running time counts for a baseline that does not stand yet, sets included."""
_TOLD_WITHIN_MS: Final = 10_000
"""A client tells of its standstill at once; what it dates further back comes of a clock that is wrong."""
_BLIND: Final = (SignalStatus.STALE, SignalStatus.LOST)


class Seeing:
    """Watches one client, and whether the models answer."""

    __slots__ = (
        "_care",
        "_deadline_ms",
        "_judging",
        "_ledger",
        "_lost_after_ms",
        "_pace",
        "_perception",
        "_sight",
        "_state",
        "_telling",
        "_view",
    )

    def __init__(
        self,
        care: Care,
        perception: Perception,
        judging: Judging,
        telling: Telling,
        view: ViewState,
        settings: SessionSettings,
    ) -> None:
        self._care = care
        self._ledger = care.ledger
        self._state = care.state
        self._perception = perception
        self._sight = perception.sight
        self._judging = judging
        self._telling = telling
        self._view = view
        self._deadline_ms = settings.safety.score_deadline_ms
        self._lost_after_ms = settings.signal.lost_after_ms
        self._pace = Pace(max(care.facts.result_rate_hz, _LEAST_ANALYSES_HZ), view.next_analysis_ms)

    # looking ------------------------------------------------------------------------------------------------------

    def observe(self, observation: Observation, re: Id | None, at_ms: int) -> Intake:
        """Take one observation: it is analysed, or reported at its turn. `re`: the `id` of its message."""
        state, view = self._state, self._view
        state.tally.samples += 1
        # Whoever begins with a set has no calm minute: later, time within sets counts too, or no model would be heard.
        calm = state.status is Status.RUNNING and (state.set_started_ms is None or at_ms > CALM_MINUTE_MS)
        perception = self._perception
        intake = perception.observe(observation, at_ms, calm)
        if observation.faces is not None and intake is not Intake.TOO_LATE:
            self._count_faces(observation.faces, at_ms)
        if intake is Intake.ACCEPTED:
            view.face = view.face or observation.shows_face
            view.pending = (re, observation.ts_ms)
            if self._sight.update(at_ms):
                self._tell_sight(at_ms)
            # With nobody in sight, a heart rate alone would have the models judge the last face that was.
            if not (view.face and perception.baseline.ready and self._ask(at_ms)):
                self._telling.report(at_ms, None)
        elif intake is Intake.UNUSABLE:
            perception.pass_time(observation.ts_ms, at_ms)
            self._forget()
            view.pending = (re, observation.ts_ms)
            self.check_sight(at_ms)
            self._telling.report(at_ms, None)
        elif intake is Intake.TOO_LATE:
            state.tally.too_late += 1
        elif intake is Intake.DUPLICATE:
            state.tally.duplicates += 1
        return intake

    def look(self, observation: Observation, problem: FaceProblem | None, re: Id | None, at_ms: int) -> Intake:
        """Take what one picture showed. A `frame` has an answer of its own: what brings no result is `skipped`."""
        view = self._view
        before = view.problem, view.problem_ms
        view.problem, view.problem_ms = problem, at_ms
        intake = self.observe(observation, re, at_ms)
        if intake in _PASSED_OVER:
            view.problem, view.problem_ms = before
        if re is None or self._care.facts.source is not Source.FRAME:
            return intake
        if intake in _PASSED_OVER:
            self._ledger.out.append(Send(Skipped(re=re, reason="stale")))
        return intake

    def pass_over(self, re: Id | None) -> Intake:
        """A picture that is older than one that came before shows nothing of now."""
        self._state.tally.too_late += 1
        if re is not None and self._care.facts.source is Source.FRAME:
            self._ledger.out.append(Send(Skipped(re=re, reason="stale")))
        return Intake.TOO_LATE

    def check_sight(self, at_ms: int) -> None:
        """Tell of a change in the status of the signal; losing it pauses."""
        if self._sight.update(at_ms):
            self._tell_sight(at_ms)

    def session_time(self, ts_ms: float, at_ms: int) -> int:
        """Session time of something that the client says happened at `ts_ms` of its clock, and that was told `at_ms`.

        Never later than it was told; what would lie further back than a client may be silent is not believed.
        """
        offset = self._perception.timeline.offset_ms
        known = -self._care.facts.started_ts if offset is None else offset
        happened = ts_ms + known
        return int(happened) if at_ms - _TOLD_WITHIN_MS <= happened <= at_ms else at_ms

    def attached(self, at_ms: int) -> None:
        """A socket is there: the client has from now on to show itself, and nothing of the time before is answered."""
        self.detached()
        self._sight.restart(at_ms)
        self._ledger.wake_ms = 0.0

    def detached(self) -> None:
        """Nobody is there to be seen or told."""
        self._forget()
        self._view.asked_ms = self._view.pending = self._view.problem = None
        self._view.blind_again_ms = NEVER

    def resumed(self, at_ms: int) -> None:
        """Somebody resumed: what still hides the client pauses again after the same time."""
        sight = self._sight.state
        if sight.status is SignalStatus.LOST or sight.many:
            self._view.blind_again_ms = at_ms + self._lost_after_ms
            self._ledger.wake_by(self._view.blind_again_ms)

    def _count_faces(self, faces: int, at_ms: int) -> None:
        changed = self._sight.count_faces(faces, at_ms)
        if changed:
            self._care.pause(PauseCause.MANY_FACES, at_ms, evidence=(Evidence(signal="faces", value=float(faces)),))
        elif changed is False:
            self._care.resolve(AlertKind.MANY_FACES, at_ms)

    def _tell_sight(self, at_ms: int) -> None:
        sight, care = self._sight, self._care
        status, age = sight.state.status, sight.age_ms(at_ms)
        self._ledger.out.append(Send(Signal(status=status, age_ms=age)))
        self._ledger.wake_by(sight.next_deadline())
        if status in _BLIND:
            self._forget()
        if status is SignalStatus.LOST:
            evidence: tuple[Evidence, ...] = (Evidence(signal="signal_age_ms", value=float(age)),)
            if (reason := self._view.reason(at_ms)) is not None:
                evidence += (Evidence(signal=reason.value, value=None),)
            care.pause(PauseCause.SIGNAL_LOST, at_ms, evidence=evidence)
        elif status is not SignalStatus.STALE:
            self._view.blind_again_ms = NEVER
            care.resolve(AlertKind.SIGNAL_LOST, at_ms)

    def _still_blind(self, at_ms: int) -> None:
        self._view.blind_again_ms = NEVER
        sight = self._sight.state
        if sight.status is SignalStatus.LOST:
            self._care.pause(PauseCause.SIGNAL_LOST, at_ms)
        elif sight.many:
            self._care.pause(PauseCause.MANY_FACES, at_ms)

    def _forget(self) -> None:
        """What was seen last is not what is there now."""
        self._view.face, self._view.scores = False, None

    # asking the models --------------------------------------------------------------------------------------------

    def _ask(self, at_ms: int) -> bool:
        """Hand a row out to be scored; True when scores are now awaited, which bring the result with them."""
        view = self._view
        if view.asked_ms is not None:
            return True
        if not self._pace.take(at_ms):
            return False
        view.next_analysis_ms = self._pace.next_ms
        view.ticket += 1
        view.asked_ms = at_ms
        ledger, deadline_ms = self._ledger, at_ms + self._deadline_ms
        if deadline_ms < ledger.wake_ms:
            ledger.wake_ms = deadline_ms
        started = self._state.set_started_ms
        perception = self._perception
        row = perception.fill_row(None if started is None else at_ms - started, perception.memory.mark(at_ms))
        ledger.out.append(Analyse(view.ticket, row))
        return True

    def scored(self, ticket: int, scores: Scores, at_ms: int, timing: Timing | None) -> None:
        """Take the answer to a row; one that is late, superseded or for nobody is ignored."""
        view = self._view
        asked_ms = view.asked_ms
        if asked_ms is None or ticket != view.ticket:
            return
        view.asked_ms = None
        if not is_sound(scores):
            # What was remembered may be why, and would be why again with the next row.
            self._perception.memory.forget()
            self._fail("the model gave a number that is none", at_ms)
        else:
            memory = self._perception.memory
            if memory.mark(asked_ms) != BETWEEN:
                memory.step(scores.memory, asked_ms)
            if self._state.model_down:
                self._state.model_down = False
                self._resolve_degraded(at_ms)
            if view.face:
                # What is remembered is kept in one place, and nobody is shown it.
                view.scores = replace(scores, memory=b"") if scores.memory else scores
            self._judging.judge(scores, at_ms)
        self._telling.report(at_ms, timing)

    def model_failed(self, ticket: int, at_ms: int) -> None:
        """No scores can be had for a row: itself a safety event."""
        view = self._view
        if view.asked_ms is not None and ticket == view.ticket:
            view.asked_ms = None
            self._fail("the model could not be run", at_ms)
            self._telling.report(at_ms, None)

    def store_changed(self, store: str, up: bool, at_ms: int) -> None:
        """A store went away or came back: watchers are told, the session goes on."""
        down = self._state.stores_down
        if up:
            if store in down:
                down.remove(store)
            self._resolve_degraded(at_ms)
        else:
            if store not in down:
                down.append(store)
            evidence = (Evidence(signal=f"{store}_available", value=0.0),)
            self._care.raise_alert(AlertKind.DEGRADED, Severity.MEDIUM, at_ms, evidence)

    def _fail(self, why: str, at_ms: int) -> None:
        """The first failure after a success pauses; who resumes then has chosen to go on with rules alone."""
        self._view.scores = None
        if self._state.model_down:
            return
        self._state.model_down = True
        self._care.pause(PauseCause.DEGRADED, at_ms, evidence=(Evidence(signal=why, value=None),))

    def _resolve_degraded(self, at_ms: int) -> None:
        if not self._state.stores_down and not self._state.model_down:
            self._care.resolve(AlertKind.DEGRADED, at_ms)

    # time ---------------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float:
        view = self._view
        scores = NEVER if view.asked_ms is None else view.asked_ms + self._deadline_ms
        result = self._telling.next_ms if view.asked_ms is None and view.pending is not None else NEVER
        return min(self._sight.next_deadline(), scores, view.blind_again_ms, result)

    def check(self, at_ms: int) -> None:
        """Everything that is due at `at_ms`, in a fixed order."""
        view = self._view
        self.check_sight(at_ms)
        if at_ms >= view.blind_again_ms:
            self._still_blind(at_ms)
        if view.asked_ms is not None and at_ms >= view.asked_ms + self._deadline_ms:
            view.asked_ms = None
            self._fail("the model missed its deadline", at_ms)
        if view.asked_ms is None:
            self._telling.report(at_ms, None)
