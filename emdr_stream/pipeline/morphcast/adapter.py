"""One session's `morphcast` messages in, observations out: modules are fused by the client's clock.

Every field has the time of its own reading. What a module leaves out, or says with null, NaN or infinity, is missing,
never 0; a reading out of its range is refused and counted, and its field is missing. Values are never rescaled to make
them look larger: how far a person's face moves is the personal baseline's concern.
"""

from math import inf
from typing import Any, Final

from emdr_stream.domain import Observation
from emdr_stream.errors import ErrorCode, ProtocolError
from emdr_stream.pipeline.morphcast.fusion import FIELD_AGE_MS, Fusion
from emdr_stream.pipeline.morphcast.modules import ALARMS, READERS
from emdr_stream.pipeline.morphcast.readings import MorphcastCounters
from emdr_stream.wire.stream import Morphcast

CLOCK_RESET_MS: Final = 5_000.0
"""A client clock that goes back further than this was set anew: what was fused before is forgotten."""


class MorphcastAdapter:
    """One session's events; `feed` takes them message by message. It keeps the newest readings, never a payload."""

    __slots__ = ("_fusion", "_newest_ms", "counters")

    def __init__(self) -> None:
        self.counters = MorphcastCounters()
        self._fusion = Fusion()
        self._newest_ms = -inf

    def feed(self, message: Morphcast) -> Observation | None:
        """The observation at the message's `ts`, or None when no event says anything about the client.

        An event without a time of its own, or with one after the message's, has the message's time. A message older
        than the newest one speaks for itself alone. Raises ProtocolError(invalid_field) for a `ts` that is not finite
        and for a known event whose `detail` is no map; events before that one keep their effect.
        """
        ts_ms = message.ts
        if not -inf < ts_ms < inf:
            raise ProtocolError(
                ErrorCode.INVALID_FIELD, "`ts` must be a finite number of milliseconds", param="ts", re=message.id
            )
        fusion = self._fusion_at(ts_ms)
        counters = self.counters
        told = False
        for event in message.events:
            read = READERS.get(event.type)
            if read is None:
                counters.unknown_events += 1
                continue
            detail = event.detail
            if detail.__class__ is not dict:
                detail = _as_map(message, event.type, detail)
            at_ms = ts_ms if event.ts is None else self._event_time(event.ts, ts_ms)
            if read(fusion, detail, at_ms, counters):
                told = True
        return fusion.observation(ts_ms) if told else None

    def _fusion_at(self, ts_ms: float) -> Fusion:
        """Where a message's readings go: a late one's into a fusion of their own."""
        if ts_ms < self._newest_ms:
            if self._newest_ms - ts_ms <= CLOCK_RESET_MS:
                self.counters.late_messages += 1
                return Fusion()
            self.counters.clock_resets += 1
            self._fusion = Fusion()
        self._newest_ms = ts_ms
        return self._fusion

    def _event_time(self, event_ms: float, ts_ms: float) -> float:
        if not -inf < event_ms <= ts_ms:
            return ts_ms
        self.counters.old_readings += event_ms < ts_ms - FIELD_AGE_MS
        return event_ms


def _as_map(message: Morphcast, kind: str, detail: object) -> dict[Any, Any]:
    """A `detail` that is no map: nothing at all is an event without a reading, a bare flag an alarm's."""
    if detail is None:
        return {}
    if isinstance(detail, bool) and kind in ALARMS:
        return {"output": detail}
    index = next(i for i, event in enumerate(message.events) if event.type == kind and event.detail is detail)
    param = f"events[{index}].detail"
    raise ProtocolError(ErrorCode.INVALID_FIELD, f"`{param}` must be a map", param=param, re=message.id)
