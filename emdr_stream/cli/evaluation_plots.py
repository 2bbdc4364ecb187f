"""Courses and their figures go in, pictures come out: needs matplotlib, which the service itself does not."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from emdr_stream.errors import ConfigurationError
from emdr_stream.evaluation.course import Course
from emdr_stream.evaluation.events import tally
from emdr_stream.evaluation.figures import Figures, Part
from emdr_stream.evaluation.measuring import state_names
from emdr_stream.evaluation.probabilities import reliability, said_and_true

_DPI: Final = 110
_BLUE, _GREY, _RED = "#24618f", "#9aa5ad", "#b3442e"


def require_matplotlib(option: str) -> None:
    """Raises ConfigurationError, which says what to install, before hours of work end in a missing package."""
    if find_spec("matplotlib") is None:
        raise ConfigurationError(f"{option} needs matplotlib: pip install 'emdr-stream[training]', or leave it out")


def draw(courses: Sequence[Course], figures: Figures, folder: Path, prefix: str = "") -> list[Path]:
    """Families, times to the alarm, reliability and states, where there is anything to show; the files written."""
    pages = {
        "families": lambda axes: _families(axes, figures.families),
        "delays": lambda axes: _delays(axes, courses),
        "reliability": lambda axes: _reliability(axes, courses),
        "states": lambda axes: _states(axes, figures.state_confusion),
    }
    written = []
    for name, page in pages.items():
        path = folder / f"{prefix}{name}.png"
        if _drawn(path, page, figures.name):
            written.append(path)
    return written


def _drawn(path: Path, page: Any, title: str) -> bool:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    if not page(axes):
        return False
    figure.suptitle(title, fontsize=9, color=_GREY)
    figure.savefig(path, dpi=_DPI, metadata={"Software": None})
    return True


def _families(axes: Any, parts: Sequence[Part]) -> bool:
    """Share of events found with its interval, and how many there are."""
    shown = [part for part in parts if part.sensitivity.value is not None]
    if not shown:
        return False
    for row, part in enumerate(shown):
        found = part.sensitivity
        axes.plot([found.low, found.high], [row, row], color=_GREY, linewidth=3, solid_capstyle="butt")
        axes.plot(found.value, row, "o", color=_BLUE)
        axes.plot(part.pause_sensitivity.value, row, "|", color=_RED, markersize=12)
    axes.set_yticks(range(len(shown)), [f"{part.name} ({part.events})" for part in shown])
    axes.invert_yaxis()
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("share of events found (dot; 95 % interval over persons), and by a pause (line)")
    return True


def _delays(axes: Any, courses: Sequence[Course]) -> bool:
    """Cumulative share of events over the seconds from their onset."""
    drawn = False
    for label, color, pauses in (("any alarm", _BLUE, False), ("a pause", _RED, True)):
        scored = [tally(course, course.pauses_ms if pauses else None) for course in courses]
        events = sum(len(item.counted) for item in scored)
        delays = sorted(each.delay_s for item in scored for each in item.counted if each.delay_s is not None)
        if delays:
            shares = [(number + 1) / events for number in range(len(delays))]
            axes.step([0.0, *delays, 60.0], [0.0, *shares, shares[-1]], where="post", color=color, label=label)
            drawn = True
    axes.set_xlim(0.0, 60.0)
    axes.set_ylim(0.0, 1.02)
    axes.set_xlabel("seconds from the onset")
    axes.set_ylabel("share of events found")
    if drawn:
        axes.legend(frameon=False)
    return drawn


def _reliability(axes: Any, courses: Sequence[Course]) -> bool:
    """What was said of a crisis, and how often there was one."""
    bins = reliability(*said_and_true(courses))
    if not bins:
        return False
    axes.plot([0, 1], [0, 1], color=_GREY, linewidth=1)
    axes.plot([said for said, _, _ in bins], [true for _, true, _ in bins], "o-", color=_BLUE)
    for said, true, seconds in bins:
        axes.annotate(f"{seconds} s", (said, true), textcoords="offset points", xytext=(4, -9), fontsize=7)
    axes.set_xlabel("crisis probability that was said")
    axes.set_ylabel("share of seconds with a crisis, or one within 15 s")
    return True


def _states(axes: Any, confusion: list[list[int]]) -> bool:
    """Rows of the confusion matrix as shares."""
    if not any(map(any, confusion)):
        return False
    names = state_names()
    shares = [[count / max(sum(row), 1) for count in row] for row in confusion]
    axes.imshow(shares, vmin=0.0, vmax=1.0, cmap="Blues")
    axes.set_xticks(range(len(names)), names, rotation=20)
    axes.set_yticks(range(len(names)), names)
    for true, row in enumerate(shares):
        for said, share in enumerate(row):
            axes.text(said, true, f"{share:.2f}", ha="center", va="center", color="white" if share > 0.6 else "black")
    axes.set_xlabel("said")
    axes.set_ylabel("true")
    return True
