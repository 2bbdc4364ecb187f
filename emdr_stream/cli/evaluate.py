"""Recordings and their labels go in; how well the service would have done comes out, and stays on this machine."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.progress import Progress

from emdr_stream.cli.command import Subparsers, console, new_parser, table
from emdr_stream.cli.evaluation_plots import draw, require_matplotlib
from emdr_stream.environment import read_environment
from emdr_stream.errors import ConfigurationError, ModelRefused
from emdr_stream.evaluation.course import Course
from emdr_stream.evaluation.figures import Figures, Missed, Part
from emdr_stream.evaluation.labels import LABELS_FILE, LabelsError, Truth, read_labels_file
from emdr_stream.evaluation.measuring import figures_of
from emdr_stream.evaluation.wording import PART_HEADINGS, part_row, percent, summary_rows
from emdr_stream.inference.manifest import CURRENT, EMOTION_SAFETY, current_versions, default_models_dir
from emdr_stream.recording.format import RecordingError
from emdr_stream.recording.trial import RESUME_AFTER_S
from emdr_stream.recording.trials import Crew, FileCase, ModelScorer, manifest_thresholds, usable_cores

_EXAMPLES: Final = """  emdr-stream evaluate --recordings recordings --labels recordings/labels.jsonl
  emdr-stream evaluate --recordings recordings --models ./models --resume-after 60
  emdr-stream evaluate --recordings recordings --json figures.json --plots plots

Every recording goes through the service's own code, with its models, again. Labels and figures: docs/evaluation.md."""
_SHOWN_MISSES: Final = 20
_SHOWN_NAMES: Final = 5


