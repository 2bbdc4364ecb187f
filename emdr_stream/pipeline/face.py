"""Looks at a face in, observations out: what takes time to see (blinks, closed eyes, a restless head) is measured here.

One object a session, fed each look in turn. It forgets all when the client's clock jumps or nothing came for a while:
a blink cannot be told from a gap.
"""

from collections import deque
from math import exp, hypot, radians
from typing import Final

from emdr_stream.domain import EMOTIONS, MISSING, N_SIGNALS, Observation
from emdr_stream.wire.face import FacePlace, FaceProblem, FaceView, Gaze, HeadPose

_NOTHING: Final = (MISSING,) * N_SIGNALS
_NO_EMOTIONS: Final = (MISSING,) * len(EMOTIONS)
_UNSEEN: Final = frozenset({FaceProblem.NO_FACE, FaceProblem.MANY_FACES})
_LONGEST_GAP_MS: Final = 2_000.0
_CLOCK_JUMP_MS: Final = 5_000.0

_BELIEVED_MS: Final = 250.0
"""How long a face that was lost must be seen again before it counts. A detector that looks at an empty chair takes a
shadow for a face now and then, for a frame or two: each would begin the count towards `lost` anew."""

_FORGOTTEN_MS: Final = 1_000.0
"""After so long without a usable look, what was measured over time begins anew; for a blurred picture or two it does
not. What this person's open eyes score is no such measure: eyes that closed out of sight would pass for open ones."""

_EYES_TAU_S: Final = 20.0
"""PERCLOS is a share of time; the simulator's person, from whom the models learnt, is averaged over such a window."""
_CLOSED: Final = 0.5
"""Part of the way from this person's open eyes to closed ones from which an eye counts as closed, and below ..."""
_OPEN: Final = 0.3
"""... this as open again. PERCLOS asks for 80 % closed; the blink score of a face model saturates well before."""
_OPEN_TAU_S: Final = 10.0
"""How soon the level of open eyes follows eyes that have become narrower."""
_CLOSED_TAU_S: Final = 300.0
"""The same while the eyes count as closed: beyond every window that the models look at. Closed eyes of real faces score
0.55 to 0.75, and a level that followed them as soon would have them open again within seconds. It follows at all
because glasses or another place of the camera may raise what open eyes score for good."""
_LONGEST_BLINK_MS: Final = 500.0
"""A longer closure is no blink (blinks last 100 to 400 ms: Schiffman 2001)."""
_BLINK_WINDOW_MS: Final = 30_000.0
_LEAST_WINDOW_MS: Final = 10_000.0
_SLOWEST_FOR_BLINKS_MS: Final = 125.0
"""Mean interval above which most blinks would fall between two looks."""
_INTERVAL_WEIGHT: Final = 0.1

_POSE_TAU_S: Final = 0.15
"""Jitter of the pose between two looks would count as motion, the more the faster the camera: it is smoothed first."""
_MOTION_TAU_S: Final = 1.0
_GAZE_DEGREES: Final = 30.0
"""How far the eyes turn at the end of the gaze score: about the comfortable range of the eye."""
_FACING_DEGREES: Final = 20.0
"""Within this the client looks at the screen: the light itself moves by 12 to 20 degrees."""
_TURNED_DEGREES: Final = 50.0
_ATTENTION_TAU_S: Final = 1.0
"""A blink is no absence."""


