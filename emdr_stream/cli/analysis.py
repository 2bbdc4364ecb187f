"""What was seen in pictures and frames goes in; tables for people, and curves over time, come out."""

from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

import msgspec
from rich.markup import escape
from rich.table import Table

from emdr_stream.cli.command import table
from emdr_stream.domain import EMOTIONS, SIGNALS, Observation
from emdr_stream.errors import ConfigurationError
from emdr_stream.wire.face import Expression, FaceView

if TYPE_CHECKING:
    from emdr_stream.vision.reading import FaceReading

_COLUMNS: Final = (
    "faces",
    "problem",
    "quality",
    "expression",
    "valence",
    "arousal",
    "eyes shut",
    "yaw",
    "pitch",
    "roll",
)
_OVER_TIME: Final = ("attention", "blinks/min", "shut", "motion")
"""`shut`: share of the last twenty seconds or so in which the eyes were."""
_INCHES: Final = (10.0, 9.0)


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """How long reading took, in milliseconds."""

    decode_ms: float
    face_ms: float
    expression_ms: float


class Signals(msgspec.Struct, frozen=True, kw_only=True):
    """What takes more than one frame to see, in the units of a `sample`; null while too little was seen."""

    attention: float | None
    blink_rate: float | None
    eye_closure: float | None
    head_motion: float | None

    @classmethod
    def of(cls, observation: Observation) -> "Signals":
        named = dict(zip(SIGNALS, observation.values, strict=True))
        return cls(**{name: value if (value := named[name]) == value else None for name in cls.__struct_fields__})


