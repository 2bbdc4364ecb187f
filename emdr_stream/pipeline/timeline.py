"""Client times in, session times out: estimates the offset of the client's clock and survives its jumps.

The smallest difference between arrival and sample time is the least delayed reading of the offset; it is allowed to
creep up slowly, so that a drifting clock is followed.
"""

from typing import Final

import msgspec

CREEP_PER_MS: Final = 0.0005
"""How fast the offset may rise: 0.5 ms a second, ten times the drift of a poor quartz."""
CONFIRMATIONS: Final = 5
"""A clock that seems to have jumped back is believed after this many samples in a row say so.

It must run meanwhile: a time that only stands still is no clock, and what it stamps is never taken for a live view.
"""
_NEVER: Final = float("-inf")


class Timeline(msgspec.Struct):
    """Clock offset of one client. Times in milliseconds; session time starts at 0 when the session opens."""

    jump_ms: int
    offset_ms: float | None = None
    last_at_ms: int = 0
    suspicious: int = 0
    suspicious_ts_ms: float = _NEVER
    """The newest time of the clock that seems to have jumped back."""
    jumps: int = 0

    def to_session(self, ts_ms: float, at_ms: int) -> float:
        """Session time of a sample stamped `ts_ms` that arrived at session time `at_ms`; never in the future."""
        difference = at_ms - ts_ms
        offset = self.offset_ms
        if offset is None:
            offset = difference
        elif offset - difference > self.jump_ms:
            offset = difference
            self.jumps += 1
        elif difference - offset > self.jump_ms:
            self.suspicious += ts_ms > self.suspicious_ts_ms
            self.suspicious_ts_ms = ts_ms
            if self.suspicious >= CONFIRMATIONS:
                offset = difference
                self.jumps += 1
                self.suspicious = 0
        else:
            if self.suspicious_ts_ms != _NEVER:
                self.suspicious, self.suspicious_ts_ms = 0, _NEVER
            offset += CREEP_PER_MS * (at_ms - self.last_at_ms)
            if difference < offset:
                offset = difference
        self.last_at_ms = at_ms
        self.offset_ms = offset
        return ts_ms + offset
