"""In: simulated sessions and a folder. Out: their recordings there, and beside them `labels.jsonl` with their truth."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from emdr_stream.errors import ConfigurationError
from emdr_stream.evaluation.labels import LABELS_FILE, LabelsError, Truth, label_line, read_labels_file
from emdr_stream.recording.format import encode
from emdr_stream.simulation import SimulatedSession, recording_lines, truth_of

STARTED_TS: Final = 1_767_225_600_000
"""Wall clock of recordings: the first second of 2026, UTC. A fixed one, so that the same seed gives the same bytes."""


def write_sessions(folder: Path, sessions: Iterable[SimulatedSession], seed: int) -> Iterator[tuple[Path, Truth]]:
    """Write each session as `FAMILY-SEED-NUMBER.jsonl`, and the truth of all once they are through.

    Labels of other recordings that are in the folder already are kept; those of this seed are there again at the end.
    Raises ConfigurationError for a folder that cannot be written, or whose labels cannot be read.
    """
    truths: list[Truth] = []
    before = _labels(folder)
    mine = re.compile(rf".+-{seed}-\d+\.jsonl")
    if any(mine.fullmatch(truth.recording) for truth in before):
        # Whoever breaks off leaves recordings without a label, and none with the label of what it has replaced.
        _write(folder / LABELS_FILE, (label_line(t) for t in before if not mine.fullmatch(t.recording)))
    for number, session in enumerate(sessions):
        path = folder / f"{session.family}-{seed}-{number}.jsonl"
        _write(path, _recording(session, path.stem, seed))
        truths.append(truth_of(session, path.name))
        yield path, truths[-1]
    written = {truth.recording for truth in truths}
    others = [truth for truth in before if truth.recording not in written]
    _write(folder / LABELS_FILE, (label_line(truth) for truth in [*others, *truths]))


def _recording(session: SimulatedSession, name: str, seed: int) -> Iterator[bytes]:
    header, *rest = recording_lines(session, STARTED_TS, user=session.person_id)
    yield encode(header | {"session_id": name, "seed": seed})
    yield from map(encode, rest)


def _labels(folder: Path) -> list[Truth]:
    path = folder / LABELS_FILE
    if not path.exists():
        return []
    try:
        return read_labels_file(path)
    except LabelsError as problem:
        raise ConfigurationError(f"--out {folder}: {problem}; mend it, or name another folder") from None


def _write(path: Path, lines: Iterable[bytes]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(line + b"\n" for line in lines))
    except OSError as problem:
        why = f"--out {path.parent} cannot be written ({problem.strerror}): name a folder"
        raise ConfigurationError(why) from None
