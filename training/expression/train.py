"""Faces and a recipe go in, a trained network comes out: the mean of its late weights, with how it did on the way."""

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from emdr_stream.vision.geometry import mirrored
from training.expression.augment import augmented, centred
from training.expression.config import Recipe
from training.expression.dataset import Faces
from training.expression.descent import Descent
from training.expression.landmarks import Floats
from training.expression.losses import chances, of_head, targets
from training.expression.network import ExpressionNetwork

Told = Callable[[int, float], None]

_EVALUATION_BATCH: Final = 256


def train(recipe: Recipe, faces: Faces, told: Told, start: ExpressionNetwork | None = None) -> ExpressionNetwork:
    """Train on `faces`, from `start` on, which is changed, or from nothing. `told(step, loss)` is called after each
    epoch.

    Depends on the recipe's seed, the faces and the number of threads alone.
    """
    torch.manual_seed(recipe.seed)
    draw = np.random.default_rng(recipe.seed)
    network = (start or built(recipe)).train()
    _fit_scale(network, faces)
    noise = (recipe.feature_noise / network.features.scale).numpy()
    network.to(memory_format=torch.channels_last)
    descent = Descent(network, recipe)
    odds = chances(recipe, faces)
    total = 0.0
    for step in range(descent.steps):
        rows = draw.choice(len(faces), recipe.batch, p=odds)
        total += descent.step(_loss(recipe, network, faces, rows, noise, draw))
        if (step + 1) % recipe.steps == 0:
            told((step + 1) // recipe.steps, total / recipe.steps)
            total = 0.0
    trained: ExpressionNetwork = descent.averaged.module
    return trained.eval()


def built(recipe: Recipe) -> ExpressionNetwork:
    """The untrained network of a recipe."""
    strides = (recipe.first_stride, recipe.second_stride)
    return ExpressionNetwork(tuple(recipe.widths), recipe.feature_width, recipe.dropout, *strides)


def outputs(network: ExpressionNetwork, faces: Faces, *, mirror: bool = False) -> Floats:
    """[n, N_OUT] of the faces' plain crops, or of their mirror images."""
    network.eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(faces), _EVALUATION_BATCH):
            some = faces.take(np.arange(start, min(start + _EVALUATION_BATCH, len(faces))))
            pixels, rows, present = centred(torch.from_numpy(some.edged)), some.features, _present(some.found)
            if mirror:
                pixels, rows = pixels.flip(3), mirrored(rows)
            parts.append(network(pixels, torch.from_numpy(rows), present).float().numpy())
    return np.concatenate(parts)


def _loss(
    recipe: Recipe,
    network: ExpressionNetwork,
    faces: Faces,
    rows: NDArray[np.int64],
    noise: Floats,
    draw: np.random.Generator,
) -> Tensor:
    pixels, flipped = augmented(torch.from_numpy(faces.edged[rows]), torch.from_numpy(faces.framed[rows]), draw)
    features = np.where(flipped[:, None], mirrored(faces.features[rows]), faces.features[rows])
    features = features + draw.standard_normal(features.shape, np.float32) * noise
    present = _present(faces.found[rows] & (draw.random(len(rows)) >= recipe.missing))
    with torch.autocast("cpu", torch.bfloat16):
        fused, alone = network.both(
            pixels.contiguous(memory_format=torch.channels_last), torch.from_numpy(features), present
        )
    wanted = targets(recipe, faces, rows)
    return of_head(recipe, fused.float(), wanted) + recipe.alone * of_head(recipe, alone.float(), wanted)


def _present(found: NDArray[np.bool_]) -> Tensor:
    return torch.from_numpy(found.astype(np.float32))[:, None]


def _fit_scale(network: ExpressionNetwork, faces: Faces) -> None:
    rows = faces.features[faces.found]
    network.features.mean.copy_(torch.from_numpy(rows.mean(0)))
    network.features.scale.copy_(torch.from_numpy(1 / np.maximum(rows.std(0), 1e-3)))