class FaceSignals:
    """Turns looks into observations. Times are the client's, in milliseconds."""

    __slots__ = (
        "_attention",
        "_back_ms",
        "_eyes",
        "_interval_ms",
        "_lost",
        "_motion",
        "_newest_ms",
        "_seen_ms",
        "_since_ms",
    )

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew, as after a reconnect."""
        self._newest_ms: float | None = None
        self._lost = False
        self._back_ms: float | None = None
        """Since when a face that was lost is seen again."""
        self._interval_ms = 0.0
        self._seen_ms = 0.0
        self._eyes = _Eyes()
        self._restart(0.0)

    def is_older(self, ts_ms: float) -> bool:
        """Whether a look at `ts_ms` comes after a newer one; much older ones are a clock that was set anew."""
        return self._newest_ms is not None and 0.0 <= self._newest_ms - ts_ms < _CLOCK_JUMP_MS

    def observe(self, view: FaceView, ts_ms: float, delay_ms: int = 0) -> Observation:
        """What the look at `ts_ms` says of the client; a problem leaves every value missing. `delay_ms`: see there."""
        gap_ms = 0.0 if self._newest_ms is None else ts_ms - self._newest_ms
        if self._newest_ms is None or not 0.0 <= gap_ms <= _LONGEST_GAP_MS:
            self.forget()
            self._restart(ts_ms)
            gap_ms = 0.0
        self._newest_ms = ts_ms
        believed = view.problem is None and self._believes(ts_ms)
        if not believed:
            self._lose(view)
            present = False if view.problem is None else _presence(view)
            return Observation(
                ts_ms, _NOTHING, present, view.faces if present is not False else 0, view.quality, delay_ms
            )
        if ts_ms - self._seen_ms > _FORGOTTEN_MS:
            self._restart(ts_ms)
        self._seen_ms = ts_ms
        if gap_ms:
            self._interval_ms += _INTERVAL_WEIGHT * (gap_ms - self._interval_ms) if self._interval_ms else gap_ms
        return Observation(ts_ms, self._values(view, ts_ms, gap_ms), True, view.faces, view.quality, delay_ms)

    def _restart(self, ts_ms: float) -> None:
        """What takes time to see is seen from now on: nobody blinks, or is calm, while nobody is there."""
        self._since_ms = self._seen_ms = ts_ms
        self._eyes = _Eyes(self._eyes.open)
        self._motion = _Motion()
        self._attention = MISSING

    def _lose(self, view: FaceView) -> None:
        self._eyes.lose()
        self._motion.lose()
        if view.problem is FaceProblem.NO_FACE:
            self._lost, self._back_ms = True, None

    def _believes(self, ts_ms: float) -> bool:
        """Whether a face that is seen now counts: at once, unless it was lost a moment ago."""
        if self._lost:
            if self._back_ms is None:
                self._back_ms = ts_ms
            self._lost = ts_ms - self._back_ms < _BELIEVED_MS
        return not self._lost

    def _values(self, view: FaceView, ts_ms: float, gap_ms: float) -> tuple[float, ...]:
        gap_s = gap_ms / 1_000
        if view.eye_closure is not None:
            self._eyes.see(view.eye_closure, ts_ms, gap_s)
        motion = MISSING if view.pose is None else self._motion.see(view.pose, view.place, gap_s)
        expression = view.expression
        emotions = _NO_EMOTIONS if expression is None else expression.emotions
        valence = MISSING if expression is None else expression.valence
        arousal = MISSING if expression is None else expression.arousal
        body = (self._blink_rate(ts_ms), self._eyes.share_closed, motion, MISSING)
        return (valence, arousal, self._attend(view, gap_s), *emotions, *body)

    def _blink_rate(self, ts_ms: float) -> float:
        window_ms = min(ts_ms - self._since_ms, _BLINK_WINDOW_MS)
        if window_ms < _LEAST_WINDOW_MS or self._interval_ms > _SLOWEST_FOR_BLINKS_MS:
            return MISSING
        return min(120.0, self._eyes.blinks_since(ts_ms - window_ms) * 60_000.0 / window_ms)

    def _attend(self, view: FaceView, gap_s: float) -> float:
        """Whether the open eyes are turned to the screen: what a camera can see of attention, and no more."""
        if view.pose is None:
            return MISSING
        now = _facing(view.pose, view.gaze) * (1.0 - self._eyes.closed_now)
        if self._attention == self._attention:
            now = self._attention + (1.0 - exp(-gap_s / _ATTENTION_TAU_S)) * (now - self._attention)
        self._attention = now
        return now


class _Eyes:
    """Blinks and closed eyes of one person. Closures are scores, 0 open to 1 closed."""

    __slots__ = ("_blinks", "_closed_ms", "_seen_s", "closed_now", "open", "share_closed")

    def __init__(self, opened: float = MISSING) -> None:
        """`opened`: what this person's open eyes score, as far as that is known."""
        self.open = opened
        self._closed_ms: float | None = None
        self._blinks: deque[float] = deque(maxlen=128)
        self._seen_s = 0.0
        self.closed_now = 0.0
        self.share_closed = MISSING

    def see(self, closure: float, ts_ms: float, gap_s: float) -> None:
        if self.open != self.open:
            self.open = min(closure, 0.5)
        # Narrow eyes score higher than wide ones: down to what this person shows at once, up slowly.
        tau_s = _CLOSED_TAU_S if self.closed_now else _OPEN_TAU_S
        drift = 1.0 if closure < self.open else 1.0 - exp(-gap_s / tau_s)
        self.open += drift * (min(closure, 0.6) - self.open)
        part = (closure - self.open) / (1.0 - self.open)
        was_closed = self._closed_ms is not None
        closed = part > (_OPEN if was_closed else _CLOSED)
        self.closed_now = 1.0 if closed else 0.0
        self._share(gap_s)
        if closed and not was_closed:
            self._closed_ms = ts_ms
        elif was_closed and not closed:
            if ts_ms - (self._closed_ms or 0.0) <= _LONGEST_BLINK_MS:
                self._blinks.append(ts_ms)
            self._closed_ms = None

    def _share(self, gap_s: float) -> None:
        """The mean of what was seen, until that fills the window: a blink at the first look is no closed eye."""
        if self.share_closed != self.share_closed:
            self.share_closed = self.closed_now
            return
        self._seen_s += gap_s
        if self._seen_s > 0.0:
            weight = max(gap_s / self._seen_s, 1.0 - exp(-gap_s / _EYES_TAU_S))
            self.share_closed += weight * (self.closed_now - self.share_closed)

    def lose(self) -> None:
        """The face is out of sight: a closure that began is not known to end."""
        self._closed_ms = None

    def blinks_since(self, ts_ms: float) -> int:
        while self._blinks and self._blinks[0] < ts_ms:
            self._blinks.popleft()
        return len(self._blinks)


