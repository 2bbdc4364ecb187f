"""Decision points of all kinds, drawn from a generator."""

import numpy as np

from emdr_stream.personalization.arms import N_ARMS, PARTS, Points, Settings
from emdr_stream.personalization.setting import PATHS


def drawn_settings(rng: np.random.Generator, n: int) -> Settings:
    """Also such as lie beyond the bounds: a therapist may set them."""
    return Settings(
        np.round(rng.uniform(0.2, 2.0, n), 1),
        np.round(rng.uniform(8.0, 90.0, n)),
        rng.integers(-1, len(PATHS), n),
        rng.random(n) < 0.3,
    )


def drawn_points(rng: np.random.Generator, n: int) -> Points:
    """A third of them stand where the therapist wants it."""
    present, reference = drawn_settings(rng, n), drawn_settings(rng, n)
    same = rng.random(n) < 0.33
    reference = Settings(
        *(
            np.where(same, getattr(present, name), getattr(reference, name))
            for name in ("speed", "length", "path", "sound")
        )
    )
    bounds = rng.random(n) < 0.7
    return Points(
        present=present,
        reference=reference,
        speeds=np.where(bounds[:, None], (0.3, 1.5), (0.3, 0.6)),
        lengths=np.where(bounds[:, None], (12.0, 40.0), (8.0, 24.0)),
        careful=rng.random(n) < 0.3,
        locked=rng.random((n, len(PARTS))) < 0.25,
        refused=rng.random((n, N_ARMS)) < 0.2,
    )
