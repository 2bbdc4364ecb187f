"""In: what is recorded, what was trained on, and how far the version in use has drifted. Out: reasons to train."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from training.retrain.config import RetrainConfig


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """What the last retraining saw: the names of recordings. Kept in the data folder."""

    recordings: tuple[str, ...] = ()
    drifted: str = ""
    """Version for whose drift a training was done: once is enough, a person has to look at what came of it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is now. `drift`: fields of the newest row of the version in use, None where there is none."""

    recordings: Collection[str]
    version: str
    drift: Mapping[str, Any] | None


def reasons(config: RetrainConfig, seen: Seen, remembered: Remembered) -> list[str]:
    """Why to train anew; empty when there is no reason."""
    found = []
    new = set(seen.recordings) - set(remembered.recordings)
    if len(new) >= config.new_recordings:
        found.append(f"{len(new)} labelled recordings of consenting clients are new ({config.new_recordings} asked)")
    if config.drift and seen.version != remembered.drifted and (what := drifted(seen.drift)):
        found.append(f"version {seen.version} has drifted: {what}")
    return found


def drifted(fields: Mapping[str, Any] | None) -> str:
    """What is beyond its limit, in words; empty when nothing is, or when too little was seen."""
    if fields is None or fields.get("inputs") is None:
        return ""
    over = [what for what in ("inputs", "outputs") if fields[what] > fields[f"{what}_limit"]]
    return ", ".join(f"{what} {fields[what]:.2f} above {fields[f'{what}_limit']:.2f}" for what in over)


def read_remembered(path: Path) -> Remembered:
    """Nothing is remembered where there is no file, or a broken one: then one training too many is the harm."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Remembered)
    except (OSError, msgspec.DecodeError):
        return Remembered()


def write_remembered(path: Path, remembered: Remembered) -> None:
    draft = path.with_suffix(".new")
    draft.write_bytes(msgspec.json.encode(remembered))
    draft.replace(path)
