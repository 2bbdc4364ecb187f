"""In: nothing. Out: the priors that are stated and not fitted, each number with its source, and the base of the others.

"proposal": a number without a source of its own, shaped by the papers that are named beside it.
"""

from typing import Final

import msgspec

from emdr_stream.progress.prior import GrowthPrior

_SLOPES: Final = "proposal; post-treatment SDs that nearly double (IES-R, PMC12341736 table 2) ask for unequal slopes"
_DROPOUT: Final = "18 % of those in EMDR leave (PMC7144189): 2 % a session over ten sessions"
_JUMPS: Final = "sudden gains: 42 % of courses, 12.5 (5.2) points of the PSS-SR (PMC3930488)"
_ROBUST: Final = "a tenth of ratings 2.5 times as far off: the kurtosis of t with 6 degrees of freedom (Tukey 1960)"

PCL5: Final = GrowthPrior(
    start_mean=50.0,
    start_sd=12.0,
    slope_mean=-11.0,
    slope_sd=8.0,
    residual_sd=6.0,
    jump_chance=0.06,
    jump_mean=-12.0,
    jump_sd=5.0,
    dropout=0.02,
    sources={
        "start": "proposal: PCL-5 of 50 (12), well above the cut-off of 31 to 33 (VA)",
        "slope": f"{_SLOPES}; 8.5 % of slopes are above 0, the 5 to 10 % who get worse",
        "residual": f"proposal: 6 points; {_ROBUST}",
        "jumps": _JUMPS,
        "dropout": _DROPOUT,
    },
)


def bounded(fitted: GrowthPrior, persons: int) -> GrowthPrior:
    """A prior of SUD or VoC: fitted on invented courses. No source tells of jumps there; lasting steps either way are
    what the wander is for."""
    return msgspec.structs.replace(
        fitted,
        dropout=PCL5.dropout,
        sources={
            "start, slope, correlation, residual, wander": f"fitted on {persons} simulated courses (docs/progress.md)",
            "outliers": _ROBUST,
            "dropout": _DROPOUT,
        },
    )
