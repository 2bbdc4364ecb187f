"""Forecasts go in, one picture comes out: ratings, the median ahead, the 50 % and 90 % bands, the goals."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from emdr_stream.errors import ConfigurationError
from emdr_stream.progress.forecast import Forecast, NotEnoughData
from emdr_stream.progress.measures import SCALES, Measure

_DPI: Final = 110
_BLUE, _GREY, _GREEN = "#24618f", "#9aa5ad", "#3f7d4e"


def draw(path: Path, said: Sequence[Forecast | NotEnoughData]) -> None:
    """Raises ConfigurationError when the file cannot be written."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 3.0 * len(said)), layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subplots(len(said), 1, squeeze=False)[:, 0]
    for axes, each in zip(rows, said, strict=True):
        _one(axes, each)
    figure.suptitle("for the therapist only", fontsize=9, color=_GREY)
    try:
        figure.savefig(path, dpi=_DPI, format="png", metadata={"Software": None})
    except OSError as problem:
        raise ConfigurationError(f"--plot {path} cannot be written ({problem.strerror}): name another file") from None


def _one(axes: Any, said: Forecast | NotEnoughData) -> None:
    scale = SCALES[Measure(said.measure)]
    axes.set_title(scale.name + (f", {said.target}" if said.target else ""), fontsize=10)
    axes.set_ylim(scale.low - 0.02 * (scale.high - scale.low), scale.high + 0.02 * (scale.high - scale.low))
    axes.set_xlabel("session")
    for goal in scale.goals:
        if goal.level:
            axes.axhline(goal.points, color=_GREEN, linewidth=1, linestyle=":")
    if isinstance(said, NotEnoughData):
        axes.text(0.5, 0.5, said.detail, ha="center", va="center", transform=axes.transAxes, color=_GREY)
        return
    ahead = [each.session for each in said.trajectory]
    for low, high, alpha in (("low90", "high90", 0.15), ("low50", "high50", 0.3)):
        edges = [[getattr(each, name) for each in said.trajectory] for name in (low, high)]
        axes.fill_between(ahead, *edges, color=_BLUE, alpha=alpha, linewidth=0)
    axes.plot(ahead, [each.median for each in said.trajectory], color=_BLUE, linestyle="--")
    axes.plot(said.sessions, said.values, "o-", color="black", markersize=4)
