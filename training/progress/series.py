"""In: the folder of real data. Out: series of scores of real persons, as courses to forecast."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emdr_stream.errors import ConfigurationError
from emdr_stream.progress.measures import Floats, Goal, Scale
from training.progress.rdata import read_frame

Sessions = NDArray[np.int64]

# Reliable change of 9 points (8.46): Seggar, Lambert and Hansen 2002, Behavior Therapy. BDI-II: 0 to 63.
BDI: Final = Scale("BDI-II", 0.0, 63.0, -1, False, 9.0, 4.5, (Goal("reliable change of 9", 9.0, level=False),))
_MONTHS: Final = ("bdi.pre", "bdi.2m", "bdi.4m", "bdi.6m", "bdi.8m")
_SESSIONS: Final = 13


@dataclass(frozen=True, slots=True)
class Person:
    """`sessions` (n,) rising from 0, `values` (n,) of the scale."""

    name: str
    sessions: Sessions
    values: Floats


@dataclass(frozen=True, slots=True)
class Series:
    """Persons of one measure. `last`: the session whose rating is the outcome. `note`: what it is."""

    name: str
    note: str
    scale: Scale
    persons: tuple[Person, ...]
    last: int


def real_series(folder: Path) -> list[Series]:
    """All real series in `folder`/outcomes. Raises ConfigurationError."""
    outcomes = folder / "outcomes"
    if not outcomes.is_dir():
        raise ConfigurationError(f"--data {folder} has no folder `outcomes`: name the folder that holds it")
    return [_btheb(outcomes / "btheb" / "BtheB.csv"), _suddengains(outcomes / "suddengains" / "sgdata.RData")]


def _btheb(path: Path) -> Series:
    """Depression before and 2, 4, 6, 8 months after the begin of treatment (Proudfoot et al. 2003); a visit counts as a
    session."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        persons = [_person(row["rownames"], [_score(row[month]) for month in _MONTHS]) for row in rows]
    except (OSError, KeyError, ValueError) as problem:
        raise ConfigurationError(f"{path} cannot be read ({problem}): fetch it anew") from None
    note = "real: depression over 8 months, five visits (Proudfoot et al. 2003)"
    return Series("btheb", note, BDI, tuple(each for each in persons if each is not None), len(_MONTHS) - 1)


def _suddengains(path: Path) -> Series:
    frame = read_frame(path)
    try:
        table = np.stack([frame[f"bdi_s{session}"] for session in range(_SESSIONS)], axis=1)
    except KeyError as problem:
        raise ConfigurationError(f"{path} has no column {problem}: fetch it anew") from None
    persons = [_person(str(number), row.tolist()) for number, row in enumerate(table)]
    note = "example data of the R package suddengains, session by session: probably simulated"
    return Series("suddengains", note, BDI, tuple(each for each in persons if each is not None), _SESSIONS - 1)


def _person(name: str, scores: list[float]) -> Person | None:
    """None without a first score: there is nothing to start from."""
    found = np.array(scores)
    seen = np.flatnonzero(np.isfinite(found))
    return None if len(seen) == 0 or seen[0] != 0 else Person(name, seen, found[seen])


def _score(text: str) -> float:
    return float(text) if text.strip() not in {"", "NA"} else float("nan")
