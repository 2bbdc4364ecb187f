"""In: nothing. Out: the shape of what is known of people in general before one is seen."""

from typing import Annotated

import msgspec
from msgspec import Meta

Positive = Annotated[float, Meta(gt=0.0)]
Share = Annotated[float, Meta(ge=0.0, lt=1.0)]


class GrowthPrior(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The population of one measure, on the model's scale (points, or log-odds where the scale is bounded).

    A person's level is start + slope * log(1 + sessions since the first rating) + jumps; start and slope are normal
    with a correlation. A rating adds a residual, `outlier_scale` times as wide in a share of `outlier_share`.
    Each session brings with `jump_chance` a lasting jump, normal; and a lasting step of `wander_sd`, either way.
    `dropout`: the chance, each session, that it was the last. `sources`: where each number comes from.
    """

    start_mean: float
    start_sd: Positive
    slope_mean: float
    slope_sd: Positive
    correlation: Annotated[float, Meta(gt=-1.0, lt=1.0)] = 0.0
    residual_sd: Positive
    outlier_share: Share = 0.1
    outlier_scale: Annotated[float, Meta(ge=1.0)] = 2.5
    jump_chance: Share = 0.0
    jump_mean: float = 0.0
    jump_sd: Annotated[float, Meta(ge=0.0)] = 0.0
    wander_sd: Annotated[float, Meta(ge=0.0)] = 0.0
    dropout: Share = 0.0
    sources: dict[str, str] = {}

    @property
    def inner_sd(self) -> float:
        """SD of an ordinary residual, such that all residuals together have `residual_sd`."""
        widened = 1.0 - self.outlier_share + self.outlier_share * self.outlier_scale**2
        return self.residual_sd / float(widened**0.5)