class Seen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One picture, or one frame of a video with its number and its time; a line of the JSON Lines."""

    source: str
    frame: int | None = None
    ts_ms: float | None = None
    face: FaceView | None = None
    signals: Signals | None = None
    timing: Times | None = None
    error: str | None = None

    @classmethod
    def of(
        cls,
        source: str,
        reading: "FaceReading",
        frame: int | None = None,
        ts_ms: float | None = None,
        signals: Signals | None = None,
    ) -> "Seen":
        times = Times(decode_ms=reading.decode_ms, face_ms=reading.face_ms, expression_ms=reading.expression_ms)
        return cls(source=source, frame=frame, ts_ms=ts_ms, face=reading.view, signals=signals, timing=times)


def still_table(stills: Sequence[Seen]) -> Table:
    """A line for each picture."""
    grid = table(["picture", *_COLUMNS])
    for seen in stills:
        if seen.face is None:
            grid.add_row(escape(seen.source), "", f"[red]{escape(seen.error or '')}[/red]")
        else:
            grid.add_row(escape(seen.source), *_cells([seen.face]))
    return grid


def video_table(series: Sequence[Seen]) -> Table:
    """A line for each second, with the means of its frames, and one for the whole video."""
    grid = table(["second", "frames", *_COLUMNS, *_OVER_TIME])
    usable = [seen for seen in series if seen.face is not None]
    for second, grouped in groupby(usable, key=lambda seen: int((seen.ts_ms or 0.0) // 1_000)):
        frames = list(grouped)
        grid.add_row(str(second), str(len(frames)), *_cells(_faces(frames)), *_over_time(frames))
    grid.add_section()
    grid.add_row("all", str(len(usable)), *_cells(_faces(usable)), *_over_time(usable))
    return grid


def plot(path: Path, series: Sequence[Seen]) -> None:
    """Draw the curves of a video's frames. Raises ConfigurationError when there is nothing to draw, or nothing to draw
    it with."""
    frames = [seen for seen in series if seen.ts_ms is not None and seen.face is not None]
    if len({seen.source for seen in frames}) != 1:
        raise ConfigurationError("--plot draws one video: name one")
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigurationError("--plot needs matplotlib: pip install 'emdr-stream[training]'") from None
    figure = Figure(figsize=_INCHES, layout="constrained")
    panels: Any = figure.subplots(4, 1, sharex=True)
    seconds = [(seen.ts_ms or 0.0) / 1_000 for seen in frames]
    views = [seen.face for seen in frames if seen.face is not None]
    for number, emotion in enumerate(EMOTIONS):
        panels[0].plot(seconds, _curve(views, _share_of(number)), label=emotion)
    panels[1].plot(seconds, _curve(views, lambda e: e.valence), label="valence")
    panels[1].plot(seconds, _curve(views, lambda e: e.arousal), label="arousal")
    panels[2].plot(seconds, [_or_gap(view.eye_closure) for view in views], label="eyes shut")
    told = [seen.signals for seen in frames if seen.signals is not None]
    for label, name in (("attention", "attention"), ("share of time shut", "eye_closure"), ("motion", "head_motion")):
        panels[2].plot(seconds, [_or_gap(getattr(signals, name)) for signals in told], label=label)
    panels[3].plot(seconds, [view.quality for view in views], label="quality")
    panels[3].step(seconds, [view.faces for view in views], label="faces", where="post")
    for panel, low in zip(panels, (0.0, -1.0, 0.0, 0.0), strict=True):
        panel.set_ylim(low, 2.1 if panel is panels[3] else 1.05)
        panel.legend(loc="upper right", fontsize="small", ncols=4)
        panel.grid(alpha=0.3)
    panels[3].set_xlabel("seconds")
    try:
        figure.savefig(path)
    except (OSError, ValueError) as problem:
        raise ConfigurationError(f"{path} cannot be drawn: {problem}") from None


def _faces(series: Sequence[Seen]) -> list[FaceView]:
    return [seen.face for seen in series if seen.face is not None]


def _over_time(series: Sequence[Seen]) -> list[str]:
    """The newest of each signal: each is an average over time already."""
    newest = [seen.signals for seen in series if seen.signals is not None][-1:]
    forms = (("attention", ".2f"), ("blink_rate", ".0f"), ("eye_closure", ".2f"), ("head_motion", ".2f"))
    values = [(getattr(signals, name), form) for signals in newest for name, form in forms]
    return ["" if value is None else format(value, form) for value, form in values] or [""] * len(_OVER_TIME)


def _cells(faces: Sequence[FaceView]) -> list[str]:
    """One line's figures: means over these views, of what each has."""
    if not faces:
        return [""] * len(_COLUMNS)
    problems = [face.problem.value for face in faces if face.problem is not None]
    said = [face.expression for face in faces if face.expression is not None]
    poses = [face.pose for face in faces if face.pose is not None]
    shut = [face.eye_closure for face in faces if face.eye_closure is not None]
    return [
        f"{fmean(face.faces for face in faces):.2g}",
        max(set(problems), key=problems.count) if problems else "",
        f"{fmean(face.quality for face in faces):.2f}",
        _strongest(said),
        _mean([one.valence for one in said], "+.2f"),
        _mean([one.arousal for one in said], "+.2f"),
        _mean(shut, ".2f"),
        _mean([pose.yaw for pose in poses], "+.0f"),
        _mean([pose.pitch for pose in poses], "+.0f"),
        _mean([pose.roll for pose in poses], "+.0f"),
    ]


def _strongest(said: Sequence[Expression]) -> str:
    if not said:
        return ""
    means = [fmean(one.emotions[number] for one in said) for number in range(len(EMOTIONS))]
    most = max(range(len(EMOTIONS)), key=means.__getitem__)
    return f"{EMOTIONS[most]} {means[most]:.2f}"


def _mean(values: Sequence[float], form: str) -> str:
    return format(fmean(values), form) if values else ""


def _share_of(number: int) -> Callable[[Expression], float]:
    return lambda expression: expression.emotions[number]


def _curve(views: Sequence[FaceView], value: Callable[[Expression], float]) -> list[float]:
    """A gap where nothing was read: a line drawn across it would be invented."""
    return [_or_gap(None if view.expression is None else value(view.expression)) for view in views]


def _or_gap(value: float | None) -> float:
    return float("nan") if value is None else value
