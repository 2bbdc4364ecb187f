"""Faces and a recipe go in, a trained network comes out: the mean of its late weights, with how it did on the way."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from emdr_stream.vision.geometry import mirrored
from training.expression.augment import augmented, centred
from training.expression.config import Recipe
from training.expression.dataset import Faces, Floats
from training.expression.network import N_CLASSES, ExpressionNetwork

Told = Callable[[int, float], None]

AFFECT_OF: Final = torch.tensor(
    [(0.40, 0.27), (-0.19, -0.14), (-0.42, 0.43), (-0.31, 0.15), (-0.17, 0.51), (-0.38, 0.18), (-0.01, 0.01)]
)
"""Valence and arousal of each of EMOTIONS: means of the labels of the trainable synthetic faces. FER+ has no such
labels: the votes' mean of these stands for them."""
_EVALUATION_BATCH: Final = 256


@dataclass(frozen=True, slots=True)
class Teaching:
    """What a teacher says of the training faces, [n, 7] probabilities each, in the order of the faces."""

    votes: Floats
    intent: Floats


def train(
    recipe: Recipe, faces: Faces, synthetic: NDArray[np.bool_], told: Told, teaching: Teaching | None = None
) -> ExpressionNetwork:
    """Train on `faces`, of which `synthetic` [n] are generated. `told(step, loss)` is called after each epoch.

    Depends on the recipe's seed, the faces and the number of threads alone.
    """
    torch.manual_seed(recipe.seed)
    draw = np.random.default_rng(recipe.seed)
    network = built(recipe)
    _fit_scale(network, faces)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.averaging), use_buffers=True
    )
    optimiser = torch.optim.AdamW(_groups(network, recipe.decay), lr=recipe.rate)
    steps = recipe.epochs * recipe.steps
    chances = _chances(recipe, faces, synthetic)
    total = 0.0
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * _schedule(step, steps)
        rows = draw.choice(len(faces), recipe.batch, p=chances)
        loss = _loss(recipe, network, faces, rows, draw, teaching)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimiser.step()
        averaged.update_parameters(network)
        total += float(loss.detach())
        if (step + 1) % recipe.steps == 0:
            told((step + 1) // recipe.steps, total / recipe.steps)
            total = 0.0
    trained: ExpressionNetwork = averaged.module
    return trained.eval()


def built(recipe: Recipe) -> ExpressionNetwork:
    """The untrained network of a recipe."""
    strides = (recipe.first_stride, recipe.second_stride)
    return ExpressionNetwork(tuple(recipe.widths), recipe.feature_width, recipe.dropout, *strides)


def outputs(network: ExpressionNetwork, faces: Faces, *, alone: bool = False, mirror: bool = False) -> Floats:
    """[n, N_OUT] of the faces' plain crops, or of their mirror images; `alone`: by the head that sees pixels only."""
    network.eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(faces), _EVALUATION_BATCH):
            some = faces.take(np.arange(start, min(start + _EVALUATION_BATCH, len(faces))))
            pixels, rows, present = centred(torch.from_numpy(some.edged)), some.features, _present(some.found)
            if mirror:
                pixels, rows = pixels.flip(3), mirrored(rows)
            both = network.both(pixels, torch.from_numpy(rows), present)
            parts.append(both[1 if alone else 0].float().numpy())
    return np.concatenate(parts)


def _loss(
    recipe: Recipe,
    network: ExpressionNetwork,
    faces: Faces,
    rows: NDArray[np.int64],
    draw: np.random.Generator,
    teaching: Teaching | None,
) -> Tensor:
    pixels, flipped = augmented(torch.from_numpy(faces.edged[rows]), torch.from_numpy(faces.framed[rows]), draw)
    features = np.where(flipped[:, None], mirrored(faces.features[rows]), faces.features[rows])
    features = features + draw.standard_normal(features.shape, np.float32) * np.float32(recipe.feature_noise)
    present = _present(faces.found[rows] & (draw.random(len(rows)) >= recipe.missing))
    with torch.autocast("cpu", torch.bfloat16):
        fused, alone = network.both(
            pixels.contiguous(memory_format=torch.channels_last), torch.from_numpy(features), present
        )
    votes, intent, affect = _targets(recipe, faces, rows, teaching)
    return _of_head(recipe, fused.float(), votes, intent, affect) + recipe.alone * _of_head(
        recipe, alone.float(), votes, intent, affect
    )


def _targets(
    recipe: Recipe, faces: Faces, rows: NDArray[np.int64], teaching: Teaching | None
) -> tuple[Tensor, Tensor, Tensor]:
    votes = torch.from_numpy(faces.votes[rows])
    known = torch.from_numpy(faces.intent[rows])
    affect = torch.from_numpy(faces.affect[rows])
    affect = torch.where(affect.isnan(), votes @ AFFECT_OF, affect)
    smooth = recipe.smoothing / N_CLASSES
    votes = votes * (1 - recipe.smoothing) + smooth
    intent = functional.one_hot(known.clamp(min=0), N_CLASSES).float() * (1 - recipe.smoothing) + smooth
    intent = torch.where((known < 0)[:, None], votes, intent)
    if teaching is not None:
        votes = torch.lerp(votes, torch.from_numpy(teaching.votes[rows]), recipe.taught)
        intent = torch.lerp(intent, torch.from_numpy(teaching.intent[rows]), recipe.taught)
    return votes, intent, affect


def _of_head(recipe: Recipe, said: Tensor, votes: Tensor, intent: Tensor, affect: Tensor) -> Tensor:
    seen = functional.cross_entropy(said[:, :N_CLASSES], votes)
    meant = functional.cross_entropy(said[:, N_CLASSES : 2 * N_CLASSES], intent)
    felt = torch.tanh(said[:, 2 * N_CLASSES :])
    distance = (felt - affect).square().mean() * 4 + (1 - _concordance(felt, affect)).mean() * 0.5
    return seen + recipe.intent * meant + recipe.affect * distance


def _concordance(said: Tensor, true: Tensor) -> Tensor:
    """Lin's concordance of each column (Lin 1989, doi 10.2307/2532051)."""
    a, b = said - said.mean(0), true - true.mean(0)
    return 2 * (a * b).mean(0) / (a.square().mean(0) + b.square().mean(0) + (said.mean(0) - true.mean(0)) ** 2 + 1e-4)


def _present(found: NDArray[np.bool_]) -> Tensor:
    return torch.from_numpy(found.astype(np.float32))[:, None]


def _chances(recipe: Recipe, faces: Faces, synthetic: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How often each face is drawn: classes by their number to the power 1 - `balance`, synthetic ones by a share."""
    chances = np.zeros(len(faces))
    for part, share in ((~synthetic, 1 - recipe.synthetic), (synthetic, recipe.synthetic)):
        if not part.any():
            continue
        counts = faces.votes[part].sum(0)
        weights = faces.votes[part] @ (np.maximum(counts, 1.0) ** -recipe.balance)
        chances[part] = share * weights / weights.sum()
    return chances / chances.sum()


def _schedule(step: int, steps: int) -> float:
    warm = max(steps // 20, 1)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm))) * 0.99 + 0.01


def _groups(network: ExpressionNetwork, decay: float) -> Sequence[dict[str, object]]:
    weights = [p for p in network.parameters() if p.ndim > 1]
    rest = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": weights, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}]


def _fit_scale(network: ExpressionNetwork, faces: Faces) -> None:
    rows = faces.features[faces.found]
    network.features.mean.copy_(torch.from_numpy(rows.mean(0)))
    network.features.scale.copy_(torch.from_numpy(1 / np.maximum(rows.std(0), 1e-3)))
