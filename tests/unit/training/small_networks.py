"""A seed goes in, a small network that has learned nothing comes out, with a memory or without."""

from dataclasses import replace

import numpy as np

from emdr_stream.domain import MEMORY_UNITS
from emdr_stream.pipeline.features import N_FEATURES
from training.config import NetworkConfig, load_config
from training.network import Network, drawn


def small_config(memory: int = MEMORY_UNITS) -> NetworkConfig:
    return replace(load_config().network, hidden=(20, 12), narrow=8, memory=memory, epochs=1)


def small_network(seed: int = 1, memory: int = MEMORY_UNITS) -> Network:
    rng = np.random.default_rng(seed)
    mean, scale = rng.normal(0.0, 0.3, N_FEATURES), rng.uniform(0.5, 2.0, N_FEATURES)
    network = drawn(
        rng, small_config(memory), mean.astype(np.float32), scale.astype(np.float32), np.ones(3, np.float32)
    )
    for part in network.parameters():  # biases are drawn as zeros
        part[:] += rng.normal(0.0, 0.1, part.shape).astype(np.float32)
    return network


def some_features(rows: int, seed: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 4.0, (rows, N_FEATURES)).astype(np.float32)


def some_memory(rows: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1.0, 1.0, (rows, MEMORY_UNITS)).astype(np.float32)
