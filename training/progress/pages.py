"""In: an outcome. Out: the card and the manifest's metrics."""

from collections.abc import Sequence
from typing import Final, cast

import msgspec

from emdr_stream.progress.measures import Measure
from emdr_stream.progress.prior import GrowthPrior
from training.package import Json
from training.progress.gates import shown, targets
from training.progress.protocol import Outcome, Plan, Scored
from training.progress.scoring import Skill

SKILL_HEADINGS: Final = (
    "series",
    "known",
    "persons",
    "RMSE",
    "last value",
    "population mean",
    "R² (95 % interval)",
    "error left out over last value",
    "Brier",
    "base rate",
)
COVERAGE_HEADINGS: Final = ("series", "ratings", "inside 50 %", "inside 90 %")
_USE: Final = """## Intended use
Forecasts of a course from its ratings (PCL-5; SUD and VoC of a target), for a qualified therapist who knows the person.
Never shown to the client: a forecast can discourage (hazard H11). It is no medical device and no diagnosis, and decides
nothing. The model is a table of priors, `priors.json`; the method is `emdr_stream/progress/`, its formulas stand in
`docs/progress.md`.
"""
_DATA: Final = """## Data
PCL-5: nothing was fitted, the priors are stated with their sources. SUD and VoC: fitted on **simulated** courses of
{fitted} invented persons; scored on {scored} others. The real series did not go into the model: they check its method,
each with priors fitted on its own other persons.
{sources}"""
_FORECASTS: Final = """## Forecasts of the last session's rating
Known: `start` the first rating alone, `mid-course` those of the first half, `rating before` all but the last. The
service itself is silent at the `start`: it asks for two ratings. RMSE in points. R² is the share of the population
mean's squared error that is gone; that mean is of the fitted persons, of a real series of the others. Brier scores of
a reliable change: 15 points of PCL-5, 2 of SUD, 9 of BDI-II.
"""
_SHIFTED: Final = """## Populations that the prior does not know
Simulated PCL-5 of other constants, half or half again as large; the prior stays as it is,
and the population's mean too is the one of the prior's population.
"""
_LIMITS: Final = """## What it does not know
No course of EMDR of a real person was seen: figures of PCL-5, SUD and VoC tell whether the software works, and nothing
of people. It knows nothing of the person but these ratings: no diagnosis, no events, no treatment but "sessions".
Ratings are taken to be missing at random; those who get worse may leave. Growth is taken to slow down with the
logarithm of sessions: where it does not, see the series that it fails on. Sudden gains are looked for in PCL-5 only.
Intervals are too wide where ratings gather at the end of a scale, as SUD does at 0: a bound that is reached counts as
inside.
"""


def card(plan: Plan, outcome: Outcome, version: str, command: str) -> str:
    """CARD.md."""
    parts = [
        f"# Model card: progress {version}\n",
        f"Written, with every figure, by `{command}` (seed {plan.seed}; the priors do not depend on DATA).\n",
        _USE,
        _DATA.format(fitted=plan.fitted, scored=plan.scored, sources=_series(outcome)),
        "## Priors\n" + priors_table(outcome.priors),
        _FORECASTS,
        _markdown(
            SKILL_HEADINGS, [row for scored in (*outcome.simulated, *outcome.real) for row in skill_rows(scored)]
        ),
        "## Coverage\nOf all later ratings, from two known ones on; intervals over persons.\n",
        _markdown(COVERAGE_HEADINGS, [coverage_row(each) for each in (*outcome.simulated, *outcome.real)]),
        _SHIFTED,
        _markdown(SKILL_HEADINGS, [row for scored in outcome.shifted for row in skill_rows(scored)]),
        _markdown(COVERAGE_HEADINGS, [coverage_row(each) for each in outcome.shifted]),
        "## Targets\n" + _markdown(("target", "figure", "reached"), _target_rows(outcome)),
        _LIMITS,
    ]
    return "\n".join(parts)


def metrics(outcome: Outcome) -> dict[str, Json]:
    """What the manifest keeps: by series, then by what was known; rounded."""
    groups = {"simulated": outcome.simulated, "real": outcome.real, "shifted": outcome.shifted}
    kept = {group: {_key(each.name): _kept(each) for each in found} for group, found in groups.items()}
    return cast(dict[str, Json], _rounded(msgspec.to_builtins(kept)))


def _kept(scored: Scored) -> dict[str, object]:
    skills = {_key(skill.name): {**msgspec.to_builtins(skill), "r2": skill.over_mean.value} for skill in scored.skills}
    inside = scored.coverage.inside90.value
    outside = None if inside is None else 1.0 - inside
    return {**skills, "coverage": {**msgspec.to_builtins(scored.coverage), "outside90": outside}}


def _key(name: str) -> str:
    """A name without spaces, hyphens and dots, for a path into the metrics."""
    return name.replace(" ", "_").replace("-", "_")


def priors_table(priors: dict[Measure, GrowthPrior]) -> str:
    """Every number of each prior, on the model's scale, then where they come from."""
    names = [name for name in GrowthPrior.__struct_fields__ if name != "sources"]
    rows = [(name, *(f"{getattr(priors[measure], name):.3g}" for measure in Measure)) for name in names]
    lines = [
        f"- {measure.value}, {what}: {source}."
        for measure in Measure
        for what, source in priors[measure].sources.items()
    ]
    return _markdown(("", *(measure.value for measure in Measure)), rows) + "\n" + "\n".join(lines) + "\n"


def skill_rows(scored: Scored) -> list[tuple[str, ...]]:
    return [_skill_row(scored.name, skill) for skill in scored.skills]


def coverage_row(scored: Scored) -> tuple[str, ...]:
    cover = scored.coverage
    return (scored.name, str(cover.ratings), shown(cover.inside50), shown(cover.inside90))


def _skill_row(name: str, skill: Skill) -> tuple[str, ...]:
    brier = ("–", "–") if skill.brier is None else (f"{skill.brier:.3f}", f"{skill.brier_base:.3f}")
    return (
        name,
        skill.name,
        str(skill.persons),
        f"{skill.rmse:.2f}",
        f"{skill.rmse_carried:.2f}",
        f"{skill.rmse_mean:.2f}",
        shown(skill.over_mean),
        shown(skill.over_carried),
        *brier,
    )


def _target_rows(outcome: Outcome) -> list[tuple[str, ...]]:
    return [(each.what, each.figure, "yes" if each.reached else "**no**") for each in targets(outcome)]


def _series(outcome: Outcome) -> str:
    lines = [f"- {scored.name}: {scored.note}." for scored in outcome.real]
    if outcome.real_dropout is not None:
        lines.append(
            f"- After {outcome.real_dropout:.0%} of the visits of btheb, two months apart, no score came any more."
        )
    return "\n".join(lines) + "\n"


def _markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(headings)} |", "|" + " --- |" * len(headings)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def _rounded(value: Json) -> Json:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(each) for each in value]
    return value
