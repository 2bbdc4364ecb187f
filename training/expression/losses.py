"""Faces and a recipe go in, what a network is to say of them and how far it is off come out: targets, losses, draws."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from training.expression.config import Recipe
from training.expression.dataset import Faces
from training.expression.network import FELT, MEANT, N_CLASSES, SEEN

AFFECT_OF: Final = torch.tensor(
    [(0.40, 0.27), (-0.19, -0.14), (-0.42, 0.43), (-0.31, 0.15), (-0.17, 0.51), (-0.38, 0.18), (-0.01, 0.01)]
)
"""Valence and arousal of each of EMOTIONS: means of the labels of the trainable synthetic faces. FER+ has no such
labels: the votes' mean of these stands for them."""


Targets = tuple[Tensor, Tensor, Tensor, Tensor]


def targets(recipe: Recipe, faces: Faces, rows: NDArray[np.int64]) -> Targets:
    """Of the faces in `rows` [k]: votes [k, 7], intent [k, 7], affect [k, 2], and how much their classes count [k]."""
    votes = torch.from_numpy(faces.votes[rows])
    known = torch.from_numpy(faces.intent[rows])
    affect = torch.from_numpy(faces.affect[rows])
    affect = torch.where(affect.isnan(), votes @ AFFECT_OF, affect)
    smooth = recipe.smoothing / N_CLASSES
    votes = votes * (1 - recipe.smoothing) + smooth
    intent = functional.one_hot(known.clamp(min=0), N_CLASSES).float() * (1 - recipe.smoothing) + smooth
    intent = torch.where((known < 0)[:, None], votes, intent)
    weight = torch.where(torch.from_numpy(faces.generated[rows]), recipe.generated, 1.0)
    return votes, intent, affect, weight


def of_head(recipe: Recipe, said: Tensor, wanted: Targets) -> Tensor:
    """The loss of one head's answers [k, N_OUT]."""
    votes, intent, affect, weight = wanted
    share = weight / weight.sum()
    seen = (functional.cross_entropy(said[:, SEEN], votes, reduction="none") * share).sum()
    meant = (functional.cross_entropy(said[:, MEANT], intent, reduction="none") * share).sum()
    felt = torch.tanh(said[:, FELT])
    distance = (felt - affect).square().mean() * 4 + (1 - _concordance(felt, affect)).mean() * 0.5
    return seen + recipe.intent * meant + recipe.affect * distance


def _concordance(said: Tensor, true: Tensor) -> Tensor:
    """Lin's concordance of each column (Lin 1989, doi 10.2307/2532051)."""
    a, b = said - said.mean(0), true - true.mean(0)
    return 2 * (a * b).mean(0) / (a.square().mean(0) + b.square().mean(0) + (said.mean(0) - true.mean(0)) ** 2 + 1e-4)


def chances(recipe: Recipe, faces: Faces) -> NDArray[np.float64]:
    """How often each face is drawn: classes by their number to the power 1 - `balance`, synthetic ones by a share."""
    chances = np.zeros(len(faces))
    for part, share in ((~faces.generated, 1 - recipe.synthetic), (faces.generated, recipe.synthetic)):
        if not part.any():
            continue
        counts = faces.votes[part].sum(0)
        weights = faces.votes[part] @ (np.maximum(counts, 1.0) ** -recipe.balance)
        chances[part] = share * weights / weights.sum()
    return chances / chances.sum()


def schedule(step: int, steps: int) -> float:
    warm = max(steps // 20, 1)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm))) * 0.99 + 0.01


def weight_groups(network: nn.Module, decay: float) -> Sequence[dict[str, object]]:
    weights = [p for p in network.parameters() if p.ndim > 1]
    rest = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": weights, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}]
