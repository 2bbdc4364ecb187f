"""In: few observations of one person, and what is known of people. Out: an estimate between the two with its interval.

Means: y_ij ~ N(theta_i, s²), theta_i ~ N(m, t²) gives theta_i | y ~ N(w mean(y_i) + (1 - w) m, 1 / (n / s² + 1 / t²))
with w = n / (n + s² / t²) (Efron and Morris 1975, JASA 70; Gelman et al., Bayesian Data Analysis, ch. 5). Counts:
c_i ~ Poisson(h_i r_i), r_i ~ Gamma(a, b) gives r_i | c ~ Gamma(a + c_i, b + h_i) (Clayton and Kaldor 1987, Biometrics
43).
"""

from collections.abc import Sequence
from math import sqrt
from typing import Final

import msgspec
import numpy as np

Z90: Final = 1.6448536269514722
"""A 90 % interval reaches so many standard deviations to either side."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A value with its 90 % interval, and `observations` of this person behind it: with 0, it is the population's."""

    value: float
    low: float
    high: float
    observations: int


class MeanPrior(msgspec.Struct, frozen=True, kw_only=True):
    """People's means: `mean`, `between` their SD, `within` the SD of one observation of one person. `source` in
    words."""

    mean: float
    between: float
    within: float
    source: str


class RatePrior(msgspec.Struct, frozen=True, kw_only=True):
    """People's rates: Gamma(shape, exposure), mean shape / exposure. `source` in words."""

    shape: float
    exposure: float
    source: str


def shrunk_mean(values: Sequence[float], prior: MeanPrior) -> Estimate:
    """Of a person's mean. With no value it is the prior's, with its whole spread."""
    n = len(values)
    precision = n / prior.within**2 + 1.0 / prior.between**2
    value = (sum(values) / prior.within**2 + prior.mean / prior.between**2) / precision
    reach = Z90 / sqrt(precision)
    return Estimate(value=value, low=value - reach, high=value + reach, observations=n)


def shrunk_rate(count: int, exposure: float, prior: RatePrior, observations: int) -> Estimate:
    """Of a person's rate: `count` in `exposure` (hours, or sets)."""
    shape, rate = prior.shape + count, prior.exposure + exposure
    return Estimate(
        value=shape / rate,
        low=_gamma_quantile(shape, -Z90) / rate,
        high=_gamma_quantile(shape, Z90) / rate,
        observations=observations,
    )


def mean_prior_of(groups: Sequence[Sequence[float]], stated: MeanPrior, fewest: int = 5) -> MeanPrior:
    """The prior as other persons show it: moments of their means (DerSimonian and Laird 1986), `within` pooled.

    Fewer than `fewest` persons with two observations or more leave what is `stated`. `between` never falls below a
    quarter of the stated one: a few persons who are alike by chance must not silence the next one.
    """
    usable = [np.asarray(group, dtype=float) for group in groups if len(group) >= 2]
    if len(usable) < fewest:
        return stated
    freedom = sum(len(group) - 1 for group in usable)
    within2 = max(sum(float(((g - g.mean()) ** 2).sum()) for g in usable) / freedom, (0.25 * stated.within) ** 2)
    means = np.array([group.mean() for group in usable])
    spread2 = float(means.var(ddof=1)) - within2 * float(np.mean([1.0 / len(group) for group in usable]))
    between = max(sqrt(max(spread2, 0.0)), 0.25 * stated.between)
    source = f"{len(usable)} other clients"
    return MeanPrior(mean=float(means.mean()), between=between, within=sqrt(within2), source=source)


def rate_prior_of(counts: Sequence[int], exposures: Sequence[float], stated: RatePrior, fewest: int = 5) -> RatePrior:
    """The prior as other persons show it, by moments (Clayton and Kaldor 1987); few persons leave what is stated."""
    count, exposure = np.asarray(counts, dtype=float), np.asarray(exposures, dtype=float)
    seen = exposure > 0.0
    if seen.sum() < fewest or count[seen].sum() <= 0.0:
        return stated
    count, exposure = count[seen], exposure[seen]
    mean = count.sum() / exposure.sum()
    spread2 = float((exposure * (count / exposure - mean) ** 2).sum() / exposure.sum()) - mean / exposure.mean()
    spread2 = max(spread2, (0.25 * mean) ** 2)
    return RatePrior(
        shape=float(mean**2 / spread2), exposure=float(mean / spread2), source=f"{int(seen.sum())} other clients"
    )


def _gamma_quantile(shape: float, z: float) -> float:
    """Of Gamma(shape, 1): Wilson and Hilferty 1931; within 2 % between 5 % and 95 % from a shape of 1 on, and below it
    too low at the low end."""
    k = 1.0 / (9.0 * shape)
    return float(shape * max(1.0 - k + z * sqrt(k), 0.0) ** 3)
