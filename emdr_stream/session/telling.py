"""What was seen in, what is said of it out: results for the client, live states and summaries for the watchers."""

from math import floor
from typing import Any, Final

from msgspec import UNSET

from emdr_stream.domain import DIMENSIONS, EMOTIONS, MISSING, N_SIGNALS, SIGNALS, Source
from emdr_stream.pipeline.perception import Perception
from emdr_stream.session import reporting
from emdr_stream.session.care import Care
from emdr_stream.session.effects import Keep, Send
from emdr_stream.session.facts import ViewState
from emdr_stream.session.pacing import Pace
from emdr_stream.settings import SessionSettings
from emdr_stream.wire.face import FaceProblem
from emdr_stream.wire.stream import Result, Skipped, Welcome
from emdr_stream.wire.values import ClientSnapshot, OwnBaseline, SessionSummary, SignalReport, Timing
from emdr_stream.wire.watch import StateMessage

_UNSEEN: Final = [MISSING] * N_SIGNALS
_SHOWN: Final = len(DIMENSIONS) + len(EMOTIONS)
"""What a result shows: the first of SIGNALS."""
_SECOND_MS: Final = 1_000
_NOBODY_TO_READ: Final = (FaceProblem.NO_FACE, FaceProblem.MANY_FACES)


class Telling:
    """Speaks for one session. `next_ms`: session time from which the next result is due."""

    __slots__ = (
        "_care",
        "_each",
        "_ledger",
        "_monitor",
        "_pace",
        "_perception",
        "_settings",
        "_signs",
        "_standing_baseline",
        "_state",
        "_view",
    )

    def __init__(
        self, care: Care, perception: Perception, signs: reporting.Signs, view: ViewState, settings: SessionSettings
    ) -> None:
        self._care = care
        self._ledger = care.ledger
        self._monitor = care.monitor
        self._state = care.state
        self._perception = perception
        self._signs = signs
        self._view = view
        self._standing_baseline: OwnBaseline | None = None
        self._settings = settings
        self._pace = Pace(care.facts.result_rate_hz, view.next_result_ms)
        self._each = care.facts.source is Source.FRAME
        """A frame has an answer of its own, which is also its sender's credit for the next one."""

    @property
    def next_ms(self) -> float:
        return self._pace.next_ms

    def report(self, at_ms: int, timing: Timing | None) -> None:
        """Send the result for the newest sample that has none, unless its turn is yet to come."""
        view, pace = self._view, self._pace
        pending = view.pending
        if pending is None:
            return
        if not pace.take(at_ms) and not self._each:
            self._ledger.wake_by(pace.next_ms)
            return
        view.next_result_ms = pace.next_ms
        view.pending = None
        out = self._ledger.out
        if self._each and view.problem in _NOBODY_TO_READ and pending[0] is not None:
            out.append(Send(Skipped(re=pending[0], reason=view.problem.value)))
            self._keep_second(at_ms)
            return
        self._state.tally.results += 1
        perception, signs, scores = self._perception, self._signs, view.scores
        if at_ms >= view.next_look_ms:
            signs.look(perception, at_ms)
        level = self._monitor.state.level
        present = perception.present(_SHOWN) if view.face else _UNSEEN
        estimate = reporting.state_of(scores)
        out.append(
            Send(
                Result(
                    re=pending[0],
                    ts=pending[1],
                    emotions=reporting.emotions_of(present),
                    dimensions=reporting.dimensions_of(present),
                    state=estimate,
                    predicted_changes=reporting.changes_of(scores),
                    recommendations=reporting.recommendations_of(level, estimate),
                    safety=reporting.safety_of(scores, level, view),
                    signal=self._signal_report(at_ms),
                    timing=timing,
                )
            )
        )
        if at_ms >= view.next_second_ms:
            self._keep_second(at_ms)

    def _keep_second(self, at_ms: int) -> None:
        """A row of the records, once a second: also of one in which nobody was seen."""
        view = self._view
        if at_ms >= view.next_second_ms:
            view.next_second_ms = at_ms - at_ms % _SECOND_MS + _SECOND_MS
            self._ledger.out.append(Keep("second", self._second(at_ms)))

    def state_message(self, at_ms: int, attended_by: tuple[str, ...] = ()) -> StateMessage:
        """What a watcher sees of the session now. `attended_by`: the therapists who have it before them."""
        state, view = self._state, self._view
        present = self._perception.present() if view.face else _UNSEEN
        return StateMessage(
            session_id=self._care.facts.session_id,
            ts=float(self._care.facts.started_ts + at_ms),
            emotions=reporting.emotions_of(present),
            dimensions=reporting.dimensions_of(present),
            state=reporting.state_of(view.scores),
            safety=reporting.safety_of(view.scores, self._care.monitor.level, view),
            signal=self._signal_report(at_ms),
            status=state.status,
            config=state.config,
            phase=state.phase,
            set_no=state.set_no,
            control_epoch=self._care.control.state.control_epoch,
            thresholds=state.thresholds,
            baseline=self._own_baseline(),
            attended_by=attended_by or UNSET,
            **self._circumstances(),
        )

    def summary(self, at_ms: int) -> SessionSummary:
        """What a console lists of the session."""
        facts, state, control = self._care.facts, self._state, self._care.control.state
        paused: dict[str, Any] = (
            {"resume_requires": control.requires, "reason": control.reason} if control.paused else {}
        )
        return SessionSummary(
            session_id=facts.session_id,
            user=facts.user,
            source=facts.source,
            started_ts=facts.started_ts,
            status=state.status,
            control_epoch=control.control_epoch,
            config=state.config,
            thresholds=state.thresholds,
            phase=state.phase,
            set_no=state.set_no,
            signal=self._signal_report(at_ms),
            baseline=self._own_baseline(),
            **paused,
            **self._circumstances(),
        )

    def welcome(self, resume_token: str, resumed: bool, seq: int, at_ms: int) -> Welcome:
        """`seq`: that of the newest durable message which the welcome's snapshot replaces."""
        care, settings = self._care, self._settings.control
        control, state = care.control.state, self._state
        paused: dict[str, Any] = {}
        if control.paused:
            paused = {"reason": control.reason, "mode": control.mode, "resume_requires": control.requires}
        snapshot = ClientSnapshot(
            status=state.status,
            control_epoch=control.control_epoch,
            config=state.config,
            phase=state.phase,
            set_no=state.set_no,
            **paused,
        )
        return Welcome(
            session_id=care.facts.session_id,
            resume_token=resume_token,
            epoch=state.epoch,
            seq=seq,
            resumed=resumed,
            snapshot=snapshot,
            heartbeat_ms=settings.heartbeat_ms,
            timeout_ms=settings.timeout_ms,
            grace_s=settings.grace_ms / 1_000,
            limits=self._settings.limits,
            thresholds=state.thresholds,
            models=care.models,
            server_ts=care.facts.started_ts + at_ms,
        )

    def _circumstances(self) -> dict[str, Any]:
        """What is there at times only: ratings, a set that runs, a pause, a wish that waits."""
        state, started_ts = self._state, self._care.facts.started_ts
        found: dict[str, Any] = {scale: given[-1] for scale, given in state.ratings.items() if given}
        if state.set_started_ms is not None:
            found["set_started_ts"] = started_ts + state.set_started_ms
        if state.pending_config is not None:
            found["pending"] = state.pending_config
        if self._care.control.state.paused:
            found["pause"] = reporting.pause_of(self._care.control.state, started_ts)
        return found

    def _own_baseline(self) -> OwnBaseline:
        """Made once when it stands: it goes out with each live state."""
        if self._standing_baseline is not None:
            return self._standing_baseline
        baseline = reporting.baseline_of(self._perception.baseline)
        if self._perception.baseline.ready:
            self._standing_baseline = baseline
        return baseline

    def _signal_report(self, at_ms: int) -> SignalReport:
        sight, problem = self._perception.sight, self._view.reason(at_ms)
        state = sight.state
        if problem is None:
            return SignalReport(state.status, state.quality, sight.age_ms(at_ms))
        return SignalReport(state.status, state.quality, sight.age_ms(at_ms), problem.value)

    def _second(self, at_ms: int) -> dict[str, Any]:
        scores = self._view.scores
        present = self._perception.present() if self._view.face else _UNSEEN
        # To four places; `round` takes four times as long, and was half the price of a record.
        values = [floor(value * 1e4 + 0.5) / 1e4 if value == value else None for value in present]
        return {
            "at_ms": at_ms,
            **dict(zip(SIGNALS, values, strict=True)),
            "risk": None if scores is None else scores.risk,
            "crisis": None if scores is None else scores.crisis,
            "state": reporting.state_of(scores).label.value,
            "level": self._care.monitor.level.value,
            "signal": self._perception.sight.state.status.value,
            "status": self._state.status.value,
        }
