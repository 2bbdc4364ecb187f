"""States of one network on its way go in, the one that is kept comes out: chosen on faces that were not trained on.

Nothing here reads an evaluation set. What counts is how closely a state says what its elders say together; a state that
the rule of the camera's answer cannot hold to its promises, or whose web's answer misses its floor, is not kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from training.expression.landmarks import Floats
from training.expression.network import THIRD

KEPT: Final = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Parts of the training after which a state is kept to choose from."""


@dataclass(frozen=True, slots=True)
class State:
    """How one state does. `apart`: mean divergence of its camera's answer, as it is, from the elders' on web faces and
    on generated ones; `holds`: whether distress is found, grimaces are no smiles and the web's answer has its floor."""

    apart: tuple[float, float]
    holds: bool


def best(states: Sequence[State]) -> int:
    """Where the state stands whose two divergences have the least sum: among those that hold, or if none does, among
    all. Of equal ones the last."""
    held = [i for i, state in enumerate(states) if state.holds] or list(range(len(states)))
    return min(reversed(held), key=lambda i: sum(states[i].apart))


def apart(said: Floats, wanted: Floats) -> float:
    """Mean Kullback-Leibler divergence of the third answer of `said` [n, 23] from `wanted`, logs of chances [n, 7]."""
    logits = said[:, THIRD]
    raised = logits - logits.max(1, keepdims=True)
    own = raised - np.log(np.exp(raised).sum(1, keepdims=True))
    return float((np.exp(wanted) * (wanted - own)).sum(1).mean())