class _Motion:
    """Speed of the head, smoothed: 1 is a radian a second, or the face's own height a second, or more."""

    __slots__ = ("_smooth", "_speed")

    def __init__(self) -> None:
        self.lose()

    def lose(self) -> None:
        self._smooth: tuple[float, ...] | None = None
        self._speed = MISSING

    def see(self, pose: HeadPose, place: FacePlace | None, gap_s: float) -> float:
        """The head's motion, 0..1; missing at the first look."""
        now: tuple[float, ...] = (radians(pose.yaw), radians(pose.pitch), radians(pose.roll))
        scale: tuple[float, ...] = (1.0, 1.0, 1.0)
        if place is not None and place.height > 0:
            now, scale = (*now, place.x, place.y), (*scale, 1.0 / place.height, 1.0 / place.height)
        before = self._smooth
        if before is None or len(before) != len(now):
            self._smooth = now
        elif gap_s > 0:
            kept = exp(-gap_s / _POSE_TAU_S)
            smooth = tuple(kept * b + (1.0 - kept) * n for b, n in zip(before, now, strict=True))
            moved = hypot(*((s - b) * unit for s, b, unit in zip(smooth, before, scale, strict=True)))
            self._smooth = smooth
            speed = min(1.0, moved / gap_s)
            self._speed = (
                speed
                if self._speed != self._speed
                else self._speed + (1.0 - exp(-gap_s / _MOTION_TAU_S)) * (speed - self._speed)
            )
        return self._speed


def _facing(pose: HeadPose, gaze: Gaze | None) -> float:
    """1 where the line of sight meets the screen, 0 where it is turned away; the head alone where no gaze is known."""
    across, up = pose.yaw, pose.pitch
    if gaze is not None:
        across, up = across - _GAZE_DEGREES * gaze.right, up + _GAZE_DEGREES * gaze.up
    away = hypot(across, up)
    return min(1.0, max(0.0, (_TURNED_DEGREES - away) / (_TURNED_DEGREES - _FACING_DEGREES)))


def _presence(view: FaceView) -> bool | None:
    """False for a lost face. A face that cannot be read is there, and two are more than one: neither is a lost one."""
    return False if view.problem is FaceProblem.NO_FACE else None if view.problem in _UNSEEN else True
