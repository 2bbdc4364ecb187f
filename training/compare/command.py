"""In: arguments of `python -m training compare`. Out: simulated and real streams compared, printed and drawn."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from training.compare.comparison import Comparison
from training.compare.statistics import FaceFigures, Floats, HeartFigures
from training.compare.streams import (
    CONTROL,
    FITTED,
    SIMULATED_SESSIONS,
    camera_windows,
    resting_hearts,
    simulated_camera_windows,
    simulated_hearts,
    simulated_sessions,
    speaker_windows,
    talking_windows,
)

Rows = Sequence[tuple[str, float]]


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("compare", help="compare the simulator's streams with real recordings")
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings (docs/simulator.md)")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="draw the comparison there")
    parser.add_argument("--seed", type=int, default=5, help="of the simulated people (default: 5)")
    parser.add_argument("--no-video", action="store_true", help="leave out the videos, which take half a minute")


def run(args: argparse.Namespace, console: Console) -> int:
    """Exit code 2 where the folder holds no recordings."""
    try:
        found = compare(args.data, args.seed, video=not args.no_video, note=console.print)
    except FileNotFoundError as problem:
        console.print(f"[red]--data {args.data}: {problem.filename} is not there[/red]")
        return 2
    _print(console, "Talking faces, raw engine, windows of 2 s", found.face_figures(), "windows")
    if len(found.cameras) > 1:
        _print(console, "Silent faces before our own camera client, windows of 1 s", found.camera_figures(), "windows")
    _print(console, "Hearts at rest", found.heart_figures(), "persons")
    if args.plots is not None:
        from training.compare.plots import draw

        for path in draw(found, args.plots):
            console.print(str(path), markup=False)
    return 0


def compare(
    data: Path, seed: int, *, video: bool, note: Callable[[str], object], sessions: int = SIMULATED_SESSIONS
) -> Comparison:
    """Read all streams, and simulate `sessions` of each kind. Raises FileNotFoundError for a missing recording."""
    fitted_hearts, control_hearts = resting_hearts(data)
    faces = {
        "real, fitted on": speaker_windows(data, tuple(clip for clips in FITTED.values() for clip in clips)),
        "real, control": speaker_windows(data, tuple(clip for clips in CONTROL.values() for clip in clips)),
    }
    simulated = [window for session in simulated_sessions(seed, count=sessions) for window in talking_windows(session)]
    cameras: dict[str, list[Floats]] = {"simulated": simulated_camera_windows(seed, count=sessions)}
    if video:
        real = camera_windows(data)
        if real is None:
            note("The videos are left out: they need the extra `webcam` and `emdr-stream models fetch`.")
        else:
            cameras["real, control"] = real
    hearts = {
        "simulated": simulated_hearts(seed, len(fitted_hearts) + len(control_hearts)),
        "real, fitted on": fitted_hearts,
        "real, control": control_hearts,
    }
    return Comparison({"simulated": simulated, **faces}, cameras, hearts)


def _print(
    console: Console, title: str, figures: Mapping[str, FaceFigures] | Mapping[str, HeartFigures], count: str
) -> None:
    table = Table(title=title)
    table.add_column("figure")
    for name, one in figures.items():
        table.add_column(f"{name}\n{getattr(one, count)} {count}", justify="right")
    columns: list[Rows] = [one.rows() for one in figures.values()]
    for cells in zip(*columns, strict=True):
        table.add_row(cells[0][0], *(f"{value:.3f}" for _, value in cells))
    console.print(table)
