"""In: a folder of recordings with labels and consents. Out: rows to train on, as the service's own core would ask them.

Three files decide what is used: the recording itself, its line in `labels.jsonl`, and its line in `consent.jsonl`.
Consent to treatment is none to training: without its own line a recording is never read. Who takes the line out
again withdraws it from every training to come.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from emdr_stream.domain import MODEL_STATES, Scores, StateLabel
from emdr_stream.errors import EmdrError
from emdr_stream.evaluation.labels import LABELS_FILE, Event, Truth, read_labels_file
from emdr_stream.evaluation.probabilities import HORIZON_S
from emdr_stream.pipeline.features import ROW_LENGTH
from emdr_stream.recording.reading import read_recording
from emdr_stream.recording.replay import watch_recording
from emdr_stream.session.effects import Analyse, Effect
from training.dataset import Dataset, changes
from training.network import compressed
from training.rows import SessionRows, derive, levels
from training.stretches import Spell, parts_of
from training.targets import worth_of_finding

CONSENT_FILE: Final = "consent.jsonl"
ROW_EVERY_MS: Final = 1_000
_RESUME_AFTER_S: Final = 30.0
"""Of the pauses that the recording's own therapist did not end: while it is paused no set runs, which is a feature."""
_KIND_OF: Final = {"hyperarousal": StateLabel.HYPERAROUSAL, "hypoarousal": StateLabel.HYPOAROUSAL}


class ConsentError(EmdrError):
    """`consent.jsonl` cannot be read; the message names the line and the field."""


class Consent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody agreed that this recording of them is trained on. `given_on`: the day, as ISO 8601."""

    recording: Annotated[str, Meta(min_length=1, max_length=128)]
    given_on: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    note: str = ""


class _Calm:
    """Says calm to every row: it keeps the replayed session going, so that it asks for all its rows."""

    def score(self, rows: NDArray[np.float64]) -> list[Scores]:
        return [Scores((1.0, 0.0, 0.0, 0.0, 0.0), 0.0, 0.0, (0.0, 0.0, 0.0))] * len(rows)


def consented(folder: Path) -> list[Truth]:
    """The labelled recordings that may be trained on, in the order of the labels; empty where a file is missing.

    Raises LabelsError or ConsentError.
    """
    if not (folder / LABELS_FILE).is_file() or not (folder / CONSENT_FILE).is_file():
        return []
    agreed = {consent.recording for consent in _consents(folder / CONSENT_FILE)}
    truths = read_labels_file(folder / LABELS_FILE)
    return [truth for truth in truths if truth.recording in agreed and (folder / truth.recording).is_file()]


def recorded_datasets(
    folder: Path, truths: Sequence[Truth], progress: Callable[[int], None] = lambda done: None
) -> list[Dataset]:
    """Of each recording its rows with their targets; those without a row are left out. Raises RecordingError."""
    parts = []
    for done, truth in enumerate(truths, start=1):
        rows = recorded_rows(folder / truth.recording)
        if len(rows.times_ms):
            parts.append(labelled(rows, truth))
        progress(done)
    return parts


def recorded_rows(path: Path) -> SessionRows:
    """What the service would have asked its models about this recording, a row a second. Raises RecordingError."""
    times: list[int] = []
    kept: list[NDArray[np.float64]] = []

    def watch(effect: Effect, at_ms: int) -> None:
        if isinstance(effect, Analyse) and (not times or at_ms >= times[-1] + ROW_EVERY_MS):
            times.append(at_ms)
            kept.append(effect.row.copy())

    with path.open("rb") as lines:
        recording = read_recording(lines, path.name)
    watch_recording(recording, _Calm(), watch, resume_after_s=_RESUME_AFTER_S)
    rows = np.array(kept).reshape(len(kept), ROW_LENGTH)
    return SessionRows(np.array(times, dtype=np.int64), derive(rows), levels(rows))


def labelled(rows: SessionRows, truth: Truth) -> Dataset:
    """Rows and what should be said of them; what lies outside of `from_ms` and `to_ms` counts nothing."""
    times = rows.times_ms
    inside = np.zeros(len(times), dtype=np.bool_)
    ahead = np.zeros(len(times), dtype=np.bool_)
    weight = ((times >= truth.from_ms) & (times < (truth.to_ms or np.iinfo(np.int64).max))).astype(np.float32)
    state, known = _states(times, truth)
    safety = weight.copy()
    for event in truth.events:
        on = (times >= event.onset_ms) & (times < event.end_ms)
        near = (times >= event.onset_ms - HORIZON_S * 1_000) & (times < event.end_ms)
        inside |= on
        ahead |= near
        state[on] = MODEL_STATES.index(_KIND_OF[event.kind])
        known[on] = event.observable
        safety[near] *= np.float32(worth_of_finding(event.observable, event.marginal))
    change, change_weight = changes(rows)
    risk = ahead.astype(np.float32)
    parts = parts_of(times / 1_000.0, safety, [_spell(event) for event in truth.events])
    return Dataset(
        times_ms=times,
        inputs=compressed(rows.features).astype(np.float16),
        state=state,
        state_weight=weight * known,
        soft_risk=risk,
        risk=risk,
        crisis=risk,
        safety_weight=safety,
        change=change.astype(np.float32),
        change_weight=change_weight.astype(np.float32) * weight,
        stretch=parts.stretch,
        stretch_worth=parts.worth.astype(np.float32),
    )


def _spell(event: Event) -> Spell:
    return Spell(event.onset_ms / 1_000, event.end_ms / 1_000, worth_of_finding(event.observable, event.marginal))


def _states(times: NDArray[np.int64], truth: Truth) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The state of each row (n,), and where it is known: of a recording that tells only its events, not beside them."""
    state = np.zeros(len(times), dtype=np.int64)
    known = np.zeros(len(times), dtype=np.bool_)
    seconds = truth.seconds
    if seconds is not None and seconds.state:
        second = (times - seconds.start_ms) // 1_000
        told = (second >= 0) & (second < len(seconds.state))
        index = np.clip(second, 0, len(seconds.state) - 1)
        state = np.array([MODEL_STATES.index(StateLabel(word)) for word in seconds.state], dtype=np.int64)[index]
        known = told & np.array(seconds.present)[index] & np.array(seconds.observable)[index]
    return state, known


def _consents(path: Path) -> Iterator[Consent]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                yield msgspec.json.decode(line, type=Consent)
            except (msgspec.DecodeError, UnicodeError) as problem:
                raise ConsentError(f"{path}, line {number}: {problem}") from None
