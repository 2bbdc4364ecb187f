"""In: feature rows and what was remembered before them. Out: ten raw outputs a row, and what is remembered after it.

Ten outputs: five state logits, a risk logit, a crisis logit, three standardised changes. They come of rectified layers,
which see the features and, in a network with a memory, what is remembered after the row. The memory is a gated
recurrent unit (Cho et al. 2014) behind one narrow rectified layer, in the form whose reset gate multiplies the product
of the memory with its weights rather than the memory (ONNX's `linear_before_reset=1`, torch's only one): so all three
gates take one product.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from emdr_stream.domain import BODY_SIGNALS, DIMENSIONS, EMOTIONS, MODEL_STATES
from emdr_stream.pipeline.features import FEATURE_NAMES, N_FEATURES
from training.config import NetworkConfig

Floats: TypeAlias = NDArray[np.float32]
Some: TypeAlias = NDArray[np.floating[Any]]
"""In the precision of the network: single, and double where gradients are checked."""

CLIP: Final = 60.0
"""Features are cut to this many baseline standard deviations before anything else, and then compressed."""
N_STATES: Final = len(MODEL_STATES)
RISK: Final = N_STATES
CRISIS: Final = N_STATES + 1
CHANGE: Final = slice(N_STATES + 2, N_STATES + 5)
N_OUTPUTS: Final = N_STATES + 5
GATES: Final = 3
"""Reset, update, candidate: the columns of a cell's weights in this order, as many of each as it has units."""


def _columns(*signals: str) -> NDArray[np.int64]:
    """The features made of these signals: named `<kind>_<signal>` or `<kind>_<signal>_<window>`."""
    of = tuple(f"_{signal}" for signal in signals)
    return np.flatnonzero([name.endswith(of) or name.rpartition("_")[0].endswith(of) for name in FEATURE_NAMES])


GROUPS: Final = (_columns(*BODY_SIGNALS), _columns("attention"), _columns(*DIMENSIONS), _columns(*EMOTIONS))
GROUP_RARITY: Final = (1.0, 0.3, 0.2, 0.2)
"""What clients may not send, and how often it is hidden, as a share of how often the body signals are."""
STATE_SHARE, RISK_SHARE, CHANGE_SHARE = 0.6, 0.7, 0.15
"""Of each error in the loss; that of the crisis is a setting."""

Layer: TypeAlias = tuple[Some, Some]
"""Weights (in, out) and bias (out,)."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The memory. `narrow`: what it is told of a row; `taken`: the gates' share of that; `kept`: of the memory."""

    narrow: Layer
    taken: Layer
    kept: Layer

    @property
    def units(self) -> int:
        return len(self.kept[0])


@dataclass(frozen=True, slots=True)
class Network:
    """`mean`, `scale` (N_FEATURES,) standardise the compressed input; `layers` of the head; `change_sd` (3,) turns the
    last three outputs into units; `cell` is None where nothing is remembered."""

    mean: Some
    scale: Some
    layers: tuple[Layer, ...]
    change_sd: Some
    cell: Cell | None = None

    @property
    def units(self) -> int:
        """How many numbers are remembered."""
        return 0 if self.cell is None else self.cell.units

    def parameters(self) -> list[Some]:
        """All that is learned, the arrays themselves: those of the cell, then of the head."""
        cell = () if self.cell is None else (self.cell.narrow, self.cell.taken, self.cell.kept)
        return [part for layer in (*cell, *self.layers) for part in layer]


def shapes_of(network: Network) -> list[tuple[int, ...]]:
    """Of all that is learned."""
    return [part.shape for part in network.parameters()]


def taken_in(network: Network) -> Network:
    """The same network with its standardisation in its first weights: what it sees is only compressed."""

    def of(layer: Layer) -> Layer:
        """One that sees the input, and perhaps what is remembered behind it."""
        weights, bias = (part.astype(np.float64) for part in layer)
        scaled = weights[:N_FEATURES] * network.scale.astype(np.float64)[:, None]
        shifted = bias - network.mean.astype(np.float64) @ scaled
        return np.concatenate([scaled, weights[N_FEATURES:]]).astype(np.float32), shifted.astype(np.float32)

    cell = network.cell and replace(network.cell, narrow=of(network.cell.narrow))
    nothing, same = np.zeros_like(network.mean), np.ones_like(network.scale)
    return replace(network, mean=nothing, scale=same, layers=(of(network.layers[0]), *network.layers[1:]), cell=cell)


