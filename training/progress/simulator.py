"""In: constants and a seed. Out: invented courses of PCL-5, SUD and VoC, session by session.

Every constant is one of those that the literature suggests or a proposal (docs/progress.md has the table): what is
measured on these courses tells whether the software works, and nothing of people.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from emdr_stream.progress.measures import Floats
from training.progress.series import Person

RATINGS_LOST: Final = 0.1
"""Share of sessions without a rating: a proposal."""


@dataclass(frozen=True, slots=True)
class Constants:
    """PCL-5: start, slope per log(1 + session), residual (t with `freedom` degrees), lasting jumps. SUD: start, decay
    per set, chance that the first set of a session raises it. `incomplete`: sessions that end early."""

    sessions: int = 10
    start: tuple[float, float] = (50.0, 12.0)
    slope: tuple[float, float] = (-11.0, 8.0)
    residual: float = 6.0
    freedom: float = 5.0
    jump_chance: float = 0.06
    jump: tuple[float, float] = (-12.0, 5.0)
    dropout: float = 0.02
    straight: bool = False
    """A line in sessions instead of in their logarithm, with the same end: a growth that the model does not know."""
    sud_start: tuple[float, float] = (7.5, 1.5)
    decay: tuple[float, float] = (0.15, 0.12)
    rise_chance: float = 0.25
    incomplete: float = 0.3
    sets: tuple[int, int] = (10, 20)
    rebound: float = 0.3
    """Share of a session's gain that is gone when the next begins: a proposal."""


@dataclass(frozen=True, slots=True)
class Invented:
    """Courses of the same persons; SUD and VoC of one target each."""

    pcl5: tuple[Person, ...]
    sud: tuple[Person, ...]
    voc: tuple[Person, ...]


def invent(persons: int, seed: int, constants: Constants | None = None) -> Invented:
    """That many persons, each from draws of their own: the first n are the same whatever `persons` is."""
    settings = constants or Constants()
    pcl5, sud, voc = [], [], []
    for number in range(persons):
        rng = np.random.default_rng([seed, number])
        name = f"p{number}"
        last = _last_session(rng, settings)
        came = _came(rng, last)
        pcl5.append(Person(name, came, _pcl5(rng, settings)[came]))
        distress, validity = _target(rng, settings)
        sud.append(Person(name, came, distress[came]))
        voc.append(Person(name, came, validity[came]))
    return Invented(tuple(pcl5), tuple(sud), tuple(voc))


def _last_session(rng: np.random.Generator, settings: Constants) -> int:
    """Each session may be the last; at least the first is attended."""
    stays = rng.random(settings.sessions) >= settings.dropout
    return settings.sessions if stays.all() else max(int(stays.argmin()), 1)


def _came(rng: np.random.Generator, last: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Sessions with a rating, 0 always among them."""
    rated = rng.random(last + 1) >= RATINGS_LOST
    rated[0] = True
    return np.flatnonzero(rated)


def _pcl5(rng: np.random.Generator, settings: Constants) -> Floats:
    at = np.arange(settings.sessions + 1)
    growth = np.log1p(at)
    if settings.straight:
        growth = growth[-1] * at / at[-1]
    jumps = (rng.random(len(at)) < settings.jump_chance) * rng.normal(*settings.jump, len(at))
    jumps[0] = 0.0
    level = rng.normal(*settings.start) + rng.normal(*settings.slope) * growth + np.cumsum(jumps)
    spread = settings.residual * np.sqrt((settings.freedom - 2.0) / settings.freedom)
    found: Floats = np.clip(np.round(level + spread * rng.standard_t(settings.freedom, len(at))), 0.0, 80.0)
    return found


def _target(rng: np.random.Generator, settings: Constants) -> tuple[Floats, Floats]:
    """SUD and VoC at the end of each session, of one target that is worked on until SUD is 1 or less."""
    begin = float(np.clip(rng.normal(*settings.sud_start), 3.0, 10.0))
    rate = float(rng.normal(*settings.decay))
    level, validity = begin, float(np.clip(rng.normal(2.5, 1.0), 1.0, 5.0))
    doubt = validity
    distress, validities = [_rating(rng, begin, 0.0, 10.0)], [_rating(rng, validity, 1.0, 7.0)]
    for _ in range(settings.sessions):
        before = level
        level = _session(rng, settings, level, rate)
        validity = doubt + (7.0 - doubt) * (1.0 - level / 10.0) ** 2
        distress.append(_rating(rng, level, 0.0, 10.0))
        validities.append(_rating(rng, validity, 1.0, 7.0))
        level += settings.rebound * max(before - level, 0.0)
    return np.array(distress), np.array(validities)


def _session(rng: np.random.Generator, settings: Constants, level: float, rate: float) -> float:
    """SUD after the sets of one session; an incomplete one has a third of them."""
    sets = int(rng.integers(settings.sets[0], settings.sets[1] + 1))
    if rng.random() < settings.incomplete:
        sets //= 3
    if rng.random() < settings.rise_chance:
        level = min(level + rng.uniform(0.5, 2.0), 10.0)
    # A session's own luck: half of the spread between persons, a proposal.
    today = rate + float(rng.normal(0.0, settings.decay[1] / 2.0))
    return float(np.clip(level * np.exp(-today * sets), 0.0, 10.0))


def _rating(rng: np.random.Generator, level: float, low: float, high: float) -> float:
    """A whole number about the level."""
    return float(np.clip(np.round(level + rng.normal(0.0, 0.5)), low, high))
