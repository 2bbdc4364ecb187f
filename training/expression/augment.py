"""Wide crops go in, what a worse or better camera, another light and another head would have shown comes out.

The faces of the web are small and grey, those of a webcam large, sharp, noisy and lit from the side: each training crop
is moved towards the latter at random, so that the difference says nothing about the class.
"""

import math

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from emdr_stream.vision.crop import SIDE
from training.expression.dataset import WIDE


def augmented(wide: Tensor, framed: Tensor, draw: np.random.Generator) -> tuple[Tensor, NDArray[np.bool_]]:
    """Crops [n, 1, SIDE, SIDE] of 0..255, and which of them are mirrored. `wide`, `framed`: [n, WIDE, WIDE] uint8."""
    n = len(wide)
    from_frame = torch.from_numpy(draw.random(n) < 0.3)
    pixels = torch.where(from_frame[:, None, None], framed, wide).float().unsqueeze(1)
    flipped = draw.random(n) < 0.5
    pixels = _moved(pixels, flipped, draw)
    pixels = _resolved(pixels, draw)
    pixels = _lit(pixels, draw)
    pixels = _noisy(pixels, draw)
    return _covered(pixels, draw), flipped


def centred(wide: Tensor) -> Tensor:
    """The crops of the service [n, 1, SIDE, SIDE], 0..255, out of wide ones."""
    edge = (WIDE - SIDE) // 2
    return wide[:, edge : edge + SIDE, edge : edge + SIDE].float().unsqueeze(1)


def _column(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))


def _moved(pixels: Tensor, flipped: NDArray[np.bool_], draw: np.random.Generator) -> Tensor:
    n = len(pixels)
    angle = np.radians(draw.normal(0, 6, n))
    scale = np.exp(draw.normal(0, 0.07, n)) * SIDE / WIDE
    stretch = np.exp(draw.normal(0, 0.06, n))
    side = np.where(flipped, -1.0, 1.0)
    theta = np.empty((n, 2, 3))
    theta[:, 0, 0], theta[:, 0, 1] = np.cos(angle) * scale * stretch * side, -np.sin(angle) * scale
    theta[:, 1, 0], theta[:, 1, 1] = np.sin(angle) * scale * side, np.cos(angle) * scale / stretch
    theta[:, :, 2] = draw.normal(0, 1.2 * 2 / WIDE, (n, 2))
    grid = functional.affine_grid(_column(theta), [n, 1, SIDE, SIDE], align_corners=False)
    return functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def _resolved(pixels: Tensor, draw: np.random.Generator) -> Tensor:
    """A third coarser, a third sharper than they were: one size for each eighth of the batch."""
    parts = []
    for chunk in pixels.chunk(8):
        part, kind = chunk, draw.random()
        if kind < 0.35:
            size = int(draw.integers(18, SIDE))
            small = functional.interpolate(part, size=(size, size), mode="bilinear", antialias=True)
            part = functional.interpolate(small, size=(SIDE, SIDE), mode="bicubic")
        elif kind < 0.7:
            blurred = functional.avg_pool2d(functional.pad(part, (1, 1, 1, 1), mode="replicate"), 3, 1)
            part = part + (part - blurred) * float(draw.uniform(0.3, 1.5))
        parts.append(part)
    return torch.cat(parts)


def _lit(pixels: Tensor, draw: np.random.Generator) -> Tensor:
    """Gamma, a light from one side, and a shadow's edge on some."""
    n = len(pixels)
    level = (pixels / 255).clamp(0.002, 1.0)
    level = level ** _column(np.exp(draw.normal(0, 0.3, (n, 1, 1, 1))))
    line = torch.linspace(-1, 1, SIDE)
    angle = draw.uniform(0, 2 * math.pi, n)
    across = _column(np.cos(angle))[:, None, None] * line[None, None, :]
    along = across + _column(np.sin(angle))[:, None, None] * line[None, :, None]
    slope = _column(draw.normal(0, 0.35, n))[:, None, None]
    edge = torch.sigmoid((along - _column(draw.uniform(-0.6, 0.6, n))[:, None, None]) * 8)
    depth = _column(np.where(draw.random(n) < 0.25, draw.uniform(0, 0.6, n), 0.0))[:, None, None]
    light = torch.exp(slope * along) * (1 - depth * edge)
    bright = _column(np.exp(draw.normal(0, 0.25, (n, 1, 1, 1))))
    return (level * light.unsqueeze(1) * bright).clamp(0, 1) * 255


def _noisy(pixels: Tensor, draw: np.random.Generator) -> Tensor:
    n = len(pixels)
    strength = _column(np.where(draw.random(n) < 0.5, draw.exponential(4, n), 0.0))
    noise = torch.from_numpy(draw.standard_normal(pixels.shape, np.float32))
    pixels = (pixels + noise * strength[:, None, None, None]).clamp(0, 255)
    for i in np.flatnonzero(draw.random(n) < 0.2):
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(draw.integers(25, 90))]
        _, coded = cv2.imencode(".jpg", pixels[i, 0].byte().numpy(), quality)
        pixels[i, 0] = torch.from_numpy(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)).float()
    return pixels


def _covered(pixels: Tensor, draw: np.random.Generator) -> Tensor:
    """A hand, hair or a glass: a box of one grey on two in five."""
    for i in np.flatnonzero(draw.random(len(pixels)) < 0.4):
        height, width = draw.integers(6, 18, 2)
        y, x = draw.integers(0, SIDE - height), draw.integers(0, SIDE - width)
        pixels[i, 0, y : y + height, x : x + width] = float(draw.uniform(0, 255))
    return pixels
