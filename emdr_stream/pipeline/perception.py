"""One session's way from an observation to a feature row: timeline, quality gate, moments, baseline, row.

observation ─▶ timeline (client time → session time) ─▶ gate (late, duplicate, unusable)
            ─▶ moments (1, 5, 20, 60, 180 s) ─▶ baseline (first calm minute) ─▶ row for the predictor
"""

from enum import StrEnum
from functools import partial
from typing import Final

import msgspec
import numpy as np

from emdr_stream.domain import ANEW, N_SIGNALS, Observation
from emdr_stream.pipeline.baseline import Baseline, BaselinePrior, BaselineState
from emdr_stream.pipeline.features import CONTEXT_BYTES, MEMORY_IN_ROOM, ROOM, Array, baseline_part, put_context
from emdr_stream.pipeline.memory import Memory, MemoryState
from emdr_stream.pipeline.moments import COLUMNS, ROWS, TICK_S, Moments
from emdr_stream.pipeline.sight import Sight, SightState
from emdr_stream.pipeline.timeline import Timeline
from emdr_stream.settings import SessionSettings

FIRST_WEIGHT_S: Final = 0.1
"""What the first sample counts: nothing before it says how long it held."""
_SET_TIME_FULL_S: Final = 60.0
_TICKS_PER_MS: Final = 0.1
_RECENT_BYTES: Final = 64
"""Room for the ticks of the newest 5 s; late samples are taken for 2 s."""
_RECENT_MASK: Final = (1 << 8 * _RECENT_BYTES) - 1
_SUMS_BYTES: Final = 8 * ROWS * COLUMNS
"""Sums of other windows are those of another version of the service; the session goes on, and gathers them anew."""
_CORE_FIELDS: Final = 10
"""Dimensions and emotions; the body signals are a bonus, their absence is no fault."""


class Intake(StrEnum):
    """What became of an observation."""

    ACCEPTED = "accepted"
    LATE = "late"
    """Older than the newest, sorted in; one that shows nothing adds nothing."""
    TOO_LATE = "too_late"
    """Older than the limit, dropped."""
    DUPLICATE = "duplicate"
    UNUSABLE = "unusable"
    """A lost face, or nothing in it, and no newer sight of a face."""


class PerceptionState(msgspec.Struct):
    """Everything that another worker needs to go on; arrays as bytes of float64."""

    sums: bytes
    tick: int | None
    timeline: Timeline
    sight: SightState
    baseline: BaselineState
    recent: bytes = b""
    """Which of the newest ticks a sample was taken for; see `Perception`."""
    memory: MemoryState = msgspec.field(default_factory=MemoryState)


