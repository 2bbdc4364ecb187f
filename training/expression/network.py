"""Crops and features of faces go in, logits of seven emotions with valence and arousal come out: the network in torch.

A residual network on the pixels, a small perceptron on blendshapes, pose and shape, and a head on both. Pixels alone
must suffice, so that whole rows of features are missing at random in training, and a second head sees pixels only.
"""

from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn

from emdr_stream.domain import EMOTIONS
from emdr_stream.vision.geometry import N_FEATURES

N_CLASSES: Final = len(EMOTIONS)
N_AFFECT: Final = 2
N_OUT: Final = 2 * N_CLASSES + N_AFFECT
"""Logits of what raters see, logits of what was intended, valence and arousal."""
ALONE_SHARE: Final = 0.33
"""Of the head that sees pixels only in the answer: blendshapes take a grimace for a smile, so they never have the whole
say."""
_CLIP: Final = 4.0


def _convolved(width_in: int, width: int, size: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width_in, width, size, stride, size // 2, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
    )


class Residual(nn.Module):
    """Two convolutions around a short cut; the side is halved."""

    def __init__(self, width_in: int, width: int, stride: int = 2) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _convolved(width_in, width, stride=stride),
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        shrink: list[nn.Module] = [nn.AvgPool2d(stride)] if stride > 1 else []
        self.short = nn.Sequential(*shrink, nn.Conv2d(width_in, width, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        """[n, width_in, s, s] to [n, width, s / stride, s / stride]."""
        return torch.relu(self.body(x) + self.short(x))


class PixelNetwork(nn.Module):
    """Grey crops [n, 1, 48, 48] of 0..255 to [n, width]: each crop brought to mean 0 and deviation 1 first."""

    def __init__(self, widths: tuple[int, ...], first_stride: int = 2, second_stride: int = 2) -> None:
        super().__init__()
        layers: list[nn.Module] = [_convolved(1, widths[0], 5, first_stride)]
        for n, (width_in, width) in enumerate(pairwise(widths)):
            layers.append(Residual(width_in, width, second_stride if n == 0 else 2))
        self.layers = nn.Sequential(*layers)
        self.width = widths[-1]

    def forward(self, pixels: Tensor) -> Tensor:
        """[n, 1, 48, 48] to [n, width]."""
        centred = pixels - pixels.mean((2, 3), keepdim=True)
        scaled = centred / (centred.square().mean((2, 3), keepdim=True) + 25.0).sqrt()
        return self.layers(scaled).mean((2, 3))


class FeatureNetwork(nn.Module):
    """Rows of features [n, N_FEATURES] and whether they are there [n, 1] to [n, width]."""

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(N_FEATURES))
        self.register_buffer("scale", torch.ones(N_FEATURES))
        self.layers = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(N_FEATURES, 2 * width), nn.ReLU(), nn.Linear(2 * width, width), nn.ReLU()
        )
        self.width = width

    def forward(self, rows: Tensor, present: Tensor) -> Tensor:
        """[n, width], zeros where the row is not there."""
        standard = ((rows - self.mean) * self.scale).clamp(-_CLIP, _CLIP)
        return self.layers(standard) * present


class ExpressionNetwork(nn.Module):
    """The whole. `forward` gives the answer [n, N_OUT], `both` what either head says."""

    def __init__(
        self, widths: tuple[int, ...], feature_width: int, dropout: float, first_stride: int = 2, second_stride: int = 2
    ) -> None:
        super().__init__()
        self.pixels = PixelNetwork(widths, first_stride, second_stride)
        self.features = FeatureNetwork(feature_width, dropout)
        hidden = self.pixels.width
        self.fused = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(hidden + feature_width + 1, 128), nn.ReLU(), nn.Linear(128, N_OUT)
        )
        self.alone = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, N_OUT))

    def both(self, pixels: Tensor, rows: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """`pixels` [n, 1, 48, 48], `rows` [n, N_FEATURES], `present` [n, 1] of 0 or 1."""
        seen = self.pixels(pixels)
        known = self.features(rows, present)
        return self.fused(torch.cat([seen, known, present], 1)), self.alone(seen)

    def forward(self, pixels: Tensor, rows: Tensor, present: Tensor) -> Tensor:
        """What is shipped, both heads joined: [n, N_OUT]."""
        fused, alone = self.both(pixels, rows, present)
        return fused + (alone - fused) * ALONE_SHARE
