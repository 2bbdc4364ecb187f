"""Pictures, videos or a camera go in, what they show of a face comes out: a table, JSON Lines, curves; never a picture.

It is the code of the face workers, in this process.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from emdr_stream.cli.analysis import Seen, Signals, plot, still_table, video_table
from emdr_stream.cli.command import Subparsers, console, new_parser
from emdr_stream.domain import Limits
from emdr_stream.environment import read_environment
from emdr_stream.errors import ConfigurationError, ImageRejected
from emdr_stream.pipeline.face import FaceSignals

if TYPE_CHECKING:
    from emdr_stream.vision.reader import Equipment

_EXAMPLES: Final = """  emdr-stream analyze portrait.jpg photos/
  emdr-stream analyze talk.mp4 --plot talk.png            emotions, valence, eyes and quality over time
  emdr-stream analyze talk.mp4 --every 3 --jsonl > talk.jsonl
  emdr-stream analyze --camera                            until Ctrl-C"""
_PICTURES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp"})
_VIDEOS: Final = frozenset({".mp4", ".mov", ".avi", ".mkv", ".webm", ".gif"})
# A file of one's own may be larger than what a client may send.
_LIMITS: Final = Limits(pixels=(8_192, 8_192), message_bytes=64 * 1024 * 1024)

Tell = Callable[[Seen], None]


@dataclass(frozen=True, slots=True)
class _Work:
    """What is needed to read any source."""

    equipment: "Equipment"
    every: int
    tell: Tell
    progress: Progress


def add_parser(subparsers: Subparsers, summary: str) -> None:
    parser = new_parser(subparsers, "analyze", summary, _EXAMPLES)
    parser.add_argument("paths", nargs="*", type=Path, metavar="FILE", help="pictures, videos, folders of them")
    camera = "a camera of this machine (default: the first, 0)"
    parser.add_argument("--camera", nargs="?", type=int, const=0, metavar="N", help=camera)
    parser.add_argument("--every", type=_count, default=1, metavar="N", help="of a video, each N-th frame (default: 1)")
    parser.add_argument("--jsonl", action="store_true", help="one JSON object a picture or frame, on stdout")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves of a video, as .png, .svg or .pdf")
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder (default: EMDR_MODEL_DIR, or the package's)")
    parser.add_argument("--env-file", type=Path, default=Path(".env"), metavar="FILE", help="file with EMDR_ variables")


def run(args: argparse.Namespace) -> int:
    """Read everything; exit code 1 when something could not be. Raises ConfigurationError for what is missing."""
    from emdr_stream.vision.noise import quiet_libraries

    sources = [args.camera] if args.camera is not None else list(_files(args.paths))
    if not sources or (args.camera is not None and args.paths):
        raise ConfigurationError("name pictures, videos or folders of them, or --camera")
    with quiet_libraries() as stderr:
        return _read_all(args, sources, stderr)


def _read_all(args: argparse.Namespace, sources: list[Path | int], stderr: TextIO) -> int:
    seen: dict[str, list[Seen]] = {}
    encoder = msgspec.json.Encoder()

    def tell(one: Seen) -> None:
        if one.error is not None or not args.jsonl or args.plot is not None:
            seen.setdefault(one.source, []).append(one)
        if args.jsonl:
            sys.stdout.write(encoder.encode(one).decode() + "\n")
            sys.stdout.flush()  # whoever watches a camera through a pipe wants it now

    errors = Console(file=stderr, highlight=False, soft_wrap=True)
    equipment = _equipment(args, errors)
    with closing(equipment.counter), Progress(console=errors, transient=True) as progress:
        work = _Work(equipment, args.every, tell, progress)
        for source in sources:
            _read(source, work)
    if not args.jsonl:
        _print(seen)
    if args.plot is not None:
        plot(args.plot, [one for series in seen.values() for one in series])
    return 1 if any(one.error is not None for series in seen.values() for one in series) else 0


def _read(source: Path | int, work: _Work) -> None:
    if isinstance(source, int):
        with suppress(KeyboardInterrupt):  # that is how a person ends it
            _read_video(source, work)
    elif _is_picture(source):
        _read_picture(source, work)
    else:
        try:
            _read_video(source, work)
        except ConfigurationError as problem:
            work.tell(Seen(source=str(source), error=str(problem)))


def _read_picture(path: Path, work: _Work) -> None:
    """With a reader of its own: the face of another picture must not be looked for in this one."""
    from emdr_stream.vision.reader import FaceReader

    reader = FaceReader(work.equipment)
    try:
        work.tell(Seen.of(str(path), reader.read(path.read_bytes(), 0.0)))
    except ImageRejected as refused:
        work.tell(Seen(source=str(path), error=refused.message))
    except OSError as problem:
        work.tell(Seen(source=str(path), error=problem.strerror or type(problem).__name__))
    finally:
        reader.close()


def _read_video(source: Path | int, work: _Work) -> None:
    """Raises ConfigurationError when it is none."""
    from emdr_stream.vision.reader import FaceReader
    from emdr_stream.vision.video import Video

    name = f"camera {source}" if isinstance(source, int) else str(source)
    with Video(source) as video:
        total = None if video.frames is None else video.frames // work.every
        task = work.progress.add_task(escape(name), total=total)
        reader, over_time = FaceReader(work.equipment), FaceSignals()
        began = time.monotonic()
        try:
            for frame in video.read(work.every):
                ts_ms = (time.monotonic() - began) * 1e3 if isinstance(source, int) else frame.ts_ms
                reading = reader.look(frame.rgb, ts_ms)
                signals = Signals.of(over_time.observe(reading.view, ts_ms))
                work.tell(Seen.of(name, reading, frame.number, ts_ms, signals))
                work.progress.advance(task)
            if video.problem is not None:
                work.tell(Seen(source=name, error=video.problem))
        finally:
            reader.close()
            work.progress.remove_task(task)


def _equipment(args: argparse.Namespace, errors: Console) -> "Equipment":
    environment = read_environment(args.env_file)
    try:
        from emdr_stream.vision.loading import load_equipment
    except ImportError as problem:
        raise ConfigurationError(f"{problem}: pip install 'emdr-stream[webcam]'") from None
    models = args.models or environment.model_dir
    equipment, reason = load_equipment(_LIMITS, environment.landmarker_file, models, time.perf_counter)
    if reason is not None:
        errors.print(f"without expressions: {reason}", markup=False)
    return equipment


def _print(seen: dict[str, list[Seen]]) -> None:
    out = console()
    stills = [series[0] for series in seen.values() if series[0].frame is None]
    if stills:
        out.print(still_table(stills))
    for name, series in seen.items():
        if series[0].frame is not None:
            out.print(name, markup=False)
            out.print(video_table(series))


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    """Folders are opened, their other files passed over. Raises ConfigurationError for what is not there."""
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.iterdir() if each.suffix.lower() in _PICTURES | _VIDEOS)
        elif path.exists():
            yield path
        else:
            raise ConfigurationError(f"{path} is not there")


def _is_picture(path: Path) -> bool:
    """By its first bytes: names lie."""
    try:
        with path.open("rb") as file:
            start = file.read(12)
    except OSError:
        return True  # reading it tells why
    return start.startswith((b"\xff\xd8", b"\x89PNG")) or (start[:4], start[8:]) == (b"RIFF", b"WEBP")


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return count
