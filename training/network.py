"""In: a dataset. Out: a small network of rectified layers with ten outputs, trained by Adam in plain numpy.

Ten outputs: five state logits, a risk logit, a crisis logit, three standardised changes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emdr_stream.domain import BODY_SIGNALS, DIMENSIONS, EMOTIONS, MODEL_STATES
from emdr_stream.pipeline.features import FEATURE_NAMES, N_FEATURES
from training.config import NetworkConfig
from training.dataset import Dataset

Floats = NDArray[np.float32]

CLIP: Final = 60.0
"""Features are cut to this many baseline standard deviations before anything else, and then compressed."""
N_STATES: Final = len(MODEL_STATES)
RISK: Final = N_STATES
CRISIS: Final = N_STATES + 1
CHANGE: Final = slice(N_STATES + 2, N_STATES + 5)
N_OUTPUTS: Final = N_STATES + 5


def _columns(*signals: str) -> NDArray[np.int64]:
    """The features made of these signals: named `<kind>_<signal>` or `<kind>_<signal>_<window>`."""
    of = tuple(f"_{signal}" for signal in signals)
    return np.flatnonzero([name.endswith(of) or name.rpartition("_")[0].endswith(of) for name in FEATURE_NAMES])


GROUPS: Final = (_columns(*BODY_SIGNALS), _columns("attention"), _columns(*DIMENSIONS), _columns(*EMOTIONS))
GROUP_RARITY: Final = (1.0, 0.3, 0.2, 0.2)
"""What clients may not send, and how often it is hidden, as a share of how often the body signals are."""
STATE_SHARE, RISK_SHARE, CRISIS_SHARE, CHANGE_SHARE = 0.6, 0.7, 1.2, 0.15
"""Of each error in the loss."""
_LEAST_SD: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Network:
    """`mean`, `scale` (N_FEATURES,) standardise the compressed input; `layers` are (weights (in, out), bias (out,));
    `change_sd` (3,) turns the last three outputs into units."""

    mean: Floats
    scale: Floats
    layers: tuple[tuple[Floats, Floats], ...]
    change_sd: Floats

    def outputs(self, features: Floats) -> Floats:
        """Raw outputs (n, N_OUTPUTS) of features (n, N_FEATURES)."""
        x = standardise(features, self.mean, self.scale)
        for weights, bias in self.layers[:-1]:
            x = np.maximum(x @ weights + bias, np.float32(0.0))
        weights, bias = self.layers[-1]
        return np.asarray(x @ weights + bias)


def compressed(features: Floats) -> Floats:
    """x / sqrt(1 + |x|): near 0 as it is, far out its root, so that a strong face is told from an overwhelmed one."""
    x = np.clip(features, np.float32(-CLIP), np.float32(CLIP))
    return np.asarray(x / np.sqrt(np.float32(1.0) + np.abs(x)), dtype=np.float32)


def uncompressed(inputs: Floats) -> Floats:
    """The features that `compressed` gave these for."""
    size = np.abs(inputs)
    return np.asarray(np.sign(inputs) * size * (size + np.sqrt(size * size + np.float32(4.0))) / np.float32(2.0))


def standardise(features: Floats, mean: Floats, scale: Floats) -> Floats:
    return np.asarray((compressed(features) - mean) * scale, dtype=np.float32)


def fit_network(data: Dataset, config: NetworkConfig, seed: int, progress: Callable[[float], None]) -> Network:
    """Train for `config.epochs` passes with a cosine rate; `progress` is told the mean loss after each."""
    rng = np.random.default_rng([seed, 11])
    mean, scale = _moments_of(data.features)
    spread = np.sqrt((data.change**2 * data.change_weight[:, None]).sum(0) / max(float(data.change_weight.sum()), 1.0))
    change_sd = np.maximum(spread, _LEAST_SD).astype(np.float32)
    layers = _first_layers(rng, config.hidden)
    optimiser = Adam(layers, config.weight_decay)
    steps_an_epoch = max(len(data) // config.batch, 1)
    total = steps_an_epoch * config.epochs
    for epoch in range(config.epochs):
        order = rng.permutation(len(data))
        loss = 0.0
        for step in range(steps_an_epoch):
            chosen = order[step * config.batch : (step + 1) * config.batch]
            x = _varied(rng, data.features[chosen], mean, scale, config)
            now = (epoch * steps_an_epoch + step) / total
            rate = config.learning_rate * min(1.0, 20.0 * now + 0.05) * 0.5 * (1.0 + np.cos(np.pi * now))
            batch_loss, gradients = loss_and_gradients(layers, x, _batch_targets(data, chosen, change_sd))
            optimiser.step(layers, gradients, rate)
            loss += batch_loss
        progress(loss / steps_an_epoch)
    return Network(mean, scale, tuple((weights, bias) for weights, bias in layers), change_sd)


@dataclass(frozen=True, slots=True)
class BatchTargets:
    """Of B rows: `wanted` (B, N_OUTPUTS) probabilities and standardised changes, `weight` of each output's error."""

    wanted: Floats
    weight: Floats