def add_parser(subparsers: Subparsers, summary: str) -> None:
    parser = new_parser(subparsers, "evaluate", summary, _EXAMPLES)
    parser.add_argument("--recordings", type=Path, required=True, metavar="DIR", help="folder of recordings")
    where = f"what truly happened (default: {LABELS_FILE} in the folder of the recordings)"
    parser.add_argument("--labels", type=Path, metavar="FILE", help=where)
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder (default: EMDR_MODEL_DIR, or the package's)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure here")
    parser.add_argument("--plots", type=Path, metavar="DIR", help="draw them here, as PNG (needs matplotlib)")
    who = f"a therapist acknowledges and resumes S seconds after each pause (default: {RESUME_AFTER_S:g})"
    parser.add_argument("--resume-after", type=_seconds, default=RESUME_AFTER_S, metavar="S", help=who)
    parser.add_argument("--processes", type=_processes, metavar="N", help="how many at a time (default: up to 2)")
    parser.add_argument("--env-file", type=Path, default=Path(".env"), metavar="FILE", help="file with EMDR_ variables")


def run(args: argparse.Namespace) -> int:
    """Print the tables. Exit code 1 when a recording could not be scored, or none. Raises ConfigurationError."""
    if args.plots is not None:
        require_matplotlib("--plots")
    notes = Console(stderr=True, width=None if sys.stderr.isatty() else 200, highlight=False)
    truths = _truths(args.labels or args.recordings / LABELS_FILE, args.recordings, notes)
    if not truths:
        return 1
    version_dir = _version_dir(args.models or read_environment(args.env_file).model_dir or default_models_dir())
    courses, faults = _score(args, truths, version_dir, notes)
    if not courses:
        notes.print("emdr-stream: no recording could be scored", markup=False)
        return 1
    figures = figures_of(courses, str(args.recordings))
    out = console()
    out.print(f"{EMOTION_SAFETY} {version_dir.name}; {percent(figures.coverage)} of the time monitored", markup=False)
    print_figures(out, figures)
    if args.json is not None:
        _write(args.json, msgspec.json.format(msgspec.json.encode(figures), indent=1) + b"\n")
    if args.plots is not None:
        for path in draw(courses, figures, _folder(args.plots)):
            notes.print(str(path), markup=False)
    return 1 if faults else 0


def print_figures(out: Console, figures: Figures) -> None:
    """The figures, by family, sensor and subgroup, and the events that were missed."""
    grid = table(["figure", "value (95 % interval over persons)"])
    for what, value in summary_rows(figures):
        grid.add_row(what, value)
    out.print(grid)
    _print_parts(out, "family", figures.families)
    _print_parts(out, "sensor", figures.sensors)
    for name, parts in figures.groups.items():
        _print_parts(out, name, parts)
    for gap in figures.gaps:
        out.print(
            f"{gap.group}: {gap.best} is found {gap.sensitivity_gap:.2f} more often than {gap.worst}", markup=False
        )
    _print_missed(out, figures.missed)


def _print_parts(out: Console, name: str, parts: Sequence[Part]) -> None:
    if len(parts) < 2:
        return
    grid = table([name, *PART_HEADINGS])
    for part in parts:
        grid.add_row(part.name, *part_row(part))
    out.print()
    out.print(grid)


def _print_missed(out: Console, missed: Sequence[Missed]) -> None:
    out.print()
    if not missed:
        out.print("No event that counts was missed.")
        return
    grid = table(["missed event", "person", "family", "kind", "from s", "to s", "what is known"])
    for event in missed[:_SHOWN_MISSES]:
        onset, end = f"{event.onset_ms / 1_000:.1f}", f"{event.end_ms / 1_000:.1f}"
        grid.add_row(event.recording, event.person, event.family, event.kind, onset, end, event.why)
    out.print(grid)
    if len(missed) > _SHOWN_MISSES:
        out.print(f"and {len(missed) - _SHOWN_MISSES} more: --json FILE writes all of them", markup=False)


def _truths(labels: Path, folder: Path, notes: Console) -> list[Truth]:
    """The labels whose recordings are there; what is missing on either side is told. Raises ConfigurationError."""
    if not folder.is_dir():
        raise ConfigurationError(f"--recordings {folder} is no folder: name the one that holds the recordings")
    try:
        truths = read_labels_file(labels)
    except LabelsError as problem:
        raise ConfigurationError(str(problem)) from None
    if not truths:
        notes.print(f"emdr-stream: {labels} holds no label: write one line a recording (docs/evaluation.md)")
        return []
    absent = [truth.recording for truth in truths if not (folder / truth.recording).is_file()]
    if absent:
        raise ConfigurationError(f"{labels}: `recording` {_named(absent)}: no such file in {folder}")
    labelled = {(folder / truth.recording).resolve() for truth in truths}
    others = [path.name for path in sorted(folder.glob("*.jsonl")) if path.resolve() not in labelled]
    others = [name for name in others if (folder / name).resolve() != labels.resolve()]
    if others:
        notes.print(f"not scored, because {labels} does not name them: {_named(others)}", markup=False)
    return truths


def _score(
    args: argparse.Namespace, truths: Sequence[Truth], version_dir: Path, notes: Console
) -> tuple[list[Course], int]:
    """The courses, and how many recordings had none. Raises ModelRefused."""
    cases = [FileCase(args.recordings / truth.recording, truth) for truth in truths]
    scorer = ModelScorer(version_dir)
    scorer()
    courses: list[Course] = []
    faults = 0
    shown = Progress(console=notes, transient=True, disable=not notes.is_terminal)
    with shown as progress, Crew(args.processes or usable_cores()) as crew:
        task = progress.add_task("replaying", total=len(cases))
        thresholds = manifest_thresholds(version_dir)
        for course in crew.run(cases, scorer, thresholds=thresholds, resume_after_s=args.resume_after):
            progress.advance(task)
            if isinstance(course, RecordingError):
                faults += 1
                notes.print(f"emdr-stream: {course}", markup=False, soft_wrap=True)
            else:
                courses.append(course)
    return courses, faults


def _version_dir(models_dir: Path) -> Path:
    version = current_versions(models_dir).get(EMOTION_SAFETY)
    if version is None:
        raise ModelRefused(f"{models_dir / CURRENT} names no version of {EMOTION_SAFETY}: add one")
    return models_dir / EMOTION_SAFETY / version


def _named(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN_NAMES
    return ", ".join(names[:_SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as problem:
        raise ConfigurationError(f"--json {path} cannot be written ({problem.strerror}): name another file") from None


def _folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise ConfigurationError(f"--plots {folder} cannot be made ({problem.strerror}): name a folder") from None
    return folder


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 3_600:
        raise argparse.ArgumentTypeError("choose between 0 and 3600 seconds")
    return seconds


def _processes(text: str) -> int:
    count = int(text)
    if not 1 <= count <= 64:
        raise argparse.ArgumentTypeError("choose between 1 and 64")
    return count
