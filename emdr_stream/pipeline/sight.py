"""Observations and the passing of time in, the status of the signal out: blindness is not calm.

`stale` after 2 s and `lost` after 8 s without a usable sight of the client, `degraded` when what comes is poor or rare.
The ages are those of the samples themselves, so a late burst of old samples is not taken for a live view.
"""

from typing import Final

import msgspec

from emdr_stream.domain import Observation, SignalStatus
from emdr_stream.settings import SignalSettings

_SMOOTH: Final = 0.1
"""Weight of the newest sample in the means of quality and interval: about the last ten samples."""

_LONGEST_MS: Final = 2_000.0
"""A longer interval between two samples counts as this much in their mean."""


class SightState(msgspec.Struct):
    """What is remembered of the signal. Session times in milliseconds; restorable."""

    last_usable_ms: float = 0.0
    status: SignalStatus = SignalStatus.OK
    quality: float | None = None
    interval_ms: float = 100.0
    many_since_ms: int | None = None
    many: bool = False
    expected: bool = False
    """A socket is attached and the client has yet to show itself."""


class Sight:
    """Watches whether the client is seen; `update` tells of a change of status."""

    __slots__ = ("_least_quality", "_lost_after_ms", "_rare_ms", "_settings", "_stale_after_ms", "state")

    def __init__(self, settings: SignalSettings, state: SightState | None = None) -> None:
        self._settings = settings
        self._lost_after_ms = settings.lost_after_ms
        self._stale_after_ms = settings.stale_after_ms
        self._least_quality = settings.degraded_quality
        self._rare_ms = 1_000.0 / settings.degraded_rate_hz if settings.degraded_rate_hz else float("inf")
        self.state = state or SightState()

    def see(self, observation: Observation, sample_ms: float, quality: float) -> None:
        """Take a usable observation made at session time `sample_ms`; `quality` 0..1."""
        state = self.state
        state.expected = False
        interval = sample_ms - state.last_usable_ms
        if interval > 0:
            state.last_usable_ms = sample_ms
            state.interval_ms += _SMOOTH * ((interval if interval < _LONGEST_MS else _LONGEST_MS) - state.interval_ms)
        state.quality = quality if state.quality is None else state.quality + _SMOOTH * (quality - state.quality)

    def count_faces(self, faces: int | None, at_ms: int) -> bool | None:
        """Take a face count; True when more than one face has now been seen for long enough, False when that ended."""
        state = self.state
        if not faces:
            return None  # nobody to be seen is not one alone: whoever was there may be there still
        if faces <= 1:
            was, state.many, state.many_since_ms = state.many, False, None
            return False if was else None
        if state.many_since_ms is None:
            state.many_since_ms = at_ms
        if not state.many and at_ms - state.many_since_ms >= self._settings.many_faces_ms:
            state.many = True
            return True
        return None

    def restart(self, at_ms: int) -> None:
        """Begin anew, as after a reconnect: the client has from now on to show itself.

        What was bad stays bad until a usable sight shows otherwise: waiting is not seeing.
        """
        state = self.state
        state.last_usable_ms, state.expected = float(at_ms), True
        state.quality, state.interval_ms = None, SightState().interval_ms
        if not state.many:
            state.many_since_ms = None

    def age_ms(self, at_ms: int) -> int:
        age = int(at_ms - self.state.last_usable_ms)
        return age if age > 0 else 0

    def update(self, at_ms: int) -> SignalStatus | None:
        """The new status when it changed at `at_ms`, otherwise None."""
        status = self._status(at_ms)
        if status is self.state.status:
            return None
        self.state.status = status
        return status

    def next_deadline(self) -> float:
        """Session time at which silence alone would change the status; infinity once the signal is lost."""
        state, settings = self.state, self._settings
        if state.status is SignalStatus.LOST:
            return float("inf")
        wait = settings.lost_after_ms if state.status is SignalStatus.STALE else settings.stale_after_ms
        return state.last_usable_ms + wait

    def _waits_lost(self) -> bool:
        """A lost client that has not shown itself since the reconnect is still lost."""
        return self.state.expected and self.state.status is SignalStatus.LOST

    def _status(self, at_ms: int) -> SignalStatus:
        state = self.state
        age = at_ms - state.last_usable_ms
        if age >= self._lost_after_ms:
            return SignalStatus.LOST
        if age >= self._stale_after_ms:
            return state.status if self._waits_lost() else SignalStatus.STALE
        if state.expected and state.status is not SignalStatus.OK:
            return state.status
        if state.interval_ms > self._rare_ms:
            return SignalStatus.DEGRADED
        quality = state.quality
        poor = quality is not None and quality < self._least_quality
        return SignalStatus.DEGRADED if poor else SignalStatus.OK
