"""In: a client's sets and sessions. Out: their profile, each figure with its interval and how much stands behind it.

Thin data are drawn towards what is known of people (`shrinkage.py`); what no data stand behind is not told.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import exp, sqrt
from typing import Final, TypeVar

import msgspec

from emdr_stream.domain import DIMENSIONS
from emdr_stream.personalization.outcomes import Answers, SessionOutcome, SetOutcome
from emdr_stream.personalization.setting import Setting
from emdr_stream.personalization.shrinkage import (
    Z90,
    Estimate,
    MeanPrior,
    RatePrior,
    shrunk_mean,
    shrunk_rate,
)

_Key = TypeVar("_Key")

_CEAP: Final = "between people: CEAP-360VR (measured for this project); between sessions: assumed"
_SUD: Final = "a fall by 15 % a set from 5 (domain notes, section 5); noise of two ratings"
FEWEST_TOLERATED: Final = 5
"""Sets at a speed or length below which nothing is said of its being tolerated: a proposal."""
MOST_LEAVING: Final = 0.2
"""Upper end of the chance to leave the window at which a speed or a length still counts as tolerated: a proposal."""
_FEWEST_EVENTS: Final = 1


class Population(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of people in general, or has been learnt from other clients (`mean_prior_of`, `rate_prior_of`)."""

    levels: tuple[MeanPrior, MeanPrior, MeanPrior] = (
        MeanPrior(mean=0.0, between=0.15, within=0.10, source=_CEAP),
        MeanPrior(mean=0.0, between=0.14, within=0.10, source=_CEAP),
        MeanPrior(mean=0.72, between=0.10, within=0.10, source="assumed"),
    )
    sud_change: MeanPrior = MeanPrior(mean=-0.75, between=0.6, within=1.2, source=_SUD)
    recovery: MeanPrior = MeanPrior(mean=0.7, between=0.15, within=0.25, source="assumed")
    leaving: RatePrior = RatePrior(shape=1.0, exposure=12.0, source="assumed: one set in twelve, as if of 12 sets")
    pauses: RatePrior = RatePrior(shape=0.5, exposure=2.0, source="assumed: one in four hours, as if of 2 hours")


class SettingResponse(msgspec.Struct, frozen=True, kw_only=True):
    """One configuration: sets with it, change of SUD a set (less than 0 is better), recovery, chance to leave."""

    setting: Setting
    sets: int
    sud_change: Estimate
    recovery: Estimate
    leaving: Estimate


class Tolerance(msgspec.Struct, frozen=True, kw_only=True):
    """Sets from `low` to below `high` (Hz, or seconds), and the chance to leave the window in one of them. `tolerated`:
    None when there are too few sets to say."""

    low: float
    high: float
    sets: int
    leaving: Estimate
    tolerated: bool | None


class Trigger(msgspec.Struct, frozen=True, kw_only=True):
    """Pauses of one cause, an hour."""

    cause: str
    pauses: int
    per_hour: Estimate


