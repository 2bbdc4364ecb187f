"""In: readings of real speakers. Out: how often the service pauses on them, and whether it finds a panic laid over.

The clips last one to three seconds and do not say whose they are, so each is looped on its own: 70 s for the
baseline, then five minutes. One more stream joins all clips, in the baseline as well as after it. Real faces, but no
real session: a negative control of noise and talking. Some constants of the simulator were fitted on these very clips.
"""

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emdr_stream.domain import N_SIGNALS, SIGNALS
from training.replay import Model, monitor, run_model
from training.rows import observe_stream

Floats = NDArray[np.float64]

FRAMES: Final = Path("speakers") / "frames.csv"
BASELINE_S: Final = 70.0
LENGTH_S: Final = 300.0
FRAME_MS: Final = 80
"""The clips' frames are every second of 25 a second."""
PANIC_AT_S: Final = 190.0
PANIC_RISE_S: Final = 20.0
PANIC_HOLD_S: Final = 60.0
PANIC_AROUSAL: Final = 0.6
PANIC_VALENCE: Final = -0.4
PANIC_FEAR: Final = 0.6
_COLUMNS: Final = {
    "valence": "valence",
    "arousal": "arousal",
    "joy": "happy",
    "sadness": "sad",
    "anger": "anger",
    "fear": "fear",
    "surprise": "surprise",
    "disgust": "disgust",
    "neutral": "neutral",
}
_EMOTIONS: Final = slice(SIGNALS.index("joy"), SIGNALS.index("neutral") + 1)


@dataclass(frozen=True, slots=True)
class ControlReport:
    """Of `streams` streams: pauses and advice on the real readings, and after how long the injected panic paused."""

    streams: int
    pauses: int
    advice: int
    hours: float
    panics_found: int
    median_delay_s: float


def read_clips(data: Path) -> list[Floats]:
    """Readings (n, N_SIGNALS) of each clip, NaN where nothing was read. Raises FileNotFoundError naming the file."""
    path = data / FRAMES
    clips: dict[str, list[list[float]]] = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as lines:
        for line in csv.DictReader(lines):
            row = [float(line[_COLUMNS[name]]) if name in _COLUMNS else np.nan for name in SIGNALS]
            clips[line["clip"]].append(row)
    return [_normalised(np.array(rows)) for _, rows in sorted(clips.items())]


def check_controls(model: Model, data: Path) -> ControlReport:
    """Replay the clips as they are, and again with a panic laid over them."""
    pauses = advice = found = 0
    delays: list[float] = []
    streams = list(_streams(read_clips(data)))
    for values in streams:
        quiet = _alarms(model, values)
        pauses, advice = pauses + len(quiet[0]), advice + len(quiet[1])
        during = [t - PANIC_AT_S for t in _alarms(model, with_panic(values))[0] if t >= PANIC_AT_S]
        found += bool(during)
        delays += during[:1]
    return ControlReport(
        streams=len(streams),
        pauses=pauses,
        advice=advice,
        hours=len(streams) * LENGTH_S / 3_600.0,
        panics_found=found,
        median_delay_s=float(np.median(delays)) if delays else float("nan"),
    )


def with_panic(values: Floats) -> Floats:
    """The stream with arousal and fear rising over 20 s, valence falling, and all of it held for a minute."""
    time_s = np.arange(len(values)) * FRAME_MS / 1_000.0
    corners = np.cumsum([PANIC_AT_S, PANIC_RISE_S, PANIC_HOLD_S, PANIC_RISE_S])
    strength = np.interp(time_s, corners, (0.0, 1.0, 1.0, 0.0))
    shifted = values.copy()
    arousal, valence, fear = (SIGNALS.index(name) for name in ("arousal", "valence", "fear"))
    shifted[:, arousal] = np.clip(values[:, arousal] + PANIC_AROUSAL * strength, -1.0, 1.0)
    shifted[:, valence] = np.clip(values[:, valence] + PANIC_VALENCE * strength, -1.0, 1.0)
    shifted[:, _EMOTIONS] *= 1.0 - PANIC_FEAR * strength[:, None]
    shifted[:, fear] += PANIC_FEAR * strength
    return shifted


def _streams(clips: list[Floats]) -> Iterator[Floats]:
    n = round((BASELINE_S + LENGTH_S) * 1_000 / FRAME_MS)
    for clip in clips:
        yield _looped(clip, n)
    yield _looped(np.concatenate(clips), n)


def _looped(clip: Floats, n: int) -> Floats:
    """There and back again, so that the joints are smooth."""
    swing = np.concatenate([clip, clip[-2:0:-1]])
    return np.asarray(swing[np.arange(n) % len(swing)])


def _alarms(model: Model, values: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    ts_ms = np.arange(len(values), dtype=np.int64) * FRAME_MS
    rows = observe_stream(ts_ms, ts_ms, values, np.ones(len(values), dtype=np.bool_), (), FRAME_MS)
    alarms = monitor(run_model(model, rows.times_ms, rows.features))
    return alarms.pauses_s, alarms.advice_s


def _normalised(rows: Floats) -> Floats:
    rows[:, _EMOTIONS] /= rows[:, _EMOTIONS].sum(axis=1, keepdims=True)
    return rows.reshape(-1, N_SIGNALS)
