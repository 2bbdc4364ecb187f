"""In: persons, each with a prior and a population that did not see them. Out: forecasts beside what came, and figures.

Three forecasts of each rating: ours; the last value carried forward; the population's mean of that session.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from emdr_stream.evaluation.bootstrap import Interval, Persons
from emdr_stream.progress.forecast import reliable_change
from emdr_stream.progress.growth import Belief, before, moved, rated
from emdr_stream.progress.measures import Floats, Scale
from emdr_stream.progress.paths import paths_of
from emdr_stream.progress.prior import GrowthPrior
from training.progress.series import Person

_LEVELS: Final = (0.05, 0.25, 0.75, 0.95)


@dataclass(frozen=True, slots=True)
class Population:
    """What is known without the person: prior, mean and share of reliable change of each session (S,)."""

    prior: GrowthPrior
    means: Floats
    changed: Floats


@dataclass(frozen=True, slots=True)
class Said:
    """One rating, forecast after `known` ratings, the last of them in session `seen`. `low50` ... its intervals.
    `chance`: probability of a reliable change that was said, `usual` the population's share, `change` what came."""

    person: str
    known: int
    seen: int
    session: int
    value: float
    mean: float
    low90: float
    low50: float
    high50: float
    high90: float
    carried: float
    usual_mean: float
    chance: float
    usual: float
    change: float


class Skill(msgspec.Struct, frozen=True):
    """How well the rating of one session was forecast from one moment on. `rmse` and its rivals in points; `over_*`:
    share of the rival's squared error that is gone (R² for the population's mean); `brier` of a reliable change."""

    name: str
    persons: int
    rmse: float
    rmse_carried: float
    rmse_mean: float
    over_carried: Interval
    over_mean: Interval
    brier: float | None
    brier_base: float | None


class Coverage(msgspec.Struct, frozen=True):
    """Share of ratings inside their 50 % and 90 % intervals, with 95 % intervals over persons."""

    ratings: int
    inside50: Interval
    inside90: Interval


def population_of(persons: Sequence[Person], scale: Scale, prior: GrowthPrior, sessions: int) -> Population:
    """The means over those who were rated."""
    sums, changes, counts = np.zeros(sessions), np.zeros(sessions), np.zeros(sessions)
    limit = np.inf if scale.reliable_change is None else scale.reliable_change
    for person in persons:
        sums[person.sessions] += person.values
        changes[person.sessions] += scale.improvement(float(person.values[0]), person.values) >= limit
        counts[person.sessions] += 1.0
    counts = np.maximum(counts, 1.0)
    return Population(prior, sums / counts, changes / counts)


def forecasts(person: Person, scale: Scale, population: Population) -> list[Said]:
    """Every rating from every moment before it."""
    found: list[Said] = []
    belief = before(population.prior)
    values = scale.to_model(person.values)
    for known in range(1, len(person.values)):
        belief = moved(belief, population.prior, float(person.sessions[known - 1]))
        belief = rated(belief, population.prior, float(values[known - 1]))
        found.extend(_later(person, scale, population, belief, known))
    return found


def _later(person: Person, scale: Scale, population: Population, belief: Belief, known: int) -> list[Said]:
    seen = int(person.sessions[known - 1])
    first, carried = float(person.values[0]), float(person.values[known - 1])
    ratings = paths_of(belief, population.prior, scale, int(person.sessions[-1]) - seen).ratings
    found = []
    for session, value in zip(person.sessions[known:].tolist(), person.values[known:].tolist(), strict=True):
        drawn = ratings[:, session - seen - 1]
        low90, low50, high50, high90 = np.quantile(drawn, _LEVELS).tolist()
        chance = reliable_change(scale, first, drawn)
        change = chance is not None and scale.gained(first, value) >= (scale.reliable_change or 0.0)
        found.append(
            Said(
                person=person.name,
                known=known,
                seen=seen,
                session=session,
                value=value,
                mean=float(drawn.mean()),
                low90=low90,
                low50=low50,
                high50=high50,
                high90=high90,
                carried=carried,
                usual_mean=float(population.means[session]),
                chance=np.nan if chance is None else chance,
                usual=float(population.changed[session]),
                change=float(change),
            )
        )
    return found


def skill_of(name: str, said: Sequence[Said], wanted: Callable[[Said], bool]) -> Skill | None:
    """Of those forecasts that are wanted, one a person: the one that knew most. None where there is none."""
    last: dict[str, Said] = {}
    for each in said:
        if wanted(each):
            last[each.person] = each
    chosen = list(last.values())
    if not chosen:
        return None
    names = [each.person for each in chosen]
    persons = Persons(names)
    ours, carried, mean = (
        np.array([(getattr(each, field) - each.value) ** 2 for each in chosen])
        for field in ("mean", "carried", "usual_mean")
    )

    def over(rival: Floats) -> Interval:
        return persons.rate(persons.sums(names, (rival - ours).tolist()), persons.sums(names, rival.tolist()))

    known = np.isfinite(chosen[0].chance)
    return Skill(
        name=name,
        persons=len(chosen),
        rmse=float(ours.mean()) ** 0.5,
        rmse_carried=float(carried.mean()) ** 0.5,
        rmse_mean=float(mean.mean()) ** 0.5,
        over_carried=over(carried),
        over_mean=over(mean),
        brier=float(np.mean([(each.chance - each.change) ** 2 for each in chosen])) if known else None,
        brier_base=float(np.mean([(each.usual - each.change) ** 2 for each in chosen])) if known else None,
    )


def coverage_of(said: Sequence[Said], fewest: int = 2) -> Coverage:
    """Of all forecasts that knew `fewest` ratings, as many as the service asks for."""
    chosen = [each for each in said if each.known >= fewest]
    names = [each.person for each in chosen]
    persons = Persons(names)
    all_of = persons.sums(names, [1.0] * len(chosen))

    def inside(low: str, high: str) -> Interval:
        hits = [float(getattr(each, low) <= each.value <= getattr(each, high)) for each in chosen]
        return persons.share(persons.sums(names, hits), all_of)

    return Coverage(len(chosen), inside("low50", "high50"), inside("low90", "high90"))