class Circumstance(msgspec.Struct, frozen=True, kw_only=True):
    """How much oftener sets are broken off, or the window is left, where something holds than where it does not."""

    what: str
    with_it: int
    without_it: int
    ratio: float
    low: float
    high: float


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a client. All intervals hold 90 %. `enough`: there is at least one set; else only the population
    is told of. `notes`: what is not known."""

    sessions: int
    sets: int
    rated_sets: int
    hours: float
    enough: bool
    baseline: dict[str, Estimate]
    responses: tuple[SettingResponse, ...]
    speeds: tuple[Tolerance, ...]
    lengths: tuple[Tolerance, ...]
    triggers: tuple[Trigger, ...]
    circumstances: tuple[Circumstance, ...]
    answers: Answers
    sources: dict[str, str]
    notes: tuple[str, ...]


SPEED_BINS: Final = ((0.2, 0.7), (0.7, 0.9), (0.9, 1.1), (1.1, 1.3), (1.3, 2.01))
LENGTH_BINS: Final = ((8.0, 16.0), (16.0, 22.0), (22.0, 28.0), (28.0, 36.0), (36.0, 90.01))
_CIRCUMSTANCES: Final[Mapping[str, Callable[[SetOutcome], bool | None]]] = {
    "SUD of 7 or more before the set": lambda s: None if s.sud_before is None else s.sud_before >= 7.0,
    "faster than the therapist's own setting": lambda s: (
        None if s.reference is None else s.setting.speed > s.reference.speed
    ),
    "longer than the therapist's own setting": lambda s: (
        None if s.reference is None else s.setting.length > s.reference.length
    ),
    "first three sets of a session": lambda s: s.set_no <= 3,
    "after a set from which the client hardly came down": lambda s: (
        None if s.recovery_before is None else s.recovery_before < 0.5
    ),
}


def profile_of(
    sets: Sequence[SetOutcome],
    sessions: Sequence[SessionOutcome],
    answers: Answers | None = None,
    population: Population | None = None,
) -> Profile:
    """The profile of one client, from sets and sessions in any order."""
    people = population or Population()
    hours = sum(each.hours for each in sessions)
    rated = sum(each.sud_change is not None for each in sets)
    return Profile(
        sessions=len(sessions),
        sets=len(sets),
        rated_sets=rated,
        hours=hours,
        enough=bool(sets),
        baseline=_baseline(sessions, people),
        responses=_responses(sets, people),
        speeds=_tolerances(sets, SPEED_BINS, lambda each: each.setting.speed, people),
        lengths=_tolerances(sets, LENGTH_BINS, lambda each: each.setting.length, people),
        triggers=_triggers(sessions, hours, people),
        circumstances=_circumstances(sets),
        answers=answers or Answers(),
        sources={
            **{name: prior.source for name, prior in zip(DIMENSIONS, people.levels, strict=True)},
            "sud_change": people.sud_change.source,
            "recovery": people.recovery.source,
            "leaving": people.leaving.source,
            "pauses": people.pauses.source,
        },
        notes=_notes(sets, rated),
    )


def _baseline(sessions: Sequence[SessionOutcome], people: Population) -> dict[str, Estimate]:
    found = {}
    for number, (name, prior) in enumerate(zip(DIMENSIONS, people.levels, strict=True)):
        found[name] = shrunk_mean([v for each in sessions if (v := each.levels[number]) is not None], prior)
    return found


def _responses(sets: Sequence[SetOutcome], people: Population) -> tuple[SettingResponse, ...]:
    found = [
        SettingResponse(
            setting=setting,
            sets=len(each),
            sud_change=shrunk_mean([v for s in each if (v := s.sud_change) is not None], people.sud_change),
            recovery=shrunk_mean([s.recovery for s in each if s.recovery is not None], people.recovery),
            leaving=_leaving(each, people),
        )
        for setting, each in _grouped(sets, lambda s: s.setting).items()
    ]
    return tuple(sorted(found, key=lambda each: -each.sets))


def _tolerances(
    sets: Sequence[SetOutcome],
    bins: Sequence[tuple[float, float]],
    of: Callable[[SetOutcome], float],
    people: Population,
) -> tuple[Tolerance, ...]:
    found = []
    for low, high in bins:
        each = [s for s in sets if low <= of(s) < high]
        if not each:
            continue
        leaving = _leaving(each, people)
        enough = leaving.observations >= FEWEST_TOLERATED
        tolerated = leaving.high <= MOST_LEAVING if enough else None
        found.append(Tolerance(low=low, high=round(high, 1), sets=len(each), leaving=leaving, tolerated=tolerated))
    return tuple(found)


def _leaving(sets: Sequence[SetOutcome], people: Population) -> Estimate:
    seen = [s.left for s in sets if s.left is not None]
    return shrunk_rate(sum(seen), float(len(seen)), people.leaving, len(seen))


def _triggers(sessions: Sequence[SessionOutcome], hours: float, people: Population) -> tuple[Trigger, ...]:
    counts: dict[str, int] = {}
    for each in sessions:
        for cause, count in each.pauses.items():
            counts[cause] = counts.get(cause, 0) + count
    found = [
        Trigger(cause=cause, pauses=count, per_hour=shrunk_rate(count, hours, people.pauses, count))
        for cause, count in counts.items()
    ]
    return tuple(sorted(found, key=lambda each: -each.pauses))


def _circumstances(sets: Sequence[SetOutcome]) -> tuple[Circumstance, ...]:
    """The ratio of two rates with half an event added to each; its logarithm is normal with variance 1/a + 1/b
    (Haldane 1956; Greenland and Robins 1985)."""
    found = []
    for what, holds in _CIRCUMSTANCES.items():
        groups = _grouped([s for s in sets if holds(s) is not None], holds)
        inside, outside = groups.get(True, []), groups.get(False, [])
        events = [sum(_troubled(s) for s in group) for group in (inside, outside)]
        if not inside or not outside or sum(events) < _FEWEST_EVENTS:
            continue
        a, b = events[0] + 0.5, events[1] + 0.5
        ratio = (a / (len(inside) + 0.5)) / (b / (len(outside) + 0.5))
        reach = exp(Z90 * sqrt(1.0 / a + 1.0 / b))
        found.append(
            Circumstance(
                what=what,
                with_it=len(inside),
                without_it=len(outside),
                ratio=ratio,
                low=ratio / reach,
                high=ratio * reach,
            )
        )
    return tuple(found)


def _troubled(outcome: SetOutcome) -> bool:
    return bool(outcome.left) or outcome.stopped is not None


def _grouped(sets: Iterable[SetOutcome], key: Callable[[SetOutcome], _Key]) -> dict[_Key, list[SetOutcome]]:
    groups: dict[_Key, list[SetOutcome]] = {}
    for each in sets:
        groups.setdefault(key(each), []).append(each)
    return groups


def _notes(sets: Sequence[SetOutcome], rated: int) -> tuple[str, ...]:
    if not sets:
        return ("not enough data: there is no set of this client yet; what is told is of people in general",)
    found = []
    if rated < len(sets):
        found.append(
            f"{len(sets) - rated} of {len(sets)} sets have no SUD before and after: they tell nothing of benefit"
        )
    unseen = sum(s.left is None for s in sets)
    if unseen:
        found.append(f"in {unseen} of {len(sets)} sets nobody saw whether the window was left")
    found.append("what a set brought is one rating against another: no treatment effect can be read from it")
    return tuple(found)
