"""A person's ratings go in; where the course stands and where it may lead comes out, for the therapist alone."""

import argparse
import sys
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from emdr_stream.cli.command import Subparsers, console, new_parser, table
from emdr_stream.environment import read_environment
from emdr_stream.errors import ConfigurationError
from emdr_stream.inference.manifest import default_models_dir
from emdr_stream.inference.progress_priors import LoadedPriors, load_current_priors
from emdr_stream.progress.course import RatingsError, courses_of
from emdr_stream.progress.forecast import HORIZON, MOST_HORIZON, Forecast, NotEnoughData, Reached, Track
from emdr_stream.progress.measures import SCALES, Measure
from emdr_stream.progress.reading import ratings_of

_EXAMPLES: Final = """  emdr-stream progress ratings.csv
  emdr-stream progress ratings.csv --measure sud --horizon 6
  emdr-stream progress ratings.json --json
  emdr-stream progress ratings.csv --plot course.png

The file: a head line session,measure,target,value, then one rating a line. docs/progress.md says what the forecast is
and what it does not know. It is for the therapist: shown to the client, it can discourage."""
_LARGEST_BYTES: Final = 8 * 1024 * 1024
_TRACKS: Final = {
    Track.AHEAD: "better than 80 % of courses that begin so",
    Track.ON_TRACK: "within the 80 % of courses that begin so",
    Track.BEHIND: "worse than 80 % of courses that begin so",
}
NOTE: Final = (
    "For the therapist only. Forecast from few ratings and from priors that no clinical evidence stands behind."
)


def add_parser(subparsers: Subparsers, summary: str) -> None:
    parser = new_parser(subparsers, "progress", summary, _EXAMPLES)
    parser.add_argument("file", type=Path, metavar="FILE", help="ratings of one person, CSV or JSON")
    parser.add_argument("--measure", choices=[each.value for each in Measure], help="only this one")
    parser.add_argument("--horizon", type=_horizon, default=HORIZON, metavar="N", help=f"sessions (default: {HORIZON})")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the courses here, as PNG (needs matplotlib)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder (default: EMDR_MODEL_DIR, or the package's)")
    parser.add_argument("--env-file", type=Path, default=Path(".env"), metavar="FILE", help="file with EMDR_ variables")


def run(args: argparse.Namespace) -> int:
    """Exit code 1 when there was no rating. Raises ConfigurationError, which names the line and the field."""
    if args.plot is not None:
        from emdr_stream.cli.evaluation_plots import require_matplotlib

        require_matplotlib("--plot")
    try:
        measure = None if args.measure is None else Measure(args.measure)
        courses = courses_of(ratings_of(_text(args.file), measure))
    except RatingsError as problem:
        raise ConfigurationError(f"{args.file}: {problem}") from None
    if not courses:
        print(f"emdr-stream: {args.file} holds no rating: write one a line below the head line", file=sys.stderr)
        return 1
    model = load_current_priors(args.models or read_environment(args.env_file).model_dir or default_models_dir())
    said = [model.forecast(course, args.horizon) for course in courses]
    if args.json:
        print(_json(model, said))
    else:
        _print(console(), model, said)
    if args.plot is not None:
        from emdr_stream.cli.progress_plot import draw

        draw(args.plot, said)
    return 0


def _print(out: Console, model: LoadedPriors, said: list[Forecast | NotEnoughData]) -> None:
    out.print(NOTE, markup=False)
    for each in said:
        out.print()
        scale = SCALES[Measure(each.measure)]
        out.print(scale.name + (f", {each.target}" if each.target else ""), markup=False, style="bold")
        if isinstance(each, NotEnoughData):
            out.print(f"{each.detail} (there are {each.have})", markup=False)
        else:
            _print_one(out, each)
    out.print()
    out.print(f"model progress {model.version}, {model.sha256[:12]}", markup=False)


def _print_one(out: Console, said: Forecast) -> None:
    course = ", ".join(f"{value:g}" for value in said.values)
    rows = table(["", ""])
    rows.show_header = False
    rows.add_row("ratings", f"{course} (sessions {said.sessions[0]} to {said.sessions[-1]})")
    expected = f"expected {said.expected_low:.0f} to {said.expected_high:.0f}"
    rows.add_row("last rating", f"{_TRACKS[said.track]} ({expected})")
    rows.add_row("next milestone", "all reached" if said.next_milestone is None else _when(said.next_milestone))
    rows.add_row("completion", "all goals are met now" if said.completed else _when(said.completion))
    for sign in said.signs:
        rows.add_row(sign.kind.value.replace("_", " "), sign.detail)
    out.print(rows)
    grid = table(["session", "median", "50 %", "90 %", "reliable change", "still attends"])
    for ahead in said.trajectory:
        grid.add_row(
            str(ahead.session),
            f"{ahead.median:.1f}",
            f"{ahead.low50:.1f} to {ahead.high50:.1f}",
            f"{ahead.low90:.1f} to {ahead.high90:.1f}",
            "-" if ahead.reliable_change is None else f"{ahead.reliable_change:.0%}",
            f"{ahead.attends:.0%}",
        )
    out.print(grid)


def _when(reached: Reached) -> str:
    def session(number: int | None) -> str:
        return "later" if number is None else str(number)

    return (
        f"{reached.goal}: session {session(reached.session)} "
        f"(50 %: {session(reached.low50)} to {session(reached.high50)}, "
        f"90 %: {session(reached.low90)} to {session(reached.high90)}); "
        f"{reached.within_horizon:.0%} by the last session shown, {reached.attended:.0%} with dropout"
    )


def _json(model: LoadedPriors, said: list[Forecast | NotEnoughData]) -> str:
    head = {"model": {"name": "progress", "version": model.version, "sha256": model.sha256}, "audience": "therapist"}
    return msgspec.json.format(msgspec.json.encode({**head, "courses": said}), indent=1).decode()


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise ConfigurationError(f"{path} is larger than {_LARGEST_BYTES >> 20} MiB: this is no file of one person")
        return path.read_text(encoding="utf-8")
    except OSError as problem:
        raise ConfigurationError(f"{path} cannot be read ({problem.strerror}): name a file of ratings") from None
    except UnicodeError:
        raise ConfigurationError(f"{path} is no text in UTF-8: save it so") from None


def _horizon(text: str) -> int:
    sessions = int(text)
    if not 1 <= sessions <= MOST_HORIZON:
        raise argparse.ArgumentTypeError(f"choose between 1 and {MOST_HORIZON} sessions")
    return sessions
