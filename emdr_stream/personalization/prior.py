"""In: nothing. Out: what is assumed of everybody's effects before anybody is seen, each number with its source.

Two outcomes of a set, each linear in the same features: its benefit (`outcomes.py`), in points of SUD, and whether the
client left the window of tolerance in it (1) or not (0).
"""

from typing import Final

import numpy as np

from emdr_stream.personalization.belief import Prior
from emdr_stream.personalization.features import ACTION_FEATURES, CONTEXT_FEATURES

_FEATURES: Final = (*ACTION_FEATURES, *CONTEXT_FEATURES)
_FAST: Final = (
    "1.2 Hz taxes working memory more than 0.8, and fast was better than slow for vivid memories (n = 72, "
    "doi 10.3389/fpsyt.2015.00045): the direction; the size is assumed, and small: eye movements as a whole add "
    "d = 0.41 (Lee and Cuijpers 2013, disputed by Cuijpers 2020)"
)
_NONE: Final = "no controlled evidence found: none is assumed"
_AUTONOMIC: Final = (
    "autonomic response the same at 0.3 Hz, 1 Hz and fixation (n = 42, Shapiro library 18251): none is assumed"
)
_ASSUMED: Final = "assumed"

# Feature: mean; SD of what all clients share; SD between clients; source. Speed counts in 0.2 Hz, length in 4 s.
_BENEFIT: Final[dict[str, tuple[float, float, float, str]]] = {
    "speed": (0.05, 0.10, 0.15, _FAST),
    "speed_squared": (0.0, 0.03, 0.05, _ASSUMED),
    "length": (0.0, 0.05, 0.10, "sets of 24 s are habit, not evidence (van den Hout 2001, 2011): none is assumed"),
    "length_squared": (0.0, 0.02, 0.03, _ASSUMED),
    "path_horizontal": (0.0, 0.05, 0.10, "horizontal and vertical alike (Gunter and Bodner 2008)"),
    "path_vertical": (0.0, 0.05, 0.10, "horizontal and vertical alike (Gunter and Bodner 2008)"),
    "path_diagonal_up": (0.0, 0.05, 0.10, _NONE),
    "path_infinity": (0.0, 0.05, 0.10, _NONE),
    "sound": (0.0, 0.05, 0.10, "tones inferior to eye movements, unclear beside them (read.qxmd.com/read/22440458)"),
    "speed_strain": (0.0, 0.10, 0.15, _ASSUMED),
    "length_strain": (0.0, 0.05, 0.10, _ASSUMED),
    "always": (0.8, 0.30, 0.50, "a fall by 15 % a set from 5 (domain notes, section 5), and recovery's share"),
    "sud": (1.5, 0.50, 0.80, "the fall is a share of what there is: 0.15 x 10 (domain notes, section 5)"),
    "set_no": (0.0, 0.30, 0.30, _ASSUMED),
    "recovery": (0.0, 0.30, 0.30, _ASSUMED),
    "attention": (0.0, 0.30, 0.30, _ASSUMED),
}
BENEFIT_NOISE: Final = 1.2
"""SD of one set's benefit: two ratings with 0.7 each (domain notes), rounding, and the window."""

_LEAVING: Final[dict[str, tuple[float, float, float, str]]] = {
    "speed": (0.0, 0.02, 0.02, _AUTONOMIC),
    "speed_squared": (0.0, 0.005, 0.005, _ASSUMED),
    "length": (0.0, 0.01, 0.02, "arousal creeps up within a set (Sack 2008): none is assumed, so that it shows"),
    "length_squared": (0.0, 0.005, 0.005, _ASSUMED),
    "path_horizontal": (0.0, 0.01, 0.01, _NONE),
    "path_vertical": (0.0, 0.01, 0.01, _NONE),
    "path_diagonal_up": (0.0, 0.01, 0.01, _NONE),
    "path_infinity": (0.0, 0.01, 0.01, _NONE),
    "sound": (0.0, 0.01, 0.01, _NONE),
    "speed_strain": (0.0, 0.03, 0.03, _ASSUMED),
    "length_strain": (0.0, 0.02, 0.02, _ASSUMED),
    "always": (0.05, 0.05, 0.05, "crises fill about 5 % of the time of test sessions (domain notes, section 7)"),
    "sud": (0.1, 0.10, 0.10, _ASSUMED),
    "set_no": (0.0, 0.05, 0.05, _ASSUMED),
    "recovery": (0.0, 0.10, 0.10, _ASSUMED),
    "attention": (0.0, 0.10, 0.10, _ASSUMED),
}
LEAVING_NOISE: Final = 0.25
"""SD of a rare yes or no: the root of 0.07 x 0.93."""


def benefit_prior() -> Prior:
    """Of a set's benefit, in points of SUD."""
    return _prior(_BENEFIT, BENEFIT_NOISE)


def leaving_prior() -> Prior:
    """Of the chance to leave the window in a set."""
    return _prior(_LEAVING, LEAVING_NOISE)


def sources() -> list[tuple[str, float, float, float, str]]:
    """Feature, mean, shared SD, SD between clients and source of the benefit's prior, for the pages."""
    return [(name, *_BENEFIT[name]) for name in _FEATURES]


def _prior(stated: dict[str, tuple[float, float, float, str]], noise: float) -> Prior:
    rows = [stated[name] for name in _FEATURES]
    mean = np.array([row[0] for row in rows])
    shared = np.diag(np.array([row[1] for row in rows]) ** 2)
    between = np.diag(np.array([row[2] for row in rows]) ** 2)
    return Prior(mean, shared, between, noise)