def seen_as(like: Network, network: Network) -> Network:
    """What `network` says, said by one with the standardisation and the units of `like`, which has the same
    shapes; nothing is shared."""
    plain, mean = taken_in(network), like.mean.astype(np.float64)

    def of(layer: Layer) -> Layer:
        """`taken_in` backwards."""
        weights, bias = (part.astype(np.float64) for part in layer)
        scaled = weights.copy()
        scaled[:N_FEATURES] /= like.scale.astype(np.float64)[:, None]
        return scaled.astype(np.float32), (bias + mean @ weights[:N_FEATURES]).astype(np.float32)

    def kept(layer: Layer) -> Layer:
        return layer[0].copy(), layer[1].copy()

    cell = plain.cell and Cell(of(plain.cell.narrow), kept(plain.cell.taken), kept(plain.cell.kept))
    layers = [of(plain.layers[0]), *(kept(layer) for layer in plain.layers[1:])]
    weights, bias = layers[-1]
    unit = plain.change_sd / like.change_sd
    weights[:, CHANGE] *= unit
    bias[CHANGE] *= unit
    return replace(like, layers=tuple(layers), cell=cell)


def in_double(network: Network) -> Network:
    """The same numbers in double precision."""

    def of(layer: Layer) -> Layer:
        return layer[0].astype(np.float64), layer[1].astype(np.float64)

    cell = network.cell and Cell(*(of(layer) for layer in (network.cell.narrow, network.cell.taken, network.cell.kept)))
    mean, scale, sd = (part.astype(np.float64) for part in (network.mean, network.scale, network.change_sd))
    return Network(mean, scale, tuple(of(layer) for layer in network.layers), sd, cell)


def compressed(features: Some) -> Some:
    """x / sqrt(1 + |x|): near 0 as it is, far out its root, so that a strong face is told from an overwhelmed one."""
    x = np.clip(features, -CLIP, CLIP)
    return np.asarray(x / np.sqrt(1.0 + np.abs(x)))


def uncompressed(inputs: Some) -> Some:
    """The features that `compressed` gave these for."""
    size = np.abs(inputs)
    return np.asarray(np.sign(inputs) * size * (size + np.sqrt(size * size + 4.0)) / 2.0)


def activated(z: Some) -> Some:
    """Probabilities and standardised changes (n, N_OUTPUTS) of raw outputs."""
    said = z.copy()
    states = np.exp(z[:, :N_STATES] - z[:, :N_STATES].max(axis=1, keepdims=True))
    said[:, :N_STATES] = states / states.sum(axis=1, keepdims=True)
    said[:, RISK : CRISIS + 1] = 1.0 / (1.0 + np.exp(-np.clip(z[:, RISK : CRISIS + 1], -30.0, 30.0)))
    return said


def drawn(rng: np.random.Generator, config: NetworkConfig, mean: Floats, scale: Floats, change_sd: Floats) -> Network:
    """A network that has learned nothing: rectified layers drawn as He et al. (2015) do, gates as torch does."""
    cell = None
    if config.memory:
        narrow, units = config.narrow, config.memory
        cell = Cell(
            _rectified(rng, N_FEATURES, narrow),
            _gates(rng, narrow, units),
            _gates(rng, units, units),
        )
    widths = (N_FEATURES + config.memory, *config.hidden, N_OUTPUTS)
    layers = tuple(_rectified(rng, given, wanted) for given, wanted in pairwise(widths))
    return Network(mean, scale, layers, change_sd, cell)


def _rectified(rng: np.random.Generator, given: int, wanted: int) -> Layer:
    weights = rng.standard_normal((given, wanted)) * np.sqrt(2.0 / given)
    return weights.astype(np.float32), np.zeros(wanted, dtype=np.float32)


def _gates(rng: np.random.Generator, given: int, units: int) -> Layer:
    most = 1.0 / np.sqrt(units)
    weights, bias = rng.uniform(-most, most, (given, GATES * units)), rng.uniform(-most, most, GATES * units)
    return weights.astype(np.float32), bias.astype(np.float32)
