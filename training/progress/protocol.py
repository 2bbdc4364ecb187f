"""In: a plan, the folder of real data. Out: fitted priors, and figures on real series and on simulated courses.

Real: each person is left out of the fit, forecast, and put back. Simulated: fitted on some persons, scored on others;
then on courses of other constants, which the priors do not know.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

from emdr_stream.progress.measures import SCALES, Measure
from emdr_stream.progress.prior import GrowthPrior
from training.progress.fitting import ROUNDS, Table, fit, prior_of, table_of
from training.progress.priors import PCL5, bounded
from training.progress.scoring import Coverage, Said, Skill, coverage_of, forecasts, population_of, skill_of
from training.progress.series import Person, Series, real_series
from training.progress.simulator import Constants, Invented, invent
from training.shown import Bars

_UNFITTED: Final = GrowthPrior(start_mean=0.0, start_sd=1.0, slope_mean=0.0, slope_sd=1.0, residual_sd=1.0)
_REFINE_ROUNDS: Final = 40
"""From the fit of everybody to that of all but one."""
_STANDARD: Final = Constants()
SHIFTED: Final = {
    "half the slope": replace(_STANDARD, slope=(-5.5, 8.0)),
    "half again the slope": replace(_STANDARD, slope=(-16.5, 8.0)),
    "half again the residual": replace(_STANDARD, residual=9.0),
    "residuals of t with 3 degrees": replace(_STANDARD, freedom=3.0),
    "no jumps": replace(_STANDARD, jump_chance=0.0),
    "twice the jumps": replace(_STANDARD, jump_chance=0.12),
    "straight growth": replace(_STANDARD, straight=True),
}
"""Populations of PCL-5 other than the prior's."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`fitted`: invented persons for the fit, `rounds` of it; `scored`: others for the figures; `shifted`: for each of
    SHIFTED."""

    fitted: int = 500
    scored: int = 300
    shifted: int = 150
    seed: int = 1
    rounds: int = ROUNDS


QUICK: Final = Plan(fitted=40, scored=12, shifted=4, rounds=30)


class Scored(msgspec.Struct, frozen=True):
    """Figures of one series. `skills`: at the start (one rating known), mid-course, and from the rating before."""

    name: str
    note: str
    skills: tuple[Skill, ...]
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class Outcome:
    """All there is to tell. `ended`: share of the real visits after which no rating came any more."""

    priors: dict[Measure, GrowthPrior]
    real: list[Scored]
    simulated: list[Scored]
    shifted: list[Scored]
    real_dropout: float | None


def run(plan: Plan, data: Path | None, bars: Bars) -> Outcome:
    """Everything. Raises ConfigurationError when the real data cannot be read."""
    series = [] if data is None else real_series(data)
    bars.begin("fitting SUD and VoC", 2)
    invented = invent(plan.fitted, plan.seed)
    priors = {Measure.PCL5: PCL5}
    for done, measure in enumerate((Measure.SUD, Measure.VOC), start=1):
        persons = _of(invented, measure)
        found = fit(table_of(persons, SCALES[measure]), rounds=plan.rounds)
        priors[measure] = bounded(prior_of(found, _UNFITTED), len(persons))
        bars.reach(done)
    others = invent(plan.scored, plan.seed + 1)
    simulated = [_simulated(measure, priors[measure], invented, others, bars) for measure in Measure]
    shifted = [_shifted(name, priors[Measure.PCL5], invented, plan, bars) for name in SHIFTED]
    real = [_left_out(each, bars) for each in series]
    return Outcome(priors, real, simulated, shifted, dropout(series[0]) if series else None)


def dropout(series: Series) -> float:
    """Share of the visits, all but the last, after which a person gave no score any more."""
    ended = sum(int(person.sessions[-1]) < series.last for person in series.persons)
    at_risk = sum(min(int(person.sessions[-1]) + 1, series.last) for person in series.persons)
    return ended / at_risk


def _of(invented: Invented, measure: Measure) -> tuple[Person, ...]:
    return {Measure.PCL5: invented.pcl5, Measure.SUD: invented.sud, Measure.VOC: invented.voc}[measure]


def _simulated(measure: Measure, prior: GrowthPrior, known: Invented, others: Invented, bars: Bars) -> Scored:
    scale, last = SCALES[measure], _STANDARD.sessions
    population = population_of(_of(known, measure), scale, prior, last + 1)
    bars.begin(f"forecasting simulated {scale.name}", len(_of(others, measure)))
    said: list[Said] = []
    for done, person in enumerate(_of(others, measure), start=1):
        said += forecasts(person, scale, population)
        bars.reach(done)
    return _scored(measure.value, "simulated, as the prior", said, last)


def _shifted(name: str, prior: GrowthPrior, known: Invented, plan: Plan, bars: Bars) -> Scored:
    scale, last = SCALES[Measure.PCL5], _STANDARD.sessions
    population = population_of(known.pcl5, scale, prior, last + 1)
    bars.begin(f"shifted: {name}", plan.shifted)
    said: list[Said] = []
    for done, person in enumerate(invent(plan.shifted, plan.seed + 2, SHIFTED[name]).pcl5, start=1):
        said += forecasts(person, scale, population)
        bars.reach(done)
    return _scored(name, "simulated PCL-5, other than the prior", said, last)


def _left_out(series: Series, bars: Bars) -> Scored:
    """Each person forecast from a prior that was fitted on the others alone."""
    table = table_of(series.persons, series.scale)
    whole = fit(table)
    bars.begin(f"leaving out each of {series.name}", len(series.persons))
    said: list[Said] = []
    for number, person in enumerate(series.persons):
        rest = series.persons[:number] + series.persons[number + 1 :]
        left: Table = table.without(number)
        prior = prior_of(fit(left, whole, _REFINE_ROUNDS), _UNFITTED)
        said += forecasts(person, series.scale, population_of(rest, series.scale, prior, series.last + 1))
        bars.reach(number + 1)
    return _scored(series.name, series.note, said, series.last)


def _scored(name: str, note: str, said: Sequence[Said], last: int) -> Scored:
    moments = (
        skill_of("start", said, lambda each: each.known == 1 and each.session == last),
        skill_of("mid-course", said, lambda each: each.seen <= last // 2 and each.session == last),
        skill_of("rating before", said, lambda each: each.session == last),
    )
    return Scored(name, note, tuple(each for each in moments if each is not None), coverage_of(said))
