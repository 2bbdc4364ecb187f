"""In: what networks said of persons that no training saw. Out: how often the state that they say is the true one.

The named task: which of the five states is the client in, each second, where the client is seen and the state shows
(calm always does). Beside it: all seconds, always saying the commonest state, and a logistic regression on the same
features.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from training.config import TrainingConfig
from training.dataset import Dataset
from training.fitting import fit_network
from training.network import N_STATES, Network, Some

LOGISTIC_SESSIONS: Final = 2_000
LOGISTIC_EPOCHS: Final = 8
LOGISTIC_BATCH: Final = 4
"""Sessions. With these a regression comes to what it can: with half as many passes it says the true state in 0.005 less
of the seconds of validation, with twice as many in 0.002 more."""


@dataclass(frozen=True, slots=True)
class StateFigures:
    """Accuracies where the state shows, and the model's over all seconds; `confusion`: rows true, columns said."""

    seconds: int
    accuracy: float
    logistic: float
    majority: float
    accuracy_all: float
    confusion: list[list[int]]


def fit_logistic(sessions: Sequence[Dataset], config: TrainingConfig) -> Network:
    """Multinomial logistic regression: the network without memory and hidden layer, on a share of the sessions."""
    some = sessions[:: max(len(sessions) // LOGISTIC_SESSIONS, 1)]
    plain = replace(config.network, hidden=(), memory=0, epochs=LOGISTIC_EPOCHS, batch=LOGISTIC_BATCH)
    return fit_network(some, plain, config.seed, _unheard)


def _unheard(loss: float) -> None:
    """Nobody waits for the baseline."""


def state_figures(network: Some, logistic: Some, data: Dataset) -> StateFigures:
    """Of what both networks said of the rows of `data`, raw outputs (n, N_OUTPUTS); what counts nothing is left out."""
    said, plain = (one[:, :N_STATES].argmax(axis=1) for one in (network, logistic))
    counts = data.state_weight > 0.0
    shows = data.state_weight >= 1.0
    true = data.state[shows]
    confusion = np.zeros((N_STATES, N_STATES), dtype=np.int64)
    np.add.at(confusion, (true, said[shows]), 1)
    return StateFigures(
        seconds=len(true),
        accuracy=float((said[shows] == true).mean()),
        logistic=float((plain[shows] == true).mean()),
        majority=float(np.bincount(true, minlength=N_STATES).max() / max(len(true), 1)),
        accuracy_all=float((said == data.state)[counts].mean()),
        confusion=confusion.tolist(),
    )
