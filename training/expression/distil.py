"""Several trained networks go in, one of version 1's shape that says what they say together comes out.

It never sees a label: views of faces are distorted, mixed in pairs, or put together of two halves, and the elders are
asked about the very view that is learnt from (Beyer et al. 2022, arXiv 2106.05237), so that it follows them on faces
unlike those of the training too.
"""

import copy
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from emdr_stream.inference.graphs import load_graph
from emdr_stream.vision.crop import SIDE
from emdr_stream.vision.expression import EMOTIONS_OUT, FEATURES, LANDMARKS_INPUTS, OUTPUTS
from emdr_stream.vision.geometry import N_BLENDSHAPES, N_POSE, mirrored
from training.expression.augment import augmented
from training.expression.calibration import GRIEVED, JOY
from training.expression.choice import KEPT
from training.expression.config import Recipe
from training.expression.dataset import Faces
from training.expression.descent import Descent
from training.expression.elders import Elders, Said
from training.expression.landmarks import Floats
from training.expression.losses import chances
from training.expression.network import FELT, MEANT, SEEN, THIRD, TaughtNetwork

DEFAULT_PATH: Final = Path(__file__).with_name("distil.toml")
SHARES: Final = 0.6
"""Both parameters of the beta distribution that the shares of two mixed faces are drawn from."""
CUT: Final = (20, 32)
"""Rows of the crop between which a face put together of two halves is cut: below the eyes, above the mouth."""
_SEAM: Final = 1.5
_LEAST_DISTRESS: Final = 0.5
_MOST_JOY: Final = 0.1
Told = Callable[[int, float], None]


@dataclass(frozen=True, slots=True)
class Lesson:
    """How much of what is learnt. Meanings stand in distil.toml beside the values."""

    web: float
    meant: float
    felt: float
    squares: float
    mixing: float
    halves: float
    grimaces: float
    kept: int
    again: float


def load_lesson(path: Path = DEFAULT_PATH) -> Lesson:
    """Raises OSError, and TypeError for missing or unknown values."""
    with path.open("rb") as file:
        return Lesson(**tomllib.load(file))


class View(NamedTuple):
    """A batch as it is seen, and what the elders say of it."""

    pixels: Tensor
    rows: Tensor
    present: Tensor
    said: Said


@dataclass(frozen=True, slots=True)
class Class:
    """Who is taught by whom with what: the recipe, the lesson, the faces, how much of a smile the blendshapes of each
    are [n], and the elders."""

    recipe: Recipe
    lesson: Lesson
    faces: Faces
    smiling: Floats
    elders: Elders


