"""In: short windows of face readings, or heart rates. Out: their figures: spread, memory, rises, flips, gaps.

The same code measures real and simulated streams, cut to the same length and rate, so that what a short window does to
a figure it does to both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emdr_stream.domain import SIGNALS

Floats = NDArray[np.float64]

FACE: Final = ("valence", "arousal", *SIGNALS[3:10])
"""Columns of a window: two dimensions, then seven emotions as probabilities."""
LAGS: Final = (1, 2, 5, 10)
LEAST: Final = 1e-4
RISE: Final = (0.1, 0.9)
LEAST_RISE: Final = 0.15
HEART_LAGS_S: Final = (10, 40, 120)


@dataclass(frozen=True, slots=True)
class FaceFigures:
    """Of valence, arousal and the emotions' logarithms (their mean over seven): median spread within windows, spread of
    the windows' means, autocorrelation at LAGS steps; share of steps at which the leading emotion changes; median time
    of a rise of valence or arousal, in seconds; share of frames without a reading."""

    windows: int
    within: Floats  # (3,)
    between: Floats  # (3,)
    memory: Floats  # (3, len(LAGS))
    flips: float
    rise_s: float
    missing: float

    def rows(self) -> list[tuple[str, float]]:
        """Each figure with its name."""
        names = ("valence", "arousal", "emotion logits")
        named = [(f"{name}: SD within", value) for name, value in zip(names, self.within.tolist(), strict=True)]
        named += [(f"{name}: SD between", value) for name, value in zip(names, self.between.tolist(), strict=True)]
        for name, row in zip(names, self.memory.tolist(), strict=True):
            named += [(f"{name}: autocorrelation, {lag * 80} ms", value) for lag, value in zip(LAGS, row, strict=True)]
        return [
            *named,
            ("leading emotion changes, share of steps", self.flips),
            ("median rise of valence or arousal, s", self.rise_s),
            ("frames without a reading, share", self.missing),
        ]


def face_figures(windows: Sequence[Floats], step_s: float) -> FaceFigures:
    """Figures of windows (n, 9) in the order of FACE, NaN where nothing was read."""
    known = [window[~np.isnan(window).any(axis=1)] for window in windows]
    known = [window for window in known if len(window) > max(LAGS)]
    if not known:
        raise ValueError("no window is long enough to be measured")
    logs = [_with_logs(window) for window in known]
    rises = [rise for window in known for column in (0, 1) if (rise := rise_s(window[:, column], step_s)) is not None]
    frames = sum(len(window) for window in windows)
    return FaceFigures(
        windows=len(known),
        within=_grouped(np.median([window.std(axis=0, ddof=1) for window in logs], axis=0)),
        between=_grouped(np.std([window.mean(axis=0) for window in logs], axis=0, ddof=1)),
        memory=np.column_stack([_grouped(autocorrelation(logs, lag)) for lag in LAGS]),
        flips=float(np.mean([(np.diff(window[:, 2:].argmax(axis=1)) != 0).mean() for window in known])),
        rise_s=float(np.median(rises)) if rises else float("nan"),
        missing=1.0 - sum((~np.isnan(window).any(axis=1)).sum() for window in windows) / frames,
    )


def autocorrelation(windows: Sequence[Floats], lag: int) -> Floats:
    """Autocorrelation (C,) at `lag` steps, about each window's own mean, pooled over windows (n, C)."""
    centred = [window - window.mean(axis=0) for window in windows]
    shared = sum((window[:-lag] * window[lag:]).sum(axis=0) for window in centred)
    total = sum((window**2).sum(axis=0) for window in centred)
    return np.asarray(shared / np.maximum(total, 1e-12))


def rise_s(path: Floats, step_s: float) -> float | None:
    """Time from a tenth to nine tenths of the largest rise within a window, None where it is small."""
    lows = np.minimum.accumulate(path)
    top = int(np.argmax(path - lows))
    low = int(np.argmin(path[: top + 1]))
    height = path[top] - path[low]
    if height < LEAST_RISE:
        return None
    part = (path[low : top + 1] - path[low]) / height
    start = int(np.flatnonzero(part <= RISE[0])[-1])
    return float((int(np.argmax(part >= RISE[1])) - start) * step_s) if part[start:].size else None


@dataclass(frozen=True, slots=True)
class HeartFigures:
    """Beats a minute at rest: median spread within a person, spread of their means, autocorrelation at HEART_LAGS_S;
    share of seconds without a reading; median step between neighbouring seconds."""

    persons: int
    within: float
    between: float
    memory: tuple[float, ...]
    missing: float
    step: float

    def rows(self) -> list[tuple[str, float]]:
        """Each figure with its name."""
        memory = [
            (f"heart rate: autocorrelation, {lag} s", value)
            for lag, value in zip(HEART_LAGS_S, self.memory, strict=True)
        ]
        return [
            ("heart rate: SD within, per min", self.within),
            ("heart rate: SD between, per min", self.between),
            *memory,
            ("heart rate: mean step in a second, per min", self.step),
            ("heart rate: seconds without a reading, share", self.missing),
        ]


def heart_figures(persons: Sequence[Floats]) -> HeartFigures:
    """Figures of one path (n,) a person, a value a second, NaN where nothing was read."""
    known = [path[~np.isnan(path)] for path in persons]
    columns = [path[:, None] for path in known]
    return HeartFigures(
        persons=len(known),
        within=float(np.median([path.std(ddof=1) for path in known])),
        between=float(np.std([path.mean() for path in known], ddof=1)),
        memory=tuple(float(autocorrelation(columns, lag)[0]) for lag in HEART_LAGS_S),
        missing=1.0 - sum(len(path) for path in known) / sum(len(path) for path in persons),
        step=float(np.mean([np.abs(np.diff(path)).mean() for path in known])),
    )


def _with_logs(window: Floats) -> Floats:
    return np.column_stack([window[:, :2], np.log(np.maximum(window[:, 2:], LEAST))])


def _grouped(values: Floats) -> Floats:
    """Valence, arousal, and the mean over the seven emotions."""
    return np.array([values[0], values[1], values[2:].mean()])
