"""Curves over time in, inline SVG out: without a script or a `style` attribute, so that a strict CSP lets it be."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH, HEIGHT = 900, 180
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 12, 26
_MOST_POINTS: Final = 600
"""Of each curve: more than the paper shows."""


@dataclass(frozen=True, slots=True)
class Curve:
    """`points`: (seconds from the start, value or None); a None breaks the line. `css`: the class of its stroke."""

    name: str
    css: str
    points: Sequence[tuple[float, float | None]]


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment, or a stretch of time until `until_s`."""

    at_s: float
    css: str
    name: str
    until_s: float | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """A value that stood from `from_s` until `until_s`: a dashed line. One without a `label` is named by its title."""

    value: float
    name: str
    from_s: float
    until_s: float
    label: bool = True


@dataclass(frozen=True, slots=True)
class Plot:
    """`low`, `high`: ends of the axis; `told`: what a reader hears of it."""

    title: str
    told: str
    low: float
    high: float
    length_s: float
    curves: Sequence[Curve]
    marks: Sequence[Mark] = ()
    levels: Sequence[Level] = ()


def svg_of(plot: Plot) -> str:
    """An `svg` element with a title and a description."""
    parts = [
        f'<svg class="plot" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" aria-label="{escape(plot.title)}">',
        f"<title>{escape(plot.title)}</title><desc>{escape(plot.told)}</desc>",
        *(_mark(plot, mark) for mark in plot.marks if mark.until_s is not None),
        *_axes(plot),
        *(_level(plot, level) for level in plot.levels),
        *(_curve(plot, curve) for curve in plot.curves),
        *(_mark(plot, mark) for mark in plot.marks if mark.until_s is None),
        "</svg>",
        '<p class="key">' + " ".join(_key(curve) for curve in plot.curves) + "</p>",
    ]
    return "".join(parts)


def _x(plot: Plot, at_s: float) -> float:
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * min(1.0, max(0.0, at_s / max(plot.length_s, 1.0)))


def _y(plot: Plot, value: float) -> float:
    share = (value - plot.low) / (plot.high - plot.low)
    return _TOP + (HEIGHT - _TOP - _BOTTOM) * (1.0 - min(1.0, max(0.0, share)))


def _axes(plot: Plot) -> list[str]:
    bottom = HEIGHT - _BOTTOM
    parts = []
    for value in (plot.low, (plot.low + plot.high) / 2, plot.high):
        y = _y(plot, value)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    minutes = plot.length_s / 60
    step = next((step for step in (1, 2, 5, 10, 20, 30) if minutes / step <= 10), 60)
    for minute in range(0, int(minutes) + 1, step):
        x = _x(plot, minute * 60)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{bottom}"/>')
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{minute} min</text>')
    return parts


def _level(plot: Plot, level: Level) -> str:
    y, left, right = _y(plot, level.value), _x(plot, level.from_s), _x(plot, level.until_s)
    name = escape(f"{level.name} ({level.value:g})")
    line = (
        f'<line class="level" x1="{left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}"><title>{name}</title></line>'
    )
    if not level.label:
        return line
    return f'{line}<text class="level" x="{right - 4:.1f}" y="{y - 3:.1f}" text-anchor="end">{name}</text>'


def _curve(plot: Plot, curve: Curve) -> str:
    every = max(1, len(curve.points) // _MOST_POINTS)
    path, pen = [], "M"
    for at_s, value in curve.points[::every]:
        if value is None:
            pen = "M"
            continue
        path.append(f"{pen}{_x(plot, at_s):.1f} {_y(plot, value):.1f}")
        pen = "L"
    return f'<path class="curve {curve.css}" d="{"".join(path)}"/>' if path else ""


def _mark(plot: Plot, mark: Mark) -> str:
    x, bottom = _x(plot, mark.at_s), HEIGHT - _BOTTOM
    title = f"<title>{escape(mark.name)}</title>"
    if mark.until_s is None:
        return f'<line class="mark {mark.css}" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{bottom}">{title}</line>'
    width = max(1.0, _x(plot, mark.until_s) - x)
    height = bottom - _TOP
    return f'<rect class="{mark.css}" x="{x:.1f}" y="{_TOP}" width="{width:.1f}" height="{height}">{title}</rect>'


def _key(curve: Curve) -> str:
    return f'<span class="swatch {curve.css}">{escape(curve.name)}</span>'
