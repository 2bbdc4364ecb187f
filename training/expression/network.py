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
SEEN: Final = slice(0, N_CLASSES)
MEANT: Final = slice(N_CLASSES, 2 * N_CLASSES)
FELT: Final = slice(2 * N_CLASSES, N_OUT)
THIRD: Final = slice(N_OUT, N_OUT + N_CLASSES)
"""Columns of an answer: logits of what raters see, logits of what was intended, valence and arousal; where the network
has them, logits of a third answer."""
ALONE_SHARE: Final = 0.33
"""Of the head that sees pixels only in the answer: blendshapes take a grimace for a smile, so they never have the whole
say."""
_CLIP: Final = 4.0


def _convolution(normed: bool, width_in: int, width: int, size: int = 3, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(width_in, width, size, stride, size // 2, bias=not normed)
    return [convolution, nn.BatchNorm2d(width)] if normed else [convolution]


class Residual(nn.Module):
    """Two convolutions around a short cut; the side is halved."""

    def __init__(self, width_in: int, width: int, stride: int = 2, *, normed: bool = True) -> None:
        super().__init__()
        first = nn.Sequential(*_convolution(normed, width_in, width, stride=stride), nn.ReLU(inplace=True))
        self.body = nn.Sequential(first, *_convolution(normed, width, width))
        shrink: list[nn.Module] = [nn.AvgPool2d(stride)] if stride > 1 else []
        self.short = nn.Sequential(*shrink, *_convolution(normed, width_in, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """[n, width_in, s, s] to [n, width, s / stride, s / stride]."""
        return torch.relu(self.body(x) + self.short(x))


class PixelNetwork(nn.Module):
    """Grey crops [n, 1, 48, 48] of 0..255 to [n, width]: each crop brought to mean 0 and deviation 1 first."""

    def __init__(
        self, widths: tuple[int, ...], first_stride: int = 2, second_stride: int = 2, *, normed: bool = True
    ) -> None:
        super().__init__()
        first = _convolution(normed, 1, widths[0], 5, first_stride)
        layers: list[nn.Module] = [nn.Sequential(*first, nn.ReLU(inplace=True))]
        for n, (width_in, width) in enumerate(pairwise(widths)):
            layers.append(Residual(width_in, width, second_stride if n == 0 else 2, normed=normed))
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
        self.alone_share = ALONE_SHARE
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
        return fused + (alone - fused) * self.alone_share


class TaughtNetwork(ExpressionNetwork):
    """The same with two more heads, so that answers are [n, N_OUT + N_CLASSES]: what `fer` would say, or before a
    camera what several networks would say together."""

    def __init__(
        self,
        widths: tuple[int, ...],
        feature_width: int,
        dropout: float,
        *,
        normed: bool = False,
        alone_share: float = ALONE_SHARE,
    ) -> None:
        """`normed`: whether normalisation stands beside the convolutions; in the file of a trained network it is
        within them."""
        super().__init__(widths, feature_width, dropout)
        self.pixels = PixelNetwork(widths, normed=normed)
        self.fused_third = nn.Linear(128, N_CLASSES)
        self.alone_third = nn.Linear(self.pixels.width, N_CLASSES)
        self.alone_share = alone_share

    def both(self, pixels: Tensor, rows: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        """As ExpressionNetwork."""
        seen = self.pixels(pixels)
        joined = self.fused[:-1](torch.cat([seen, self.features(rows, present), present], 1))
        fused = torch.cat([self.fused[-1](joined), self.fused_third(joined)], 1)
        return fused, torch.cat([self.alone(seen), self.alone_third(seen)], 1)