def _batch_targets(data: Dataset, chosen: NDArray[np.int64], change_sd: Floats) -> BatchTargets:
    wanted = np.zeros((len(chosen), N_OUTPUTS), dtype=np.float32)
    weight = np.empty_like(wanted)
    wanted[np.arange(len(chosen)), data.state[chosen]] = 1.0
    wanted[:, RISK] = data.soft_risk[chosen]
    wanted[:, CRISIS] = data.crisis[chosen]
    wanted[:, CHANGE] = np.clip(data.change[chosen] / change_sd, -4.0, 4.0)
    weight[:, :N_STATES] = STATE_SHARE * data.state_weight[chosen, None]
    weight[:, RISK] = RISK_SHARE * data.safety_weight[chosen]
    weight[:, CRISIS] = CRISIS_SHARE * data.safety_weight[chosen]
    weight[:, CHANGE] = CHANGE_SHARE * data.change_weight[chosen, None]
    return BatchTargets(wanted, weight)


Layers = list[tuple[Floats, Floats]]


def loss_and_gradients(layers: Layers, x: Floats, targets: BatchTargets) -> tuple[float, Layers]:
    """Weighted cross-entropies plus squared errors of the changes, as a mean over the rows, and their gradients."""
    inputs = [x]
    for weights, bias in layers[:-1]:
        inputs.append(np.maximum(inputs[-1] @ weights + bias, np.float32(0.0)))
    z = inputs[-1] @ layers[-1][0] + layers[-1][1]
    said = activated(z)
    error = (said - targets.wanted) * targets.weight / np.float32(len(x))
    gradients: Layers = []
    for (weights, _), given in zip(reversed(layers), reversed(inputs), strict=True):
        gradients.append((given.T @ error, error.sum(axis=0)))
        error = (error @ weights.T) * (given > 0.0)
    return _loss(said, targets), gradients[::-1]


def activated(z: Floats) -> Floats:
    """Probabilities and standardised changes (n, N_OUTPUTS) of raw outputs."""
    said = z.copy()
    states = np.exp(z[:, :N_STATES] - z[:, :N_STATES].max(axis=1, keepdims=True))
    said[:, :N_STATES] = states / states.sum(axis=1, keepdims=True)
    said[:, RISK : CRISIS + 1] = 1.0 / (1.0 + np.exp(-np.clip(z[:, RISK : CRISIS + 1], -30.0, 30.0)))
    return said


def _loss(said: Floats, targets: BatchTargets) -> float:
    wanted, weight = targets.wanted, targets.weight
    safe = np.clip(said[:, : CRISIS + 1], 1e-6, 1.0 - 1e-6)
    entropy = -wanted[:, : CRISIS + 1] * np.log(safe)
    binary = slice(RISK, CRISIS + 1)
    entropy[:, binary] -= (1.0 - wanted[:, binary]) * np.log(1.0 - safe[:, binary])
    squares = 0.5 * (said[:, CHANGE] - wanted[:, CHANGE]) ** 2 * weight[:, CHANGE]
    return float(((entropy * weight[:, : CRISIS + 1]).sum() + squares.sum()) / len(said))


def _varied(rng: np.random.Generator, features: Floats, mean: Floats, scale: Floats, config: NetworkConfig) -> Floats:
    """Standardised input with noise; some rows lose a group of signals, as with clients that do not send it."""
    for columns, rarity in zip(GROUPS, GROUP_RARITY, strict=True):
        hidden = np.flatnonzero(rng.random(len(features)) < config.drop_body_share * rarity)
        features[np.ix_(hidden, columns)] = 0.0
    x = standardise(features, mean, scale)
    noise = rng.standard_normal(x.shape, dtype=np.float32)
    return x + np.float32(config.input_noise) * noise


def _moments_of(features: Floats) -> tuple[Floats, Floats]:
    thinned = compressed(features[:: max(len(features) // 50_000, 1)]).astype(np.float64)
    scale = 1.0 / np.maximum(thinned.std(axis=0), 0.05)
    return thinned.mean(axis=0).astype(np.float32), scale.astype(np.float32)


def _first_layers(rng: np.random.Generator, hidden: tuple[int, ...]) -> Layers:
    widths = (N_FEATURES, *hidden, N_OUTPUTS)
    layers: Layers = []
    for given, wanted in pairwise(widths):
        weights = rng.standard_normal((given, wanted)) * np.sqrt(2.0 / given)
        layers.append((weights.astype(np.float32), np.zeros(wanted, dtype=np.float32)))
    return layers


class Adam:
    """Adam with decoupled weight decay (Kingma & Ba 2015, Loshchilov & Hutter 2019); changes the layers in place."""

    __slots__ = ("_decay", "_first", "_second", "_steps")

    def __init__(self, layers: Layers, weight_decay: float) -> None:
        self._decay = weight_decay
        self._steps = 0
        self._first = [(np.zeros_like(weights), np.zeros_like(bias)) for weights, bias in layers]
        self._second = [(np.zeros_like(weights), np.zeros_like(bias)) for weights, bias in layers]

    def step(self, layers: Layers, gradients: Layers, rate: float) -> None:
        self._steps += 1
        correction = np.sqrt(1.0 - 0.999**self._steps) / (1.0 - 0.9**self._steps)
        for layer, gradient, first, second in zip(layers, gradients, self._first, self._second, strict=True):
            layer[0][:] *= np.float32(1.0 - rate * self._decay)
            for value, slope, m, v in zip(layer, gradient, first, second, strict=True):
                m[:] += np.float32(0.1) * (slope - m)
                v[:] += np.float32(0.001) * (slope * slope - v)
                value[:] -= np.float32(rate * correction) * m / (np.sqrt(v) + np.float32(1e-8))
