"""Blendshapes and pose go in, what the face shows comes out: the small network for clients that keep every pixel."""

from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from emdr_stream.vision.geometry import N_BLENDSHAPES, N_POSE, mirrored
from training.expression.config import Recipe
from training.expression.dataset import Faces
from training.expression.landmarks import Floats
from training.expression.losses import chances, of_head, schedule, targets, weight_groups
from training.expression.network import N_OUT

N_ROW: Final = N_BLENDSHAPES + N_POSE
_CLIP: Final = 4.0
_EPOCH: Final = 60
_BATCH: Final = 512


class LandmarksNetwork(nn.Module):
    """Rows [n, 55] to [n, N_OUT], as ExpressionNetwork."""

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(N_ROW))
        self.register_buffer("scale", torch.ones(N_ROW))
        self.layers = nn.Sequential(
            nn.Linear(N_ROW, width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, N_OUT),
        )

    def forward(self, rows: Tensor) -> Tensor:
        """[n, N_OUT]."""
        said: Tensor = self.layers(((rows - self.mean) * self.scale).clamp(-_CLIP, _CLIP))
        return said


def train_landmarks(recipe: Recipe, faces: Faces, width: int = 96) -> LandmarksNetwork:
    """Train on those of `faces` that have landmarks, with the targets of the network that sees pixels."""
    torch.manual_seed(recipe.seed)
    draw = np.random.default_rng(recipe.seed)
    network = LandmarksNetwork(width, recipe.dropout)
    rows = faces.features[faces.found]
    network.mean.copy_(torch.from_numpy(rows.mean(0)[:N_ROW]))
    network.scale.copy_(torch.from_numpy(1 / np.maximum(rows.std(0)[:N_ROW], 1e-3)))
    noise = (recipe.feature_noise / network.scale).numpy()
    odds = chances(recipe, faces) * faces.found
    odds /= odds.sum()
    optimiser = torch.optim.AdamW(weight_groups(network, recipe.decay), lr=recipe.rate)
    steps = recipe.epochs * _EPOCH
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * schedule(step, steps)
        chosen = draw.choice(len(faces), _BATCH, p=odds)
        row = faces.features[chosen]
        row = np.where(draw.random((_BATCH, 1)) < 0.5, mirrored(row), row)[:, :N_ROW]
        row = row + draw.standard_normal(row.shape, np.float32) * noise
        loss = of_head(recipe, network(torch.from_numpy(row)), targets(recipe, faces, chosen))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    return network.eval()


def landmarks_outputs(network: LandmarksNetwork, features: Floats) -> Floats:
    """[n, N_OUT] of rows of features, of which the first columns count."""
    with torch.inference_mode():
        return np.asarray(network(torch.from_numpy(features[:, :N_ROW])).numpy(), np.float32)
