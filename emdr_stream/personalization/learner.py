"""In: sets of clients. Out: the rows that are learnt from them, and what is believed of each client's effects."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from emdr_stream.personalization.arms import Settings
from emdr_stream.personalization.belief import Belief, Evidence, Prior, belief_of, evidence_of, pooled
from emdr_stream.personalization.features import (
    N_FEATURES,
    Conditions,
    action_rows,
    context_rows,
    strain,
    whole_rows,
)
from emdr_stream.personalization.outcomes import SetOutcome, benefit
from emdr_stream.personalization.prior import benefit_prior, leaving_prior
from emdr_stream.personalization.setting import PATHS, Floats, Setting

_UNKNOWN: Final = float("nan")


@dataclass(frozen=True, slots=True)
class Priors:
    """Of both outcomes. `clients`: how many other clients are behind them."""

    benefit: Prior = field(default_factory=benefit_prior)
    leaving: Prior = field(default_factory=leaving_prior)
    clients: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """What is believed of one client (N = 1). `rated`: sets with SUD before and after; `watched`: sets that were
    seen."""

    benefit: Belief
    leaving: Belief
    noise: float
    rated: int
    watched: int
    clients: int


def settings_of(settings: Sequence[Setting]) -> Settings:
    """Settings as columns (N,)."""
    return Settings(
        np.array([each.speed for each in settings]),
        np.array([each.length for each in settings]),
        np.array([PATHS.index(each.path) if each.path in PATHS else -1 for each in settings], dtype=np.int64),
        np.array([each.sound for each in settings], dtype=bool),
    )


def as_arms(settings: Settings) -> Settings:
    """Settings (N,) as the only arm (N, 1) of each."""
    return Settings(settings.speed[:, None], settings.length[:, None], settings.path[:, None], settings.sound[:, None])


def rows_of(outcomes: Sequence[SetOutcome]) -> Floats:
    """(T, N_FEATURES). A set whose reference nobody knows is taken to have been the therapist's own setting."""
    if not outcomes:
        return np.zeros((0, N_FEATURES))
    found = settings_of([each.setting for each in outcomes])
    reference = settings_of([each.reference or each.setting for each in outcomes])
    conditions = Conditions(
        _column(each.sud_before for each in outcomes),
        np.array([float(max(each.set_no, 1)) for each in outcomes]),
        _column(each.recovery_before for each in outcomes),
        _column(each.attention_before for each in outcomes),
    )
    return whole_rows(action_rows(as_arms(found), reference, strain(conditions)), context_rows(conditions))[:, 0]


def known_of(outcomes: Sequence[SetOutcome], priors: Priors) -> Known:
    """One client's sets, oldest first, against what is known of others."""
    told, left = _evidence(outcomes, priors)
    return Known(
        belief_of(priors.benefit, told),
        belief_of(priors.leaving, left),
        priors.benefit.noise,
        int(told.rows[0]),
        int(left.rows[0]),
        priors.clients,
    )


def priors_of(others: Sequence[Sequence[SetOutcome]], stated: Priors | None = None) -> Priors:
    """The priors after other clients have been seen; without any, the stated ones."""
    stated = stated or Priors()
    seen = [each for each in others if each]
    if not seen:
        return stated
    evidence = [_evidence(each, stated) for each in seen]
    told, left = (_stacked([pair[k] for pair in evidence]) for k in (0, 1))
    return Priors(pooled(stated.benefit, told), pooled(stated.leaving, left), len(seen))


def _evidence(outcomes: Sequence[SetOutcome], priors: Priors) -> tuple[Evidence, Evidence]:
    rows = rows_of(outcomes)
    benefits = _column(benefit(each) for each in outcomes)
    left = _column(None if each.left is None else float(each.left) for each in outcomes)
    return evidence_of(rows, benefits, priors.benefit.noise), evidence_of(rows, left, priors.leaving.noise)


def _stacked(each: Sequence[Evidence]) -> Evidence:
    return Evidence(
        *(np.concatenate([getattr(one, name) for one in each]) for name in ("precision", "weighted", "rows"))
    )


def _column(values: Iterable[float | None]) -> Floats:
    return np.array([_UNKNOWN if value is None else value for value in values], dtype=np.float64)