def distilled(taught: Class, start: TaughtNetwork, told: Told) -> list[TaughtNetwork]:
    """Train on from `start`, which is not changed: the running mean of the weights after each part of KEPT.

    On one thread, so that it depends on the arguments alone. `told(epoch, loss)` is called after each epoch.
    """
    recipe = taught.recipe
    torch.set_num_threads(1)
    torch.manual_seed(recipe.seed)
    views = _Views(taught)
    network = copy.deepcopy(start)
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = recipe.dropout
    network.to(memory_format=torch.channels_last).train()
    descent = Descent(network, recipe)
    total = 0.0
    ends = {round(part * descent.steps) for part in KEPT}
    kept: list[TaughtNetwork] = []
    for step in range(descent.steps):
        total += descent.step(_loss(taught, network, views.next()))
        if (step + 1) % recipe.steps == 0:
            told((step + 1) // recipe.steps, total / recipe.steps)
            total = 0.0
        if step + 1 in ends:
            kept.append(copy.deepcopy(descent.averaged.module).eval())
    return kept


def smiles(faces: Faces, folder: Path) -> Floats:
    """[n] P(joy) by blendshapes and pose alone, 0 where none were found. `folder`: of the model that reads those."""
    reader = load_graph(folder, inputs=LANDMARKS_INPUTS, outputs=OUTPUTS)
    said = dict(zip(OUTPUTS, reader.run({FEATURES: faces.features[:, : N_BLENDSHAPES + N_POSE]}), strict=True))
    return np.asarray(said[EMOTIONS_OUT][:, JOY] * faces.found, np.float32)


def distressed(votes: Floats) -> NDArray[np.bool_]:
    """[n] whether most raters saw distress and hardly one saw joy."""
    return np.asarray((votes[:, GRIEVED].sum(1) >= _LEAST_DISTRESS) & (votes[:, JOY] <= _MOST_JOY), np.bool_)


class _Views:
    """Draws faces, distorts them, asks the elders; some batches are put together of earlier ones, which is cheap."""

    def __init__(self, taught: Class) -> None:
        self._taught = taught
        self._draw = np.random.default_rng(taught.recipe.seed)
        self._noise = taught.recipe.feature_noise / taught.elders.first.network.features.scale.numpy()
        odds = chances(taught.recipe, taught.faces)
        odds = odds * (1 + taught.lesson.grimaces * taught.smiling * distressed(taught.faces.votes))
        self._odds = odds / odds.sum()
        self._kept: list[View] = []

    def next(self) -> View:
        """A new batch, or one of two halves of earlier ones."""
        lesson, draw = self._taught.lesson, self._draw
        if len(self._kept) < lesson.kept or draw.random() > lesson.again:
            view = self._new()
            if len(self._kept) < lesson.kept:
                self._kept.append(view)
            else:
                self._kept[int(draw.integers(len(self._kept)))] = view
            return view
        size = self._taught.recipe.batch
        two = [self._kept[int(draw.integers(len(self._kept)))] for _ in range(2)]
        rows = [torch.from_numpy(draw.permutation(size)[: size // 2]) for _ in two]

        def joined(parts: list[Tensor]) -> Tensor:
            return torch.cat([part[row] for part, row in zip(parts, rows, strict=True)])

        pixels = joined([view.pixels for view in two]).contiguous(memory_format=torch.channels_last)
        said = Said(*(joined([view.said[i] for view in two]) for i in range(len(Said._fields))))
        return View(pixels, joined([view.rows for view in two]), joined([view.present for view in two]), said)

    def _new(self) -> View:
        faces, draw, lesson = self._taught.faces, self._draw, self._taught.lesson
        chosen = draw.choice(len(faces), self._taught.recipe.batch, p=self._odds)
        pixels, flipped = augmented(torch.from_numpy(faces.edged[chosen]), torch.from_numpy(faces.framed[chosen]), draw)
        row = np.where(flipped[:, None], mirrored(faces.features[chosen]), faces.features[chosen])
        rows = torch.from_numpy((row + draw.standard_normal(row.shape, np.float32) * self._noise).astype(np.float32))
        shown = faces.found[chosen] & (draw.random(len(chosen)) >= self._taught.recipe.missing)
        present = torch.from_numpy(shown.astype(np.float32))[:, None]
        kind, order = draw.random(), torch.from_numpy(draw.permutation(len(chosen)))
        if kind < lesson.mixing:
            share = torch.from_numpy(draw.beta(SHARES, SHARES, len(chosen)).astype(np.float32))
            pixels, rows = mixed(pixels, share, order), mixed(rows, share, order)
            present = present * present[order]
        elif kind < lesson.mixing + lesson.halves:
            cut = torch.from_numpy(draw.integers(*CUT, len(chosen))).float()
            pixels, present = halved(pixels, pixels[order], cut), present * 0
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        return View(pixels, rows, present, self._taught.elders.said(pixels, rows, present))


def mixed(value: Tensor, share: Tensor, order: Tensor) -> Tensor:
    """Each row with `share` [k] of itself and the rest of the row that `order` [k] names."""
    own = share.reshape(-1, *[1] * (value.ndim - 1))
    return value * own + value[order] * (1 - own)


def halved(upper: Tensor, lower: Tensor, cut: Tensor) -> Tensor:
    """Crops [k, 1, SIDE, SIDE] with the upper face's rows above `cut` [k], and below it the lower face's in the upper
    one's light."""
    below = torch.sigmoid((torch.arange(float(SIDE))[None, None, :, None] - cut[:, None, None, None]) / _SEAM)
    level, spread = _light(upper)
    own_level, own_spread = _light(lower)
    lit = (lower - own_level) / own_spread * spread + level
    return (upper * (1 - below) + lit * below).clamp(0, 255)


def _light(pixels: Tensor) -> tuple[Tensor, Tensor]:
    return pixels.mean((2, 3), keepdim=True), pixels.std((2, 3), keepdim=True) + 1


def _loss(taught: Class, network: TaughtNetwork, view: View) -> Tensor:
    """How far the joined answer is from the elders', and a little of how far the head without landmarks is."""
    lesson, wanted = taught.lesson, view.said
    with torch.autocast("cpu", torch.bfloat16):
        heads = network.both(view.pixels, view.rows, view.present)
    fused, alone = heads[0].float(), heads[1].float()
    said = fused + (alone - fused) * network.alone_share
    distance = _centred(said[:, THIRD]) - _centred(wanted.camera)
    return (
        _apart(said[:, THIRD], wanted.camera)
        + lesson.web * _apart(said[:, SEEN], wanted.seen)
        + lesson.meant * _apart(said[:, MEANT], wanted.meant)
        + lesson.felt * _felt(said, wanted)
        + lesson.squares * distance.square().mean()
        + taught.recipe.alone
        * (
            _apart(alone[:, THIRD], wanted.camera)
            + lesson.web * _apart(alone[:, SEEN], wanted.seen)
            + lesson.felt * _felt(alone, wanted)
        )
    )


def _apart(logits: Tensor, wanted: Tensor) -> Tensor:
    """Kullback-Leibler divergence from `wanted`, logs of chances."""
    return functional.kl_div(logits.log_softmax(1), wanted.log_softmax(1), log_target=True, reduction="batchmean")


def _felt(said: Tensor, wanted: Said) -> Tensor:
    return (torch.tanh(said[:, FELT]) - wanted.felt).square().mean() * 4


def _centred(logits: Tensor) -> Tensor:
    return logits - logits.mean(1, keepdim=True)