class Perception:
    """Sees one session. `fill_row` is for the predictor; `present` is what a result shows.

    A bit for each recent tick tells whether a sample was taken for it, so that a late one sent twice counts once.
    """

    __slots__ = (
        "_hold_s",
        "_late_ticks",
        "_moments",
        "_recent",
        "_settings",
        "baseline",
        "memory",
        "sight",
        "timeline",
    )

    def __init__(
        self, settings: SessionSettings, prior: BaselinePrior | None = None, state: PerceptionState | None = None
    ) -> None:
        self._settings = settings.signal
        self._hold_s = settings.signal.hold_ms / 1_000
        self._late_ticks = min(int(settings.signal.late_limit_ms * _TICKS_PER_MS), 8 * _RECENT_BYTES - 1)
        self._moments = Moments(ROOM)
        self._recent = 0
        self.timeline = state.timeline if state else Timeline(jump_ms=settings.signal.clock_jump_ms)
        self.sight = Sight(settings.signal, state.sight if state else None)
        self.baseline = Baseline(settings.baseline, prior, state.baseline if state else None)
        put = partial(self._moments.keep_behind, MEMORY_IN_ROOM)
        self.memory = Memory(put, state.memory if state else None)
        if state and len(state.sums) == _SUMS_BYTES:
            sums = np.frombuffer(state.sums, dtype=np.float64).reshape(ROWS, COLUMNS)
            self._moments.restore(sums, state.tick)
            self._recent = int.from_bytes(state.recent, "little")
        if self.baseline.ready:
            self._keep_baseline()

    def observe(self, observation: Observation, at_ms: int, calm: bool) -> Intake:
        """Take one observation that arrived at session time `at_ms`.

        `calm`: whether this time may count for the personal baseline.
        """
        values = observation.values
        first = values[0]
        # A reading with its first value is a sight of a face: the usual one needs no closer look.
        shows_face = first == first or observation.shows_face
        sample_ms = self.timeline.to_session(observation.ts_ms, at_ms - observation.delay_ms)
        if sample_ms > at_ms:
            sample_ms = float(at_ms)
        tick = int(sample_ms * _TICKS_PER_MS)
        if observation.face_present is False or not (shows_face or observation.usable):
            return self._take_nothing(tick)
        moments = self._moments
        newest = moments.tick
        if newest is None:
            weight = clock = FIRST_WEIGHT_S
            self._recent = 1
        else:
            ticks = tick - newest
            # What showed nothing in the same tick is no sample that this one could repeat.
            if ticks <= 0 and (ticks or self._recent & 1):
                return self._take_late(-ticks, observation)
            clock = ticks * TICK_S
            weight = clock if clock < self._hold_s else self._hold_s
            self._recent = (self._recent << ticks | 1) & _RECENT_MASK if ticks <= self._late_ticks else 1
        moments.add(tick, values, weight, clock)
        if shows_face:
            self.sight.see(observation, sample_ms, self._quality(observation))
        if calm and shows_face and not self.baseline.ready and self._take_own(observation, weight):
            self._keep_baseline()
        return Intake.ACCEPTED

    def present(self, signals: int = N_SIGNALS) -> list[float]:
        """Smoothed present values of the first `signals` of SIGNALS; NaN where nothing was seen of late."""
        return self._moments.present_values(signals)

    def pass_time(self, ts_ms: float, at_ms: int) -> None:
        """Let what is not seen become missing, up to `ts_ms` of the client's clock; heard at `at_ms`, which is later.

        A picture that was taken while this one was looked at is newer than it, and not late.
        """
        newest, offset_ms = self._moments.tick, self.timeline.offset_ms
        if newest is None or offset_ms is None:
            return
        tick = int(min(ts_ms + offset_ms, at_ms) * _TICKS_PER_MS)
        if tick > newest:
            self._recent = self._recent << min(tick - newest, 8 * _RECENT_BYTES) & _RECENT_MASK
            self._moments.pass_time(tick)

    def fill_row(self, set_ms: int | None, step: float = ANEW) -> Array:
        """The row as it stands, until the next sample. `set_ms`: how long the present set has run, None between.

        `step`: what the row is to the memory, BETWEEN, STEP or ANEW.
        """
        moments, sureness = self._moments, self.baseline.sureness
        if set_ms is None:
            put_context(moments.row_bytes, CONTEXT_BYTES, 0.0, 0.0, sureness, step)
        else:
            in_set = min(1.0, set_ms / 1_000 / _SET_TIME_FULL_S)
            put_context(moments.row_bytes, CONTEXT_BYTES, 1.0, in_set, sureness, step)
        return moments.row

    def current_row(self) -> Array:
        """The sums and the baseline as they stand, as a row; what it has as context is of some earlier time."""
        return self._moments.row

    def baseline_of(self, signal: int) -> float | None:
        """The person's own mean of a signal, None while there is none."""
        mean = float(self.baseline.mean[signal])
        return mean if self.baseline.ready and mean == mean else None

    def snapshot(self) -> PerceptionState:
        return PerceptionState(
            sums=self._moments.sums.tobytes(),
            tick=self._moments.tick,
            timeline=self.timeline,
            sight=self.sight.state,
            baseline=self.baseline.state,
            recent=self._recent.to_bytes(_RECENT_BYTES, "little"),
            memory=self.memory.state,
        )

    def _take_own(self, observation: Observation, weight: float) -> bool:
        """Whether this reading completed the baseline. Of two faces nobody knows whose is read: what is another
        person's would stay in the measure for the whole session."""
        faces = observation.faces
        return (faces is None or faces <= 1) and self.baseline.take(observation.values, weight)

    def _keep_baseline(self) -> None:
        self._moments.keep_behind(0, baseline_part(self.baseline.mean, self.baseline.deviation))

    def _take_nothing(self, tick: int) -> Intake:
        """What shows nothing tells of its own time: it takes nothing from a newer sight of the face.

        A newer heart rate is none: a lost face must not wait behind a wrist that sends faster.
        """
        ticks_ago = int(self.sight.state.last_usable_ms * _TICKS_PER_MS) - tick
        if ticks_ago <= 0:
            return Intake.UNUSABLE
        return Intake.TOO_LATE if ticks_ago > self._late_ticks else Intake.LATE

    def _take_late(self, ticks_ago: int, observation: Observation) -> Intake:
        if ticks_ago > self._late_ticks:
            return Intake.TOO_LATE
        if self._recent >> ticks_ago & 1:
            return Intake.DUPLICATE
        self._recent |= 1 << ticks_ago
        weight = min(self.sight.state.interval_ms, self._settings.hold_ms) / 1_000
        self._moments.add_late(ticks_ago, observation.values, weight)
        return Intake.LATE

    @staticmethod
    def _quality(observation: Observation) -> float:
        """Share of dimensions and emotions that are there, times the source's own trust in its reading."""
        values = observation.values[:_CORE_FIELDS]
        total = sum(values)
        if total == total:
            return observation.quality
        return observation.quality * sum(v == v for v in values) / _CORE_FIELDS
