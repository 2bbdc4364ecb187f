"""A session's id in, which version of a model it gets out: by a stable hash, so that it always gets the same one."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from emdr_stream.inference.lives import Trial, read_trials
from emdr_stream.inference.manifest import current_versions, read_manifest
from emdr_stream.inference.promotion import is_safety
from emdr_stream.wire.values import ModelRef


@dataclass(frozen=True, slots=True)
class Choice:
    """The version of a model that is in use, and the one that has a `share` of the sessions, in 0..1."""

    current: ModelRef
    other: ModelRef | None = None
    share: float = 0.0

    @property
    def all(self) -> tuple[ModelRef, ...]:
        return (self.current,) if self.other is None else (self.current, self.other)

    def of(self, key: str) -> ModelRef:
        """The version for the session (or user) of this id."""
        other = self.other
        return other if other is not None and drawn(other.name, key) < self.share else self.current


def read_choice(models_dir: Path, model: str) -> Choice | None:
    """None where no version is in use. A safety model has no share, whatever a file says. Raises ModelRefused."""
    current = current_versions(models_dir).get(model)
    if current is None:
        return None
    share = None if is_safety(model) else read_trials(models_dir).get(model, Trial()).share
    if share is None:
        return Choice(_reference(models_dir, model, current))
    return Choice(_reference(models_dir, model, current), _reference(models_dir, model, share.version), share.share)


def drawn(model: str, key: str) -> float:
    """A number in [0, 1) that is the same for the same model and session on every machine, and even over sessions.

    The model's name is part of it: who gets the new version of one model is no hint at who gets that of another.
    """
    return int.from_bytes(hashlib.sha256(f"{model}\x00{key}".encode()).digest()[:8], "big") / 2**64


def _reference(models_dir: Path, model: str, version: str) -> ModelRef:
    return ModelRef(name=model, version=version, sha256=read_manifest(models_dir / model / version).sha256)
