"""In: sessions with their targets. Out: a network, trained by Adam through whole sessions, in plain numpy.

Each pass begins in every session at its first or its second row, so that steps of the memory fall on all of them. The
sessions of a batch are of nearly one length, for then most of their steps go at once. A batch is computed in two
halves, on two threads where there are two cores; the sums come out the same on one.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emdr_stream.pipeline.memory import STEP_MS
from training.config import NetworkConfig
from training.dataset import VALIDATION_ROW_EVERY_MS, Dataset
from training.network import (
    CHANGE,
    CHANGE_SHARE,
    CRISIS,
    GROUP_RARITY,
    GROUPS,
    N_OUTPUTS,
    N_STATES,
    RISK,
    RISK_SHARE,
    STATE_SHARE,
    Floats,
    Network,
    Some,
    drawn,
    seen_as,
)
from training.passes import BatchTargets, loss_and_slopes
from training.stretches import Stretches
from training.unrolled import Packed, Run, packed, runs_of

PHASES: Final = STEP_MS // VALIDATION_ROW_EVERY_MS
"""Rows that a pass may begin with: as many as there are in a step of the memory, at a row a second."""
_HALVES: Final = 2
_LEAST_SD: Final = 1e-3
_LEAST_SPREAD: Final = 0.05
_THINNED: Final = 40
_LENGTHS_APART: Final = 40.0
"""Rows by which the lengths in a batch may differ, about: so its sessions are others in each pass."""


def fit_network(
    sessions: Sequence[Dataset],
    config: NetworkConfig,
    seed: int,
    progress: Callable[[float], None],
    threads: int = 1,
    begin: Network | None = None,
) -> Network:
    """Train for `config.epochs` passes with a cosine rate; `progress` is told the mean loss of a row after each.

    The number of threads changes the time alone. `begin`: what to go on from, of the shape of `config`. Raises
    ValueError where there is no row.
    """
    sessions = [each for each in sessions if len(each)]
    if not sessions:
        raise ValueError("no session was simulated: raise the number of sessions")
    rng = np.random.default_rng([seed, 11])
    network = drawn(rng, config, *_moments_of(sessions), _change_sd(sessions))
    if begin is not None:
        network = seen_as(network, begin)
    told = [_Told.of(each) for each in sessions]
    optimiser = Adam(network.parameters(), config.weight_decay, config.longest_step)
    with ThreadPoolExecutor(min(threads, _HALVES)) as pool:
        done, total = 0, _batches_in(told, config) * config.epochs
        for _ in range(config.epochs):
            losses, rows = 0.0, 0
            for batch in _batches(told, config, rng):
                now = done / total
                rate = config.learning_rate * min(1.0, 20.0 * now + 0.05) * 0.5 * (1.0 + np.cos(np.pi * now))
                part = _learned(network, [told[at] for at in batch], config, int(rng.integers(1 << 62)), pool)
                optimiser.step(part.slopes, rate)
                losses, rows, done = losses + part.loss * part.rows, rows + part.rows, done + 1
            progress(losses / rows)
    return network


@dataclass(frozen=True, slots=True)
class _Told:
    """One session to learn from, and its runs from each row that a pass may begin with."""

    data: Dataset
    runs: tuple[list[Run], ...]

    @classmethod
    def of(cls, data: Dataset) -> "_Told":
        last = len(data) - 1
        return cls(data, tuple(_begun(data.times_ms, min(phase, last)) for phase in range(PHASES)))


def _begun(times_ms: NDArray[np.int64], first: int) -> list[Run]:
    runs = runs_of(times_ms[first:])
    return [replace(run, steps=run.steps + first, between=run.between + first) for run in runs]


@dataclass(frozen=True, slots=True)
class _Part:
    """What was learned from some rows: the mean loss of one, and its slopes."""

    loss: float
    slopes: list[Some]
    rows: int


def _learned(network: Network, sessions: Sequence[_Told], config: NetworkConfig, seed: int, pool: Executor) -> _Part:
    """From one batch, in two parts; their sums are added in one order."""
    halves = [sessions[half::_HALVES] for half in range(min(_HALVES, len(sessions)))]
    parts = list(
        pool.map(lambda at: _of(network, halves[at], config, np.random.default_rng([seed, at])), range(len(halves)))
    )
    rows = sum(part.rows for part in parts)
    slopes = [sum(each[1:], start=each[0]) / rows for each in zip(*(part.slopes for part in parts), strict=True)]
    return _Part(sum(part.loss for part in parts) / rows, slopes, rows)


def _of(network: Network, sessions: Sequence[_Told], config: NetworkConfig, rng: np.random.Generator) -> _Part:
    """From some sessions; loss and slopes are sums."""
    phases = rng.integers(PHASES, size=len(sessions))
    edges = np.cumsum([0, *(len(each.data) for each in sessions)])
    runs, firsts = [], []
    for each, phase, first in zip(sessions, phases.tolist(), edges.tolist(), strict=False):
        for run in each.runs[phase]:
            runs.append(_thinned(run, config.between_share, rng))
            firsts.append(first)
    order = packed(runs, firsts)
    x = _varied(rng, [each.data for each in sessions], order, network, config)
    targets = _targets([each.data for each in sessions], order, network.change_sd, config)
    loss, slopes = loss_and_slopes(network, x, order, targets)
    return _Part(loss, slopes, len(x))


def _thinned(run: Run, share: float, rng: np.random.Generator) -> Run:
    if share >= 1.0:
        return run
    kept = rng.random(len(run.between)) < share
    return replace(run, between=run.between[kept], since=run.since[kept])


def _varied(
    rng: np.random.Generator, sessions: Sequence[Dataset], order: Packed, network: Network, config: NetworkConfig
) -> Some:
    """Standardised input with noise; in some sessions a group of signals is hidden, as with clients that lack it."""
    parts = []
    for each in sessions:
        inputs = each.inputs
        for columns, rarity in zip(GROUPS, GROUP_RARITY, strict=True):
            if rng.random() < config.drop_body_share * rarity:
                inputs = inputs.copy()
                inputs[:, columns] = 0.0
        parts.append(inputs)
    x = np.concatenate(parts)[order.rows].astype(np.float32)
    x -= network.mean
    x *= network.scale
    noise = rng.standard_normal(x.shape, dtype=np.float32)
    noise *= np.float32(config.input_noise)
    x += noise
    return x


def _targets(sessions: Sequence[Dataset], order: Packed, change_sd: Some, config: NetworkConfig) -> BatchTargets:
    def along(name: str) -> NDArray[Any]:
        return np.asarray(np.concatenate([getattr(each, name) for each in sessions])[order.rows])

    count = len(order.rows)
    wanted = np.zeros((count, N_OUTPUTS), dtype=np.float32)
    weight = np.empty_like(wanted)
    wanted[np.arange(count), along("state")] = 1.0
    wanted[:, RISK] = along("soft_risk")
    wanted[:, CRISIS] = along("crisis")
    wanted[:, CHANGE] = np.clip(along("change") / change_sd, -4.0, 4.0)
    safety = along("safety_weight")
    weight[:, :N_STATES] = STATE_SHARE * along("state_weight")[:, None]
    weight[:, RISK] = RISK_SHARE * safety
    weight[:, CRISIS] = config.crisis_share * safety
    weight[:, CHANGE] = CHANGE_SHARE * along("change_weight")[:, None]
    if not config.stretch_share:
        return BatchTargets(wanted, weight)
    whose = np.repeat(np.arange(len(sessions)), [len(each) for each in sessions])[order.rows]
    worth = along("stretch_worth") * np.float32(config.stretch_share)
    return BatchTargets(wanted, weight, Stretches.of(whose, along("stretch"), worth))


def _batches_in(sessions: Sequence[_Told], config: NetworkConfig) -> int:
    return max(len(sessions) // config.batch, 1)


def _batches(sessions: Sequence[_Told], config: NetworkConfig, rng: np.random.Generator) -> NDArray[np.int64]:
    """Numbers of sessions (batches, sessions), those of one batch of nearly one length; a few are left out."""
    count = _batches_in(sessions, config)
    size = min(config.batch, len(sessions))
    lengths = np.array([len(each.data) for each in sessions])
    order = np.argsort(lengths + rng.uniform(0.0, _LENGTHS_APART, len(lengths)))
    left_out = rng.choice(len(order), len(order) - count * size, replace=False)
    return rng.permutation(np.delete(order, left_out).reshape(count, size))


def _moments_of(sessions: Sequence[Dataset]) -> tuple[Floats, Floats]:
    thinned = np.concatenate([each.inputs[::_THINNED] for each in sessions]).astype(np.float64)
    scale = 1.0 / np.maximum(thinned.std(axis=0), _LEAST_SPREAD)
    return thinned.mean(axis=0).astype(np.float32), scale.astype(np.float32)


def _change_sd(sessions: Sequence[Dataset]) -> Floats:
    squares = np.sum(
        [(each.change.astype(np.float64) ** 2 * each.change_weight[:, None]).sum(0) for each in sessions], 0
    )
    spread = np.sqrt(squares / max(sum(float(each.change_weight.sum()) for each in sessions), 1.0))
    return np.asarray(np.maximum(spread, _LEAST_SD), dtype=np.float32)


class Adam:
    """Adam with decoupled weight decay of all but biases (Kingma & Ba 2015, Loshchilov & Hutter 2019) on slopes cut to
    a longest step (Pascanu et al. 2013); changes the parameters in place."""

    __slots__ = ("_decay", "_first", "_longest", "_parameters", "_second", "_steps")

    def __init__(self, parameters: Sequence[Some], weight_decay: float, longest_step: float) -> None:
        self._parameters = parameters
        self._decay, self._longest = weight_decay, longest_step
        self._steps = 0
        self._first = [np.zeros_like(each) for each in parameters]
        self._second = [np.zeros_like(each) for each in parameters]

    def step(self, slopes: Sequence[Some], rate: float) -> None:
        self._steps += 1
        correction = np.sqrt(1.0 - 0.999**self._steps) / (1.0 - 0.9**self._steps)
        length = float(np.sqrt(sum(float((each * each).sum()) for each in slopes)))
        cut = np.float32(min(1.0, self._longest / max(length, 1e-12)))
        for value, long, m, v in zip(self._parameters, slopes, self._first, self._second, strict=True):
            slope = long * cut
            if value.ndim > 1:
                value[:] *= np.float32(1.0 - rate * self._decay)
            m[:] += np.float32(0.1) * (slope - m)
            v[:] += np.float32(0.001) * (slope * slope - v)
            value[:] -= np.float32(rate * correction) * m / (np.sqrt(v) + np.float32(1e-8))
