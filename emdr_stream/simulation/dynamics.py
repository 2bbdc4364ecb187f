"""In: drives and noise on a time grid. Out: first-order filtered paths, computed for all steps at once."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NEGLIGIBLE = 1e-12


def first_order(drive: Floats, decay: Floats) -> Floats:
    """Solve `y[t] = decay * y[t-1] + drive[t]`, `y[-1] = 0`, along the first axis.

    `drive` is (N, C), `decay` (C,) in [0, 1). Doubling the reach of the sum in each pass takes log2 N passes
    and, other than a quotient of cumulative sums, loses no precision.
    """
    path = drive.copy()
    power = decay.astype(np.float64)
    reach = 1
    while reach < len(path) and float(power.max(initial=0.0)) > NEGLIGIBLE:
        path[reach:] += power * path[:-reach]
        power = power * power
        reach *= 2
    return path


def follow(target: Floats, tau_s: Floats, step_s: float) -> Floats:
    """`target` (N, C) seen through a lag of `tau_s` (C,) seconds, starting at its first value."""
    decay = np.exp(-step_s / tau_s)
    lagged = first_order((1.0 - decay) * (target - target[0]), decay)
    return np.asarray(target[0] + lagged)


def wander(rng: np.random.Generator, n: int, sd: Floats, tau_s: Floats, step_s: float) -> Floats:
    """A stationary Ornstein-Uhlenbeck path (N, C) about zero with standard deviation `sd` (C,)."""
    decay = np.exp(-step_s / tau_s)
    shocks = rng.standard_normal((n, len(sd)))
    shocks[1:] *= np.sqrt(1.0 - decay**2)
    return first_order(shocks, decay) * sd


def trapezoid(time_s: Floats, start_s: float, rise_s: float, hold_s: float, fall_s: float) -> Floats:
    """0 before `start_s`, linear to 1 within `rise_s`, held, and back to 0 within `fall_s`."""
    corners = np.cumsum([start_s, max(rise_s, 1e-3), hold_s, max(fall_s, 1e-3)])
    return np.asarray(np.interp(time_s, corners, (0.0, 1.0, 1.0, 0.0)))


def trailing_mean(path: Floats, width: int) -> Floats:
    """Mean of the last `width` steps (fewer at the start) along the first axis of (N, …)."""
    total = np.cumsum(path, axis=0, dtype=np.float64)
    total[width:] -= total[:-width].copy()
    count = np.minimum(np.arange(1, len(path) + 1), width).reshape(-1, *([1] * (path.ndim - 1)))
    return np.asarray(total / count)


def centred_mean(path: Floats, width: int) -> Floats:
    """Mean over `width` steps centred on each step (fewer at the ends) along the first axis of (N, …)."""
    half = width // 2
    total = np.concatenate([np.zeros((1, *path.shape[1:])), np.cumsum(path, axis=0, dtype=np.float64)])
    steps = np.arange(len(path))
    low, high = np.maximum(steps - half, 0), np.minimum(steps + half + 1, len(path))
    return np.asarray((total[high] - total[low]) / (high - low).reshape(-1, *([1] * (path.ndim - 1))))


def pulses(
    rng: np.random.Generator, rate: Floats, length_s: tuple[float, float], depth: tuple[float, float], step_s: float
) -> Floats:
    """Rectangular pulses of random length and depth (n,); `rate` (n,) is how many begin per second."""
    n = len(rate)
    starts = np.flatnonzero(rng.random(n) < rate * step_s)
    ends = np.minimum(starts + np.maximum(rng.uniform(*length_s, len(starts)) / step_s, 1.0).astype(np.int64), n)
    heights = rng.uniform(*depth, len(starts))
    edges = np.zeros(n + 1)
    np.add.at(edges, starts, heights)
    np.add.at(edges, ends, -heights)
    return np.minimum(np.cumsum(edges)[:n], depth[1])
