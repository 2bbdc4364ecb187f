"""Recordings with their truth in, courses out, several at a time: one process a core, each with the model loaded once.

What a trial is about is told by a callable that travels to the process which runs it: it reads a file, or simulates.
"""

import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Final, Self, TypeAlias

from emdr_stream.domain import Thresholds
from emdr_stream.errors import ModelRefused
from emdr_stream.evaluation.course import Course
from emdr_stream.evaluation.labels import Truth
from emdr_stream.inference.batch import BATCH_ROWS, RowScorer
from emdr_stream.inference.manifest import read_manifest
from emdr_stream.inference.models import load_model
from emdr_stream.pipeline.features import FEATURE_NAMES
from emdr_stream.recording.format import RecordingError
from emdr_stream.recording.reading import Recording, read_recording
from emdr_stream.recording.replay import Scorer
from emdr_stream.recording.trial import RESUME_AFTER_S, course_of

Case: TypeAlias = tuple[Recording, Truth]
MakeCase: TypeAlias = Callable[[], Case]
"""Called in the process that runs the trial; raises RecordingError where there is no recording to be had."""

_CHUNK: Final = 4


@dataclass(frozen=True, slots=True)
class ModelScorer:
    """A version folder of `emotion_safety`; called, it loads the model as the service does. Raises ModelRefused."""

    version_dir: Path

    def __call__(self) -> Scorer:
        return RowScorer(load_model(self.version_dir, feature_names=FEATURE_NAMES).graph.bound(BATCH_ROWS))


@dataclass(frozen=True, slots=True)
class FileCase:
    """A recording's file with its truth."""

    path: Path
    truth: Truth

    def __call__(self) -> Case:
        try:
            with self.path.open("rb") as lines:
                return read_recording(lines, str(self.path)), self.truth
        except OSError as problem:
            raise RecordingError(f"{self.path} cannot be read: {problem.strerror}") from None


class Crew:
    """A number of processes that stay for many runs; a context manager. One process is this one."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def run(
        self,
        cases: Sequence[MakeCase],
        make_scorer: Callable[[], Scorer],
        *,
        thresholds: Thresholds | None = None,
        resume_after_s: float = RESUME_AFTER_S,
    ) -> Iterator[Course | RecordingError]:
        """The courses in the order of the cases; in the place of a recording that cannot be read stands its error.

        `thresholds`: for recordings whose headers name none.
        """
        work = partial(_run, make_scorer=make_scorer, thresholds=thresholds, resume_after_s=resume_after_s)
        if self._processes <= 1 or len(cases) < 2 * _CHUNK:
            yield from map(work, cases)
            return
        if self._pool is None:
            # Started afresh rather than forked: the parent may hold threads of the runtime.
            self._pool = ProcessPoolExecutor(self._processes, multiprocessing.get_context("spawn"), _leave_with_parent)
        yield from self._pool.map(work, cases, chunksize=_CHUNK)


def manifest_thresholds(version_dir: Path) -> Thresholds:
    """Those that the model's validation settled on; what the manifest leaves out has the service's default.

    Raises ModelRefused for a manifest that names another threshold.
    """
    named = read_manifest(version_dir).thresholds
    unknown = set(named) - set(Thresholds.__struct_fields__)
    if unknown:
        known = ", ".join(Thresholds.__struct_fields__)
        raise ModelRefused(f"{version_dir}: `thresholds` names {', '.join(sorted(unknown))}: there are {known}")
    return Thresholds(**named)


def usable_cores(most: int = 2) -> int:
    """How many processes to start unless told."""
    return max(1, min(most, os.cpu_count() or 1))


def _leave_with_parent() -> None:
    """See to it that a worker does not outlive a parent that was killed: it would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_after, args=(parent.sentinel,), daemon=True).start()


def _exit_after(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)


def _run(
    case: MakeCase, make_scorer: Callable[[], Scorer], thresholds: Thresholds | None, resume_after_s: float
) -> Course | RecordingError:
    try:
        recording, truth = case()
        own = recording.header.thresholds or thresholds
        return course_of(recording, truth, _made(make_scorer), thresholds=own, resume_after_s=resume_after_s)
    except RecordingError as problem:
        return problem


@lru_cache(maxsize=2)
def _made(make_scorer: Callable[[], Scorer]) -> Scorer:
    """A process loads a model once."""
    return make_scorer()
