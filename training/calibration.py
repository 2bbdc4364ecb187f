"""In: raw outputs on persons that training never saw. Out: temperature and Platt lines that make them probabilities."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.dataset import Dataset
from training.network import CHANGE, CRISIS, N_STATES, RISK, Network, Some

Floats = NDArray[np.float64]

_ROUNDS: Final = 50


@dataclass(frozen=True, slots=True)
class Calibration:
    """State logits are divided by `temperature`; risk and crisis logits z become `slope * z + offset`.

    `moved`: how much of the offsets of risk and crisis puts the chosen thresholds on the service's own.
    """

    temperature: float
    risk: tuple[float, float]
    crisis: tuple[float, float]
    moved: tuple[float, float] = (0.0, 0.0)


def calibrate(said: Some, data: Dataset) -> Calibration:
    """Fit on the raw outputs (n, N_OUTPUTS) that a network gave for the rows of `data`, weighted as in training."""
    z = said.astype(np.float64)
    return Calibration(
        temperature=fit_temperature(z[:, :N_STATES], data.state, data.state_weight.astype(np.float64)),
        risk=fit_platt(z[:, RISK], data.risk.astype(np.float64), data.safety_weight.astype(np.float64)),
        crisis=fit_platt(z[:, CRISIS], data.crisis.astype(np.float64), data.safety_weight.astype(np.float64)),
    )


def fold(network: Network, calibration: Calibration) -> Network:
    """The network whose outputs are already calibrated and in units: only its last layer differs."""
    weights, bias = (part.astype(np.float64) for part in network.layers[-1])
    slope, offset = np.ones(len(bias)), np.zeros(len(bias))
    slope[:N_STATES] = 1.0 / calibration.temperature
    slope[RISK], offset[RISK] = calibration.risk
    slope[CRISIS], offset[CRISIS] = calibration.crisis
    slope[CHANGE] = network.change_sd
    last = ((weights * slope).astype(np.float32), (bias * slope + offset).astype(np.float32))
    return replace(network, layers=(*network.layers[:-1], last), change_sd=np.ones(3, dtype=np.float32))


def fit_platt(z: Floats, wanted: Floats, weight: Floats) -> tuple[float, float]:
    """Slope and offset of the logistic regression of `wanted` on `z` (Platt 1999), by Newton's method with halving."""
    line = np.array([1.0, 0.0])
    design = np.column_stack([z, np.ones(len(z))])
    loss = _logistic_loss(design @ line, wanted, weight)
    for _ in range(_ROUNDS):
        said = 1.0 / (1.0 + np.exp(-np.clip(design @ line, -30.0, 30.0)))
        slope = design.T @ (weight * (said - wanted))
        curve = (design * (weight * said * (1.0 - said))[:, None]).T @ design + 1e-6 * np.eye(2)
        move = np.linalg.solve(curve, slope)
        share = 1.0
        while share > 1e-6 and _logistic_loss(design @ (line - share * move), wanted, weight) > loss:
            share /= 2.0
        line = line - share * move
        loss = _logistic_loss(design @ line, wanted, weight)
        if share * float(np.abs(move).max()) < 1e-9:
            break
    return float(line[0]), float(line[1])


def fit_temperature(z: Floats, wanted: NDArray[np.int64], weight: Floats) -> float:
    """The temperature of the least weighted log loss, by golden-section search over its logarithm (Guo 2017)."""
    low, high, golden = -1.5, 1.5, 0.6180339887498949
    for _ in range(_ROUNDS):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if _log_loss(z / np.exp(left), wanted, weight) < _log_loss(z / np.exp(right), wanted, weight):
            high = right
        else:
            low = left
        if high - low < 1e-4:
            break
    return float(np.exp((low + high) / 2.0))


def _log_loss(z: Floats, wanted: NDArray[np.int64], weight: Floats) -> float:
    top = z.max(axis=1)
    losses = top + np.log(np.exp(z - top[:, None]).sum(axis=1)) - z[np.arange(len(z)), wanted]
    return float((weight * losses).sum() / weight.sum())


def _logistic_loss(z: Floats, wanted: Floats, weight: Floats) -> float:
    return float((weight * (np.logaddexp(0.0, z) - wanted * z)).sum())
