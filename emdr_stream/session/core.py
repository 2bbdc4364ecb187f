"""Events with their time in, effects out: one session as a pure machine, without clock, chance or I/O.

Every method takes `at_ms`, whole milliseconds of session time, and returns the effects in order. Time never goes back:
an event that was stamped before the one ahead of it counts as simultaneous. Deadlines are handled at their own times
before anything that came later, so it does not matter how often `advance` is called: the same events give the same
effects, live and in replay.
"""

import msgspec

from emdr_stream.domain import Scores, Status
from emdr_stream.errors import CloseCode, ErrorCode, FatalProtocolError, ProtocolError
from emdr_stream.pipeline.perception import Perception
from emdr_stream.session import losses
from emdr_stream.session.care import Care
from emdr_stream.session.effects import At, Effect, Keep, Send
from emdr_stream.session.facts import SessionFacts, SessionSnapshot, ViewState
from emdr_stream.session.hearing import Hearing
from emdr_stream.session.judging import Judging
from emdr_stream.session.reporting import Signs
from emdr_stream.session.seeing import Seeing
from emdr_stream.session.telling import Telling
from emdr_stream.settings import SessionSettings
from emdr_stream.wire.orders import Order
from emdr_stream.wire.refusals import error_message
from emdr_stream.wire.stream import DurableMessage, Heard, Models
from emdr_stream.wire.values import ModelRef, SessionSummary, Timing
from emdr_stream.wire.watch import SessionOpened, StateMessage


