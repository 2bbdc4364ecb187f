"""Messages, scores and time in; the core's effects carried out: the one place where a live session meets the world.

A sample's way: `received` (socket) ─▶ decode ─▶ core ─▶ predictor ─▶ `scores_ready` ─▶ core ─▶ socket. All of it on
the loop, with no task and no queue of its own; one timer a session wakes the core at its next deadline.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from emdr_stream.domain import Scores, Status
from emdr_stream.errors import CloseCode, ErrorCode, ProtocolError
from emdr_stream.session.core import SessionCore
from emdr_stream.session.effects import Analyse, Effect, Over, Raise, Send
from emdr_stream.session.gauges import OUTCOMES, Gauges
from emdr_stream.session.outlets import Outlets
from emdr_stream.session.pacing import NEVER
from emdr_stream.session.ports import Frames, SessionRecord, Socket, Surroundings
from emdr_stream.session.standing import GAP_S
from emdr_stream.session.wheel import Timer
from emdr_stream.telemetry.labels import SampleOutcome
from emdr_stream.wire.codec import Codec
from emdr_stream.wire.orders import Order
from emdr_stream.wire.stream import (
    ErrorMessage,
    GoAway,
    Heard,
    Heartbeat,
    Morphcast,
    Observed,
    Outgoing,
    Result,
    Sample,
    ServerMessage,
    Signal,
    Skipped,
)
from emdr_stream.wire.values import ModelRef, Timing

_EARLY_MS: Final = 11
"""A heartbeat goes so much before its time, as a timer may be 10 ms late, and session time is in whole milliseconds."""
_OBSERVING: Final = (Sample, Morphcast, Observed)


class SessionRunner:
    """Runs one session's core. `started` is the clock's time at session time 0, in seconds.

    Thirty attributes at most: with more, Python looks up each of them anew in a dictionary of the runner's own.
    """

    def __init__(
        self, core: SessionCore, around: Surroundings, started: float, record: SessionRecord | None = None
    ) -> None:
        self.core = core
        self.session_id = core.facts.session_id
        self.user = core.facts.user
        self.resume_hash = b""
        self.earlier_hash = b""
        """Of the token that the client came back with, good until it is heard: the new one may never have arrived."""
        self.on_urgent: Callable[[], None] = lambda: None
        self._urgent = False
        self.over = self.fenced = False
        self._around = around
        self._started = started
        self._record = record
        self.socket: Socket | None = None
        """What serves the client now; read by who must know whether it is that one."""
        self.frames: Frames | None = None
        """Where the present socket's pictures are looked at, if it sends any."""
        self._codec: Codec[Any] | None = None
        self._timer: Timer | None = None
        self._timer_ms = NEVER
        self._conflate_bytes = around.socket.conflate_bytes
        self._sent_ms = 0
        """Session time of the newest message to the client."""
        self._received = 0.0
        self._gauges = Gauges(around.metrics)
        self.outlets = Outlets(around, core, self._gauges)
        self.attendance = self.outlets.attendance
        self._clock = around.clock  # looked up once, as what follows: needed for each message
        self._standing = around.standing
        self._submit = around.predictor.submit
        self._ledger = core.care.ledger
        self._hearing = core.hearing
        self._age_ms = core.perception.sight.age_ms

    @property
    def urgent(self) -> bool:
        """Something changed that must not be lost: a control message, an alert. Setting it calls `on_urgent`."""
        return self._urgent

    @urgent.setter
    def urgent(self, urgent: bool) -> None:
        self._urgent = urgent
        if urgent:
            self.on_urgent()

    # the socket ---------------------------------------------------------------------------------------------------

    def attach(
        self, socket: Socket, codec: Codec[Any], *, epoch: int, resume_token: str, last_seq: int | None = None
    ) -> None:
        """A client's socket is there; an earlier one is closed with 4409."""
        # What fell due is the old socket's to hear, and stands before the new one's welcome in the record.
        self._carry_out(self.core.settle(self.now_ms()), self.now_ms())
        self.replace()
        self.socket, self.frames, self._codec = socket, None, codec
        self.outlets.next_state_ms = 0.0
        connect = partial(self.core.connected, epoch=epoch, resume_token=resume_token, last_seq=last_seq)
        fields = {"epoch": epoch} if last_seq is None else {"epoch": epoch, "last_seq": last_seq}
        self._happened("connected", connect, self.now_ms(), **fields)
        self._gauges.see_signal(self.core.perception.sight.state.status)
        for store in sorted(self._around.stores_away):
            self.store_changed(store, up=False)

    def take_up(self, at_ms: int) -> None:
        """The session comes from a snapshot of session time `at_ms`: its socket went with the worker that had it."""
        for body in self.core.care.alerts.state.open.values():
            self._gauges.see_alert(body)
        self.outlets.next_state_ms = 0.0
        self._happened("disconnected", self.core.disconnected, at_ms)

    def detach(self, socket: Socket) -> None:
        """The socket is gone; one that was replaced says nothing of the session."""
        if socket is not self.socket:
            return
        if self._clock() - self._standing.seen_s > GAP_S:
            self._standing.hold(partial(self.detach, socket))
            return
        self.socket = None
        if self.core.status is Status.ENDED or self.fenced:
            return
        self.urgent = True
        self._happened("disconnected", self.core.disconnected, self.now_ms())

    def take(self, message: Heard, received: float) -> None:
        """A decoded message that came at clock time `received`, in seconds."""
        if received - self._standing.seen_s > GAP_S:
            self._standing.hold(partial(self._take_later, message))
            return
        at_ms = int((received - self._started) * 1_000)
        if self.earlier_hash:
            self.earlier_hash, self.urgent = b"", True
        if self._record:
            self._record.message(at_ms, message)
        observing = type(message) in _OBSERVING
        if observing:
            self._received = received
        effects = self.core.client(message, at_ms)
        intake = self._hearing.last_intake
        if intake is not None:
            self._gauges.samples[OUTCOMES[intake]] += 1
        elif observing:
            refused = any(type(e) is Send and type(e.message) is ErrorMessage for e in effects)
            self._gauges.samples[SampleOutcome.MALFORMED if refused else SampleOutcome.EMPTY] += 1
        self._carry_out(effects, at_ms)

    def look(self, seen: Observed, received: float) -> None:
        """What was seen in a picture that came at clock time `received`, in seconds: heard now, timed from then on."""
        now = self._clock()
        if now - self._standing.seen_s > GAP_S:
            self._standing.hold(partial(self.look, seen, received))
        elif not self.fenced:
            self.take(seen, now)
            self._received = received

    def _take_later(self, message: Heard) -> None:
        """The worker stood still, and the session is still its own: what came meanwhile is taken as of now."""
        if not self.fenced:
            self.take(message, self._clock())

    def send(self, message: Outgoing) -> None:
        """Send to the client at once, if there is one; who reads too slowly for this is closed."""
        socket, codec = self.socket, self._codec
        if socket is None or codec is None:
            return
        waiting = socket.buffered_bytes
        socket.send(codec.encode(message))
        self._sent_ms = self.now_ms()
        if waiting > self._around.socket.outbox_bytes:
            socket.close(CloseCode.TOO_SLOW, "the client reads too slowly")

    def _close_socket(self, code: CloseCode, reason: str, last: Outgoing | None = None) -> None:
        """Say a last word and close."""
        if last is not None:
            self.send(last)
        if self.socket is not None:
            self.socket.close(code, reason)

    # scores and commands ------------------------------------------------------------------------------------------

    def scores_ready(self, ticket: int, scores: Scores | None, queue_ms: float, infer_ms: float) -> None:
        """The predictor's answer."""
        if self.fenced:
            return
        now = self._clock()
        if now - self._standing.seen_s > GAP_S:
            self._standing.hold(partial(self.scores_ready, ticket, scores, queue_ms, infer_ms))
            return
        at_ms = int((now - self._started) * 1_000)
        if scores is None:
            if self._record:
                self._record.event(at_ms, "model_failed", ticket=ticket)
            self._carry_out(self.core.model_failed(ticket, at_ms), at_ms)
            return
        if self._record:
            self._record.event(at_ms, "scores", ticket=ticket, scores=scores)
        total = now - self._received
        self._gauges.latency(total)
        timing = Timing(float(self._age_ms(at_ms)), queue_ms, None, None, infer_ms, int(total * 1_000_000) / 1_000)
        self._carry_out(self.core.scored(ticket, scores, at_ms, timing), at_ms)

    def command(self, command: Order, by: str) -> None:
        """A watcher's command, already authorised. Raises ProtocolError when it cannot be done."""
        self._check_standing()
        at_ms = self.now_ms()
        if self._record:
            self._record.command(at_ms, command, by)
        self._obey(lambda: self.core.command(command, by, at_ms), at_ms)

    def acknowledge(self, alert_id: str, by: str, note: str | None) -> None:
        """A watcher acknowledges an alert. Raises ProtocolError for an unknown one."""
        self._check_standing()
        at_ms = self.now_ms()
        if self._record:
            self._record.acknowledge(at_ms, alert_id, by, note)
        self._obey(lambda: self.core.acknowledge(alert_id, by, note, at_ms), at_ms)

    def store_changed(self, store: str, up: bool) -> None:
        name = "store_up" if up else "store_down"
        self._happened(name, partial(self.core.store_changed, store, up), self.now_ms(), store=store)

    def models_changed(self, models: tuple[ModelRef, ...]) -> None:
        """Other versions score from the next row on."""
        core = self.core
        if not self.fenced and models != core.care.models:
            self.urgent = True
            self._happened("models_changed", partial(core.models_changed, models), self.now_ms(), models=models)

    def own(self, epoch: int) -> None:
        """The session's epoch became known late, because the broker was away when it opened."""
        self._happened("owner_changed", partial(self.core.owner_changed, epoch), self.now_ms(), epoch=epoch)

    def fence(self) -> None:
        """Another worker owns the session now: this one says and does nothing more."""
        self.leave("the session moved", GoAway(reason="moved", time_left_ms=0))

    def replace(self) -> None:
        """The client has come back to another worker: its socket here is closed with 4409, as a second one would."""
        if self.socket is not None:
            self.socket.close(CloseCode.REPLACED, "another socket took the session over")
            self.socket = self.frames = None

    def leave(self, reason: str, last: GoAway | None = None) -> None:
        """Give the session up as its last snapshot has it: the client is sent elsewhere, here nothing more is done."""
        self._close_socket(CloseCode.RESTART, reason, last)
        self.fenced = True
        self.socket = self.frames = None
        self.stop()

    def stop(self) -> None:
        """No more timers; the session stays as its last snapshot has it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._record:
            self._record.close()
        self._gauges.clear(over=self.over and not self.fenced)

    def now_ms(self) -> int:
        """Session time."""
        return int((self._around.clock() - self._started) * 1_000)

    @property
    def waits_for_acknowledgement(self) -> bool:
        """Whether an alert of the session may still escalate."""
        return self.core.care.alerts.next_deadline() != NEVER

    def _happened(self, name: str, tell: Callable[[int], Sequence[Effect]], at_ms: int, **told: Any) -> None:
        """Something that nobody said: recorded, then told to the core."""
        if self._record:
            self._record.event(at_ms, name, **told)
        self._carry_out(tell(at_ms), at_ms)

    # carrying out -------------------------------------------------------------------------------------------------

    def _carry_out(self, effects: Sequence[Effect], at_ms: int) -> None:
        if self._record and effects:
            self._record.effects(at_ms, effects)
        for effect in effects:
            kind = type(effect)
            if kind is Analyse:
                self._submit(effect.row, effect.ticket, self)  # type: ignore[union-attr]
            elif kind is Send:
                message = effect.message  # type: ignore[union-attr]
                if type(message) is Result:
                    self._post_result(message, at_ms)
                else:
                    self._send_effect(message)  # type: ignore[arg-type]
            else:
                self._tell(effect, at_ms)
        if at_ms >= self.outlets.next_state_ms and not self.over:  # what was told as closed is not told as alive
            self.outlets.publish_state(at_ms)
        if self._ledger.wake_ms < self._timer_ms:
            self._arm()

    def _obey(self, ask: Callable[[], Sequence[Effect]], at_ms: int) -> None:
        """What fell due before a refused command is carried out all the same, at its own time."""
        try:
            effects = ask()
        except ProtocolError:
            self._carry_out(self.core.advance(at_ms), at_ms)
            raise
        self._carry_out(effects, at_ms)

    def _post_result(self, result: Result, at_ms: int) -> None:
        """A result may wait for others, and may be lost: for a slow reader it is dropped."""
        gauges = self._gauges
        gauges.results[()] += 1
        gauges.age((result.signal.age_ms or 0) / 1_000)
        socket, codec = self.socket, self._codec
        if socket is None or codec is None:
            return
        if self.frames is not None:
            self._answer_frame(self.frames, self.frames.timed(result))
            return
        if socket.buffered_bytes > self._conflate_bytes:
            self._around.metrics.conflated()
            return
        socket.post(codec.encode(result))
        self._sent_ms = at_ms

    def _answer_frame(self, frames: Frames, answer: Result | Skipped | ErrorMessage) -> None:
        """A picture's one answer is never dropped: it is its sender's leave to send more."""
        self.send(answer)
        frames.answered(answer)

    def _send_effect(self, message: ServerMessage) -> None:
        kind = type(message)
        if kind is Signal:
            self._gauges.see_signal(message.status)  # type: ignore[union-attr]
        elif kind is ErrorMessage:
            self._around.metrics.error(ErrorCode(message.code))  # type: ignore[union-attr]
        elif kind is not Skipped:
            self.urgent = True
        if self.frames is not None and isinstance(message, (Skipped, ErrorMessage)):
            self._answer_frame(self.frames, message)
        else:
            self.send(message)

    def _tell(self, effect: Effect, at_ms: int) -> None:
        if isinstance(effect, Over):
            self.over = self.urgent = True
            self._close_socket(CloseCode.NORMAL, "the session has ended")
        else:
            if isinstance(effect, Raise):
                self.urgent = True
            self.outlets.tell(effect, at_ms)

    # time ---------------------------------------------------------------------------------------------------------

    def _check_standing(self) -> None:
        """Raises ProtocolError(internal) while it is not known whether the session is still this worker's."""
        if self._clock() - self._standing.seen_s > GAP_S:
            raise ProtocolError(ErrorCode.INTERNAL, "the service stood still for a moment: send this again")

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        now_ms = (self._clock() - self._started) * 1_000
        due = wake_ms = self._ledger.wake_ms
        if self.socket is not None:
            due = min(due, self._sent_ms + self._around.session.control.heartbeat_ms - _EARLY_MS)
        if self.over or due == NEVER:
            due = wake_ms if self.waits_for_acknowledgement else NEVER
        self._timer, self._timer_ms = None, due
        if due != NEVER:
            self._timer = self._around.call_later(max(0.0, due - now_ms) / 1_000 + 0.001, self._tick)

    def _tick(self) -> None:
        self._timer, self._timer_ms = None, NEVER
        if self._clock() - self._standing.seen_s > GAP_S:
            self._standing.hold(lambda: None if self.fenced or self._timer else self._tick())
            return
        at_ms = self.now_ms()
        if at_ms >= self._ledger.wake_ms or at_ms >= self.outlets.next_state_ms:  # else it may be a heartbeat's time
            self._carry_out(self.core.advance(at_ms), at_ms)
        heartbeat_ms = self._around.session.control.heartbeat_ms
        if self.socket is not None and at_ms - self._sent_ms >= heartbeat_ms - _EARLY_MS:
            self.send(Heartbeat(server_ts=self._around.wall_ms()))
        if self._timer is None:
            self._arm()
