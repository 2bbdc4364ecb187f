"""In: a models folder and what is to become of a version. Out: `current.json`, `trials.json` and the folder's history.

    current.json    which version of each model is in use
    trials.json     which version stands beside it: as a shadow, or on a share of the sessions
    history.jsonl   every step, one JSON object a line, oldest first: rollback reads it, `models list` shows it

Files are replaced whole, under a lock, so that a worker that starts meanwhile reads the old state or the new one. What
the audit log has not been told yet is counted in `history.told`.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from emdr_stream.errors import ConfigurationError, ModelRefused
from emdr_stream.inference.manifest import CURRENT, FileName, Sha256, current_versions, read_json

TRIALS: Final = "trials.json"
HISTORY: Final = "history.jsonl"
_TOLD: Final = "history.told"

Action: TypeAlias = Literal["register", "promote", "rollback", "shadow", "share"]


class Share(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A version that a share of the sessions gets, in 0..1."""

    version: FileName
    share: Annotated[float, Meta(gt=0.0, lt=1.0)]


class Trial(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What stands beside the version in use."""

    shadow: FileName | None = None
    share: Share | None = None


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step in a model's life, as the history and the audit log have it. `version` null: the trial was ended."""

    ts_ms: int
    action: Action
    model: FileName
    version: FileName | None
    former: FileName | None = None
    sha256: Sha256 | None = None
    share: float | None = None
    by: str = ""
    """Name and role of who signed for it; empty where nobody had to."""
    reason: str = ""
    basis: str = ""
    """What allowed it."""
    missed: tuple[str, ...] = ()
    """Targets that the version misses."""
    despite: tuple[str, ...] = ()
    because: str = ""


def read_trials(models_dir: Path) -> dict[str, Trial]:
    """By model; empty where nothing is tried. Raises ModelRefused for a file that cannot be read."""
    path = models_dir / TRIALS
    return read_json(path, dict[FileName, Trial]) if path.is_file() else {}


def read_history(models_dir: Path) -> list[Step]:
    """Oldest first. Raises ModelRefused, which names the line."""
    try:
        lines = (models_dir / HISTORY).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    steps = []
    for number, line in enumerate(lines, start=1):
        try:
            steps.append(msgspec.json.decode(line, type=Step))
        except msgspec.DecodeError as problem:
            mend = "restore it from a copy, or move it away: a rollback then finds no earlier version"
            raise ModelRefused(f"{models_dir / HISTORY}, line {number} is malformed ({problem}): {mend}") from None
    return steps


def former_version(history: list[Step], name: str, current: str | None) -> str | None:
    """Which version was in use before the present one; None when that is not known. A version that was withdrawn by a
    rollback is never gone back to."""
    stack: list[str] = []
    for step in history:
        if step.model != name or step.version is None:
            continue
        if step.action == "promote":
            if step.former is not None and (not stack or stack[-1] != step.former):
                stack.append(step.former)
            stack.append(step.version)
        elif step.action == "rollback" and step.version in stack:
            stack = [version for version in _up_to(stack, step.version) if version != step.former]
    if current in stack:
        stack = _up_to(stack, current)
        while stack and stack[-1] == current:
            stack.pop()
    return stack[-1] if stack else None


def _up_to(stack: list[str], version: str) -> list[str]:
    """Up to where it stands last: a version that was promoted again has been in use twice."""
    return stack[: len(stack) - stack[::-1].index(version)]


def whose_decision(history: list[Step], name: str, version: str) -> str:
    """In words, by whom a version in use was put there. The files alone can be changed by hand: that shows, too."""
    steps = [step for step in history if step.model == name and step.action in {"promote", "rollback"}]
    if not steps:
        return "as released"
    if steps[-1].version != version:
        return "put in use by hand: no step says so"
    found = next((step for step in reversed(steps) if step.version == version and step.action == "promote"), None)
    return "as released" if found is None else f"signed for by {found.by}: {found.basis}"


def untold(models_dir: Path, history: list[Step]) -> list[Step]:
    """Steps that were taken while the audit log could not be reached."""
    return history[_told(models_dir) :]


class Lives:
    """A models folder that may be changed, while no other process changes it. Enter through `changing`."""

    def __init__(self, models_dir: Path) -> None:
        self.models_dir = models_dir
        self.history = read_history(models_dir)

    def put_in_use(self, name: str, version: str) -> None:
        """Name the version in `current.json`; a trial of the same version is over."""
        self._replace(CURRENT, {**current_versions(self.models_dir), name: version})
        trial = read_trials(self.models_dir).get(name, Trial())
        shadow = None if trial.shadow == version else trial.shadow
        share = None if trial.share is not None and trial.share.version == version else trial.share
        self.try_out(name, Trial(shadow=shadow, share=share))

    def try_out(self, name: str, trial: Trial) -> None:
        """Name what stands beside the version in use, or nothing."""
        trials = {**read_trials(self.models_dir), name: trial}
        kept = {model: each for model, each in trials.items() if each != Trial()}
        if kept or (self.models_dir / TRIALS).is_file():
            self._replace(TRIALS, kept)

    def note(self, step: Step) -> None:
        """Write a step down, on the disk when this returns."""
        with (self.models_dir / HISTORY).open("ab") as file:
            file.write(msgspec.json.encode(step) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.history.append(step)

    def all_told(self) -> None:
        """The audit log has every step up to here."""
        self._replace(_TOLD, len(self.history))

    def _replace(self, name: str, value: object) -> None:
        path, draft = self.models_dir / name, _draft(self.models_dir, name)
        with draft.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)


@contextlib.contextmanager
def changing(models_dir: Path) -> Iterator[Lives]:
    """The folder, locked against others who would change it. Raises ConfigurationError when it cannot be written."""
    try:
        descriptor = os.open(models_dir, os.O_RDONLY)
    except OSError as problem:
        raise ModelRefused(f"{models_dir} cannot be read ({problem.strerror}): name it with EMDR_MODEL_DIR") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _check_writable(models_dir)
        yield Lives(models_dir)
    except OSError as problem:
        raise ConfigurationError(
            f"{models_dir} cannot be changed ({problem.strerror}): copy the models to a folder that this account can "
            "write, and name it with EMDR_MODEL_DIR"
        ) from problem
    finally:
        os.close(descriptor)


def _check_writable(models_dir: Path) -> None:
    """Before anything is done or told: the audit log must not hold a step that the folder then did not take."""
    draft = _draft(models_dir, CURRENT)
    draft.open("wb").close()
    draft.unlink()


def _draft(models_dir: Path, name: str) -> Path:
    return models_dir / f".{name}.new"


def _told(models_dir: Path) -> int:
    path = models_dir / _TOLD
    return read_json(path, int) if path.is_file() else 0