class SessionCore:
    """One session.

    `wake_ms`: the session time at which `advance` must be called at the latest. `hearing.last_intake`: what became of
    the newest observation. When a method raises ProtocolError, the effects up to then come with the next call.
    """

    def __init__(
        self,
        facts: SessionFacts,
        settings: SessionSettings,
        snapshot: SessionSnapshot | None = None,
    ) -> None:
        """`snapshot`: go on from there."""
        self.facts = facts
        self.care = Care(facts, settings, snapshot)
        self.perception = Perception(settings, facts.prior, snapshot.perception if snapshot else None)
        self._ledger = self.care.ledger
        self._state = self.care.state
        self._view = view = snapshot.view if snapshot else ViewState()
        signs = Signs(view)
        judging = Judging(self.care, self.perception, signs, settings.safety.sud_alarm)
        self._telling = Telling(self.care, self.perception, signs, view, settings)
        self._seeing = Seeing(self.care, self.perception, judging, self._telling, view, settings)
        self.hearing = Hearing(self.care, self._seeing, judging, settings.control.require_readiness)

    # events -------------------------------------------------------------------------------------------------------

    @property
    def wake_ms(self) -> float:
        return self._ledger.wake_ms

    @property
    def status(self) -> Status:
        return self._state.status

    def connected(self, at_ms: int, *, epoch: int, resume_token: str, last_seq: int | None = None) -> list[Effect]:
        """A socket is attached: the first one (`last_seq` None), or one that resumes after `last_seq`.

        The `welcome` is the first thing that the socket is told. Raises FatalProtocolError(session_over, 4504).
        """
        ledger, state, care = self._ledger, self._state, self.care
        resumed = last_seq is not None or state.status is Status.DETACHED
        if resumed:
            care.hold_grace(at_ms)
        at_ms = self._reach(at_ms)
        if state.status is Status.ENDED:
            raise FatalProtocolError(ErrorCode.SESSION_OVER, "the session has ended", CloseCode.SESSION_OVER)
        state.epoch = max(state.epoch, epoch)
        losses.check_heard(care, last_seq, at_ms)
        before: list[Effect] = [effect for effect in ledger.taken() if not isinstance(effect, Send)]
        seq = state.seq
        missed: list[DurableMessage] = []
        if resumed:
            missed = ledger.missed(-1 if last_seq is None else last_seq)
            care.attach_again(at_ms)
        self._seeing.attached(at_ms)
        self.hearing.begin_anew()
        before += ledger.taken()
        if resumed:
            care.insist(at_ms)
        after = ledger.taken()
        replayed = {message.seq for message in missed}
        ledger.out += before
        ledger.out.append(Send(self._telling.welcome(resume_token, resumed, seq, at_ms)))
        ledger.out += [Send(message) for message in missed]
        ledger.out += [e for e in after if not (isinstance(e, Send) and getattr(e.message, "seq", -1) in replayed)]
        ledger.notify(
            SessionOpened(session_id=self.facts.session_id, user=self.facts.user, session=self.summary(at_ms))
        )
        action = "resumed" if resumed else "opened"
        ledger.keep("session", at_ms, action=action, source=self.facts.source, models=msgspec.to_builtins(care.models))
        care.keep_thresholds(at_ms)  # also of one that comes back: its newest change may have died with its worker
        return ledger.taken()

    def settle(self, at_ms: int) -> list[Effect]:
        """What fell due before another socket takes over; nothing of a detached session, which may yet go on."""
        return [] if self._state.status is Status.DETACHED else self.advance(at_ms)

    def disconnected(self, at_ms: int) -> list[Effect]:
        """The socket is gone."""
        at_ms = self._reach(at_ms)
        self._seeing.detached()
        self.care.detach(at_ms)
        return self._ledger.taken()

    def client(self, message: Heard, at_ms: int) -> list[Effect]:
        """A message of the client. What is wrong with it becomes an `error`; the session goes on."""
        view, ledger = self._view, self._ledger
        if at_ms < view.now_ms:
            at_ms = view.now_ms
        if at_ms >= ledger.wake_ms:
            self._advance_to(at_ms)
        view.now_ms = at_ms
        hearing = self.hearing
        hearing.last_intake = None
        try:
            if self._state.status is Status.ENDED:
                raise ProtocolError(ErrorCode.SESSION_OVER, "the session has ended")
            hearing.hear(message, at_ms)
        except ProtocolError as problem:
            ledger.out.append(Send(error_message(problem, problem.re if problem.re is not None else message.id)))
        return ledger.taken()

    def command(self, command: Order, by: str, at_ms: int) -> list[Effect]:
        """A watcher's command; the caller has checked that `by` may. Raises ProtocolError when it cannot be done."""
        at_ms = self._reach(at_ms)
        fields = {"at_ms": at_ms, "by": by, **msgspec.to_builtins(command)}
        fields["action"] = fields.pop("type")
        self._ledger.out.append(Keep("audit", fields))
        try:
            if self._state.status is Status.ENDED:
                raise ProtocolError(ErrorCode.SESSION_OVER, "the session has ended")
            self.hearing.obey(command, by, at_ms)
        except ProtocolError as problem:
            fields["refused"] = True
            problem.re = command.id
            raise
        return self._ledger.taken()

    def acknowledge(self, alert_id: str, by: str, note: str | None, at_ms: int) -> list[Effect]:
        """A watcher acknowledges an alert. Raises ProtocolError for an unknown one."""
        self.care.acknowledge(alert_id, by, note, self._reach(at_ms))
        return self._ledger.taken()

    def scored(self, ticket: int, scores: Scores, at_ms: int, timing: Timing | None = None) -> list[Effect]:
        """The answer to `Analyse`. A late or superseded one is ignored; NaN in it is a model failure."""
        view, ledger = self._view, self._ledger
        if at_ms < view.now_ms:
            at_ms = view.now_ms
        if at_ms >= ledger.wake_ms:
            self._advance_to(at_ms)
        view.now_ms = at_ms
        if self._state.status is not Status.ENDED:
            self._seeing.scored(ticket, scores, at_ms, timing)
        return ledger.taken()

    def model_failed(self, ticket: int, at_ms: int) -> list[Effect]:
        """No scores can be had for a row: itself a safety event."""
        at_ms = self._reach(at_ms)
        if self._state.status is not Status.ENDED:
            self._seeing.model_failed(ticket, at_ms)
        return self._ledger.taken()

    def store_changed(self, store: str, up: bool, at_ms: int) -> list[Effect]:
        """A store went away or came back: watchers are told, the session goes on."""
        at_ms = self._reach(at_ms)
        if self._state.status is not Status.ENDED:
            self._seeing.store_changed(store, up, at_ms)
        return self._ledger.taken()

    def models_changed(self, models: tuple[ModelRef, ...], at_ms: int) -> list[Effect]:
        """Other versions speak from now on: the client is told, and the records name who said what."""
        at_ms = self._reach(at_ms)
        former = self.care.models
        if self._state.status is not Status.ENDED and models != former:
            if models[:1] != former[:1]:
                self.perception.memory.forget()
            self._state.models = models
            told = {"models": msgspec.to_builtins(models), "former": msgspec.to_builtins(former)}
            self._ledger.out.append(Send(Models(models=models)))
            self._ledger.keep("session", at_ms, models=told["models"])
            self._ledger.keep("audit", at_ms, action="models", **told)
        return self._ledger.taken()

    def owner_changed(self, epoch: int, at_ms: int) -> list[Effect]:
        """The session has a newer owner, or its owner a newer epoch, which counts from now on."""
        self._reach(at_ms)
        self._state.epoch = max(self._state.epoch, epoch)
        return self._ledger.taken()

    def advance(self, at_ms: int) -> list[Effect]:
        """Handle every deadline up to and including `at_ms`, each at its own time."""
        if at_ms >= self._ledger.wake_ms:
            self._advance_to(at_ms)
        return self._ledger.taken()

    def snapshot(self, at_ms: int) -> SessionSnapshot:
        """Everything that another worker needs; to be encoded before the core is called again."""
        care = self.care
        return SessionSnapshot(
            facts=self.facts,
            at_ms=at_ms,
            core=self._state,
            control=care.control.state,
            alerts=care.alerts.state,
            monitor=care.monitor.state,
            adaptation=care.stimulation.adaptation.state,
            perception=self.perception.snapshot(),
            view=self._view,
        )

    def remembers(self, last_seq: int) -> bool:
        """Whether a client that has taken everything up to `last_seq` can be told all that it missed."""
        return self._ledger.remembers(last_seq)

    def state_message(self, at_ms: int, attended_by: tuple[str, ...] = ()) -> StateMessage:
        """What a watcher sees of the session now. `attended_by`: the therapists who have it before them."""
        return self._telling.state_message(at_ms, attended_by)

    def summary(self, at_ms: int) -> SessionSummary:
        """What a console lists of the session."""
        return self._telling.summary(at_ms)

    # deadlines ----------------------------------------------------------------------------------------------------

    def _reach(self, at_ms: int) -> int:
        """Let time pass up to an event at `at_ms`; returns the session time that counts for it."""
        view = self._view
        at_ms = max(at_ms, view.now_ms)
        self._advance_to(at_ms)
        view.now_ms = at_ms
        return at_ms

    def _advance_to(self, at_ms: int) -> None:
        """Handle what is due, leaving the effects for the caller's own to follow."""
        ledger, view = self._ledger, self._view
        stamped = False
        while (deadline := self._next_deadline()) <= at_ms:
            view.now_ms = max(view.now_ms, int(-(-deadline // 1)))
            before = len(ledger.out)
            self._on_deadline(view.now_ms)
            if len(ledger.out) > before:
                ledger.out.insert(before, At(view.now_ms))
                stamped = True
        if stamped:
            ledger.out.append(At(at_ms))
        ledger.wake_ms = deadline

    def _next_deadline(self) -> float:
        care = self.care
        status = self._state.status
        alerts = care.alerts.next_deadline()
        if status is Status.ENDED:
            return alerts
        if status is Status.DETACHED:
            return min(care.absence_deadline(), alerts)
        return min(alerts, care.control.next_deadline(), self._seeing.next_deadline())

    def _on_deadline(self, at_ms: int) -> None:
        """Everything that is due at `at_ms`, in a fixed order."""
        self.care.escalate(at_ms)
        if self._state.status is Status.DETACHED:
            self.care.check_absence(at_ms)
        elif self._state.status is not Status.ENDED:
            self.care.check_confirmation(at_ms)
            self._seeing.check(at_ms)
