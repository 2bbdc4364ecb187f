"""Messages and records of one session in, effects in their order out: numbers them, and remembers the durable ones.

Everything that the session does is written down here first: the effects that the runner carries out, the counters of
the protocol, and the time by which the core must be called again.
"""

from typing import Any, TypeVar

import msgspec

from emdr_stream.session.effects import Effect, Keep, Notify, Send
from emdr_stream.session.facts import CoreState, SessionFacts
from emdr_stream.wire.stream import ControlPause, ControlResume, DurableMessage
from emdr_stream.wire.watch import SessionNotice

_Durable = TypeVar("_Durable", ControlPause | ControlResume, DurableMessage)


class Ledger:
    """What one session has said. `out`: effects not yet handed on; `wake_ms`: a lower bound of the next deadline."""

    __slots__ = ("_kept", "facts", "out", "state", "wake_ms")

    def __init__(self, facts: SessionFacts, state: CoreState, kept: int) -> None:
        """`kept`: how many durable messages are remembered for a client that comes back."""
        self.facts = facts
        self.state = state
        self.out: list[Effect] = []
        self.wake_ms: float = 0.0
        self._kept = kept

    def next_seq(self) -> int:
        self.state.seq += 1
        return self.state.seq

    def send_durable(self, message: DurableMessage) -> None:
        state = self.state
        state.durable.append(message)
        if len(state.durable) > self._kept:
            del state.durable[0]
        if isinstance(message, (ControlPause, ControlResume)):
            state.newest_control = message
        self.out.append(Send(message))

    def missed(self, last_seq: int) -> list[DurableMessage]:
        """The durable messages after `last_seq`, all of them or none, under the epoch that counts now."""
        if not self.remembers(last_seq):
            return []
        return [self._restamped(message) for message in self.state.durable if message.seq > last_seq]

    def remembers(self, last_seq: int) -> bool:
        """Whether every durable message after `last_seq` is still there to be replayed."""
        state = self.state
        return sum(message.seq > last_seq for message in state.durable) == state.seq - last_seq

    def newest_control(self) -> ControlPause | ControlResume | None:
        """The control message that stands, to be sent anew as it was."""
        newest = self.state.newest_control
        return None if newest is None else self._restamped(newest)

    def notify(self, notice: SessionNotice) -> None:
        self.out.append(Notify(notice))

    def keep(self, kind: str, at_ms: int, **fields: Any) -> None:
        """Write a record; `kind` is a RecordKind's value."""
        self.out.append(Keep(kind, {"at_ms": at_ms, **fields}))

    def wake_by(self, deadline_ms: float) -> None:
        if deadline_ms < self.wake_ms:
            self.wake_ms = deadline_ms

    def taken(self) -> list[Effect]:
        """Hand the effects on."""
        taken, self.out = self.out, []
        return taken

    def _restamped(self, message: _Durable) -> _Durable:
        """A client ignores messages of a lower epoch, and an earlier owner's are no less true."""
        epoch = self.state.epoch
        return message if message.epoch == epoch else msgspec.structs.replace(message, epoch=epoch)
