"""In: networks and rows of persons that no training saw. Out: how often the state that they say is the true one.

The named task: which of the five states is the client in, each second, where the client is seen and the state shows
(calm always does). Beside it: all seconds, always saying the commonest state, and a logistic regression on the same
features.
"""

from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np

from training.config import TrainingConfig
from training.dataset import Dataset
from training.network import N_STATES, Network, fit_network

LOGISTIC_ROWS: Final = 150_000
LOGISTIC_EPOCHS: Final = 4


@dataclass(frozen=True, slots=True)
class StateFigures:
    """Accuracies where the state shows, and the model's over all seconds; `confusion`: rows true, columns said."""

    seconds: int
    accuracy: float
    logistic: float
    majority: float
    accuracy_all: float
    confusion: list[list[int]]


def fit_logistic(data: Dataset, config: TrainingConfig) -> Network:
    """Multinomial logistic regression: the network without a hidden layer, on a share of the rows."""
    step = max(len(data) // LOGISTIC_ROWS, 1)
    some = Dataset(*(getattr(data, field.name)[::step] for field in fields(Dataset)))
    return fit_network(some, replace(config.network, hidden=(), epochs=LOGISTIC_EPOCHS), config.seed, lambda loss: None)


def state_figures(network: Network, logistic: Network, data: Dataset) -> StateFigures:
    """Both networks on the rows of `data`."""
    said, plain = (one.outputs(data.features)[:, :N_STATES].argmax(axis=1) for one in (network, logistic))
    shows = data.state_weight >= 1.0
    true = data.state[shows]
    confusion = np.zeros((N_STATES, N_STATES), dtype=np.int64)
    np.add.at(confusion, (true, said[shows]), 1)
    return StateFigures(
        seconds=len(true),
        accuracy=float((said[shows] == true).mean()),
        logistic=float((plain[shows] == true).mean()),
        majority=float(np.bincount(true, minlength=N_STATES).max() / max(len(true), 1)),
        accuracy_all=float((said == data.state).mean()),
        confusion=confusion.tolist(),
    )
