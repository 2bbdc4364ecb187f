"""Recordings and models go in, `out` lines and a summary come out; exit code 1 where `--verify` finds a difference."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from rich.console import Console
from rich.progress import Progress

from emdr_stream.cli.command import Subparsers, new_parser, table
from emdr_stream.environment import read_environment
from emdr_stream.errors import ConfigurationError
from emdr_stream.evaluation.labels import LABELS_FILE
from emdr_stream.inference.batch import Model
from emdr_stream.inference.manifest import default_models_dir
from emdr_stream.inference.models import LoadedModel, load_current
from emdr_stream.pipeline.features import FEATURE_NAMES
from emdr_stream.recording.format import RecordingError
from emdr_stream.recording.reading import Recording, read_recording
from emdr_stream.recording.replay import replay_recording
from emdr_stream.session.effects import Effect, Raise, Send
from emdr_stream.wire.stream import ControlPause
from emdr_stream.wire.values import ModelRef

_EXAMPLES: Final = """  emdr-stream replay session.jsonl                        its out lines on stdout
  emdr-stream replay sessions/*.jsonl --out replayed      a folder of them
  emdr-stream replay session.jsonl --verify               are they those that were recorded?
  emdr-stream replay session.jsonl --rescore --models ./models --out new.jsonl"""
_SHOWN_CHARS: Final = 300


@dataclass(slots=True)
class Tally:
    """What happened in one replayed session."""

    lines: int = 0
    alerts: Counter[str] = field(default_factory=Counter)
    pauses: Counter[str] = field(default_factory=Counter)
    control_epoch: int = 0

    def see(self, effect: Effect, at_ms: int) -> None:
        if isinstance(effect, Raise) and effect.body.is_new:
            self.alerts[effect.body.kind.value] += 1
        elif isinstance(effect, Send) and isinstance(effect.message, ControlPause):
            # An unconfirmed control message is sent again: that is no new pause.
            if effect.message.control_epoch > self.control_epoch:
                self.pauses[effect.message.reason] += 1
            self.control_epoch = max(self.control_epoch, effect.message.control_epoch)


class Replayer:
    """Replays file after file as the arguments say; the model is loaded when the first recording needs one."""

    def __init__(self, args: argparse.Namespace, progress: Progress) -> None:
        files: list[Path] = args.files
        self._out: Path | None = args.out
        self._many = self._out is not None and (len(files) > 1 or self._out.is_dir())
        self._resume_after_s: float | None = args.resume_after
        self._rescore: bool = args.rescore
        self._verify: bool = args.verify
        self._models_dir = args.models or read_environment(args.env_file).model_dir or default_models_dir()
        self._model: LoadedModel | None = None
        self._progress = progress
        self.summary = table(["recording", "minutes", "x real time", "out lines", "alerts", "pauses"])
        if self._out is not None and self._many:
            _make_folder(self._out)
        self._check_targets(files)

    def _check_targets(self, files: Sequence[Path]) -> None:
        """No recording may be written over, and no `out` lines by those of another one. Raises ConfigurationError."""
        of: dict[Path, Path] = {}
        for path in files:
            target = self._target(path)
            if target is None:
                continue
            if target.exists() and path.exists() and target.samefile(path):
                raise ConfigurationError(f"--out {target} is the recording itself: name another file or folder")
            other = of.setdefault(target, path)
            if other.resolve() != path.resolve():
                raise ConfigurationError(
                    f"--out {target} would be of {other} and of {path}: replay them into two folders"
                )

    def replay(self, path: Path) -> str | None:
        """Replay one file. Gives the first difference when verifying finds one; raises RecordingError, ModelRefused."""
        recording = _read(path)
        tally, started = Tally(), time.perf_counter()
        lines: Iterable[bytes] = self._lines(recording, tally)
        difference = None
        if self._verify:
            lines = list(lines)
            difference = first_difference(recording, lines)
        with _opened(self._target(path), quiet=self._verify) as out:
            for line in lines:
                tally.lines += 1
                if out is not None:
                    out.write(line + b"\n")
        took_s = time.perf_counter() - started
        self._sum_up(recording, tally, took_s)
        return difference

    def _lines(self, recording: Recording, tally: Tally) -> Iterator[bytes]:
        model: Model | None = None
        models: tuple[ModelRef, ...] = ()
        if self._rescore or not recording.header.recorded_scores:
            loaded = self._load()
            model = loaded.graph
            models = (ModelRef(name=loaded.name, version=loaded.version, sha256=loaded.sha256),)
        task = self._progress.add_task(recording.name, total=recording.duration_ms)
        seen_ms = 0

        def watch(effect: Effect, at_ms: int) -> None:
            nonlocal seen_ms
            tally.see(effect, at_ms)
            if at_ms >= seen_ms + 1_000:
                seen_ms = at_ms
                self._progress.update(task, completed=at_ms)

        yield from replay_recording(
            recording,
            model=model,
            models=models,
            resume_after_s=self._resume_after_s,
            use_recorded_scores=not self._rescore,
            watch=watch,
            until_ms=recording.ends_ms if self._verify else 0,
        )
        self._progress.remove_task(task)

    def _load(self) -> LoadedModel:
        if self._model is None:
            self._model = load_current(self._models_dir, feature_names=FEATURE_NAMES)
        return self._model

    def _target(self, path: Path) -> Path | None:
        return self._out / path.name if self._out is not None and self._many else self._out

    def _sum_up(self, recording: Recording, tally: Tally, took_s: float) -> None:
        session_s = recording.duration_ms / 1_000
        self.summary.add_row(
            recording.name,
            f"{session_s / 60:.1f}",
            f"{session_s / took_s:,.0f}",
            str(tally.lines),
            _counts(tally.alerts),
            _counts(tally.pauses),
        )


def add_parser(subparsers: Subparsers, summary: str) -> None:
    parser = new_parser(subparsers, "replay", summary, _EXAMPLES)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="recording; a file without `out` lines too")
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder (default: EMDR_MODEL_DIR, or the package's)")
    parser.add_argument("--out", type=Path, metavar="FILE|DIR", help="where the out lines go (default: stdout)")
    who = "a therapist acknowledges and resumes S seconds after each pause"
    parser.add_argument("--resume-after", type=_seconds, metavar="S", help=who)
    parser.add_argument("--rescore", action="store_true", help="compute all scores, also those that are recorded")
    parser.add_argument(
        "--verify", action="store_true", help="compare with the recorded out lines, to the last of them, byte for byte"
    )
    parser.add_argument("--env-file", type=Path, default=Path(".env"), metavar="FILE", help="file with EMDR_ variables")


def run(args: argparse.Namespace) -> int:
    """Replay all files; a bad one is told and the others go on. Raises ConfigurationError for what stops them all."""
    notes = Console(stderr=True, width=None if sys.stderr.isatty() else 200, highlight=False)
    faults = 0
    # `replay DIR/*.jsonl` names the labels too, which are no recording.
    args.files = [path for path in args.files if path.name != LABELS_FILE] or args.files
    with Progress(console=notes, transient=True, disable=not notes.is_terminal) as progress:
        replayer = Replayer(args, progress)
        for path in args.files:
            try:
                fault = replayer.replay(path)
            except RecordingError as problem:
                fault = str(problem)
            if fault is not None:
                faults += 1
                notes.print(f"emdr-stream: {fault}", markup=False, soft_wrap=True)
    if replayer.summary.row_count:
        notes.print(replayer.summary)
    return 1 if faults else 0


def first_difference(recording: Recording, lines: list[bytes]) -> str | None:
    """Where replayed `out` lines leave the recorded ones; None when they are the same, byte for byte."""
    if not recording.out:
        return f"{recording.name}: there is nothing to compare with: it holds no `out` lines"
    for place in range(max(len(recording.out), len(lines))):
        number, recorded = recording.out[place] if place < len(recording.out) else (recording.out[-1][0] + 1, b"")
        replayed = lines[place] if place < len(lines) else b""
        if recorded != replayed:
            return (
                f"{recording.name}, line {number}: replay differs from the recording\n"
                f"  recorded: {_shown(recorded, replayed)}\n  replayed: {_shown(replayed, recorded)}"
            )
    return None


def _shown(line: bytes, other: bytes) -> str:
    """The line from a little before the place where the other one differs."""
    if not line:
        return "(nothing)"
    same = next((i for i, (a, b) in enumerate(zip(line, other, strict=False)) if a != b), min(len(line), len(other)))
    start = max(0, same - _SHOWN_CHARS // 3)
    text = line[start : start + _SHOWN_CHARS].decode(errors="replace")
    return f"{'…' if start else ''}{text}{'…' if len(line) > start + _SHOWN_CHARS else ''}"


def _read(path: Path) -> Recording:
    try:
        with path.open("rb") as file:
            return read_recording(file, str(path))
    except OSError as problem:
        raise RecordingError(f"{path} cannot be read: {problem.strerror}") from None


@contextmanager
def _opened(target: Path | None, *, quiet: bool) -> Iterator[IO[bytes] | None]:
    """Where lines go: a file, else stdout unless `quiet`. Raises ConfigurationError for a file that cannot be made."""
    if target is None:
        yield None if quiet else sys.stdout.buffer
        return
    try:
        file = target.open("wb")
    except OSError as problem:
        raise ConfigurationError(f"--out {target} cannot be written ({problem.strerror}): name another file") from None
    with file:
        yield file


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise ConfigurationError(f"--out {folder} cannot be made ({problem.strerror}): name a folder") from None


def _counts(counted: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counted.items())) or "none"


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError("choose between 0 and 86400 seconds")
    return seconds
