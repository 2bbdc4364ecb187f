"""In: a network and the rows of many sessions at once. Out: what it says along them; of targets, its loss and slopes.

Whatever is the same for every row is one product over all rows. Only what is remembered goes step by step, over all
sessions at a time. Back through time, everything that does not depend on a later step is made beforehand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.network import CHANGE, CRISIS, N_OUTPUTS, RISK, Cell, Floats, Network, Some, activated, compressed
from training.stretches import Stretches
from training.unrolled import Packed, packed, runs_of

_ROWS_AT_ONCE: Final = 30_000
"""Room for about 200 MB."""


class Gates:
    """A cell over n rows, and all that the way back needs; `before`, `after` (n, units) is what is remembered."""

    __slots__ = (
        "_bias",
        "_both",
        "_kept",
        "_new",
        "_reset",
        "_taken",
        "_update",
        "_weights",
        "after",
        "before",
        "narrow",
    )

    def __init__(self, cell: Cell, x: Some) -> None:
        n, units = len(x), cell.units
        self.narrow = np.maximum(x @ cell.narrow[0] + cell.narrow[1], 0.0)
        self._taken = self.narrow @ cell.taken[0] + cell.taken[1]
        self._weights, self._bias = cell.kept
        self._kept = np.empty_like(self._taken)
        self._both = np.empty((n, 2 * units), self._taken.dtype)
        self._reset, self._update = self._both[:, :units], self._both[:, units:]
        self._new = np.empty((n, units), self._taken.dtype)
        self.before = np.zeros_like(self._new)
        self.after = np.empty_like(self._new)

    def run(self, order: Packed) -> None:
        """All rows, each from the memory that it sees."""
        for rows, previous in order.pieces():
            if previous is not None:
                self.before[rows] = self.after[previous]
            self.step(rows)
        self.before[order.between] = self.after[order.previous]
        self.step(order.between)

    def step(self, rows: slice) -> None:
        """These rows, from the memory `before` them."""
        kept, both, new, after = self._kept[rows], self._both[rows], self._new[rows], self.after[rows]
        before, taken = self.before[rows], self._taken[rows]
        gates = both.shape[1]
        np.matmul(before, self._weights, out=kept)
        kept += self._bias
        # A logistic function by way of the hyperbolic tangent, which never overflows.
        np.add(taken[:, :gates], kept[:, :gates], out=both)
        both *= 0.5
        np.tanh(both, out=both)
        both *= 0.5
        both += 0.5
        np.multiply(self._reset[rows], kept[:, gates:], out=new)
        new += taken[:, gates:]
        np.tanh(new, out=new)
        np.subtract(before, new, out=after)
        after *= self._update[rows]
        after += new

    def slopes(self, cell: Cell, x: Some, error: Some, order: Packed) -> list[Some]:
        """Of the cell's parameters in their order; `error` (n, units), by what is remembered after, is overwritten."""
        back = _Back(self, error)
        before_between = back.through(order.between)
        np.add.at(error, order.previous, before_between)
        for rows, previous in reversed([*order.pieces()]):
            earlier = back.through(rows)
            if previous is not None:
                error[previous] += earlier
        narrow = back.taken @ cell.taken[0].T
        narrow *= self.narrow > 0.0
        slopes: list[Some] = []
        for given, each in ((x, narrow), (self.narrow, back.taken), (self.before, back.kept)):
            slopes += [given.T @ each, each.sum(axis=0)]
        return slopes

    def factors(self) -> tuple[Some, Some, Some, Some, Some]:
        """Of an error after: what falls to the update gate, the candidate, and of that to the reset gate; the gates."""
        new, update, reset = self._new, self._update, self._reset
        stays = 1.0 - update
        to_update = (self.before - new) * update * stays
        to_new = stays * (1.0 - new * new)
        to_reset = self._kept[:, self._both.shape[1] :] * reset * (1.0 - reset)
        return to_update, to_new, to_reset, reset, update

    @property
    def weights(self) -> Some:
        return self._weights


class _Back:
    """The way back over the gates; `taken`, `kept` (n, 3 units) are the errors by the two products."""

    __slots__ = ("_error", "_factors", "_turned", "kept", "taken")

    def __init__(self, gates: Gates, error: Some) -> None:
        self._error = error
        self._factors = gates.factors()
        self._turned = np.ascontiguousarray(gates.weights.T)
        self.taken = np.empty((len(error), gates.weights.shape[1]), error.dtype)
        self.kept = np.empty_like(self.taken)

    def through(self, rows: slice) -> Some:
        """The error by what was remembered before these rows."""
        error, taken, kept = self._error[rows], self.taken[rows], self.kept[rows]
        to_update, to_new, to_reset, reset, update = (each[rows] for each in self._factors)
        units = error.shape[1]
        new = taken[:, 2 * units :]
        np.multiply(error, to_new, out=new)
        np.multiply(new, to_reset, out=taken[:, :units])
        np.multiply(error, to_update, out=taken[:, units : 2 * units])
        kept[:, : 2 * units] = taken[:, : 2 * units]
        np.multiply(new, reset, out=kept[:, 2 * units :])
        before = kept @ self._turned
        before += error * update
        return before


@dataclass(frozen=True, slots=True)
class BatchTargets:
    """Of n rows: `wanted` (n, N_OUTPUTS) probabilities and standardised changes, `weight` of each output's error;
    `stretches` of them whose peak of the crisis counts besides."""

    wanted: Some
    weight: Some
    stretches: Stretches | None = None


def loss_and_slopes(network: Network, x: Some, order: Packed, targets: BatchTargets) -> tuple[float, list[Some]]:
    """Weighted cross-entropies, of rows and of stretches, plus squared errors of the changes, summed over the rows `x`
    (n, N_FEATURES), which are standardised and in the order of `order`; and the slopes of that by the
    parameters, in their order."""
    gates = None if network.cell is None else Gates(network.cell, x)
    if gates is not None:
        gates.run(order)
    inputs = _through(network, x, gates)
    raw = inputs.pop()
    said = activated(raw)
    error = (said - targets.wanted) * targets.weight
    loss = _loss(said, targets)
    if targets.stretches is not None:
        of_stretches, slope = targets.stretches.loss_and_slope(raw[:, CRISIS])
        loss += of_stretches
        error[:, CRISIS] += slope
    slopes: list[Some] = []
    for (weights, _), given in zip(reversed(network.layers[1:]), reversed(inputs), strict=True):
        slopes = [given.T @ error, error.sum(axis=0), *slopes]
        error = error @ weights.T
        error *= given > 0.0
    first, width = network.layers[0][0], x.shape[1]
    if network.cell is None or gates is None:
        return loss, [x.T @ error, error.sum(axis=0), *slopes]
    slope = np.concatenate([x.T @ error, gates.after.T @ error])
    slopes = [slope, error.sum(axis=0), *slopes]
    return loss, [*gates.slopes(network.cell, x, error @ first[width:].T, order), *slopes]


def _through(network: Network, x: Some, gates: Gates | None) -> list[Some]:
    """What each layer but the first is given, and at last the raw outputs."""
    weights, bias = network.layers[0]
    width = x.shape[1]
    z = x @ weights[:width]
    if gates is not None:
        z += gates.after @ weights[width:]
    z += bias
    inputs = []
    for weights, bias in network.layers[1:]:
        np.maximum(z, 0.0, out=z)
        inputs.append(z)
        z = z @ weights + bias
    return [*inputs, z]


def _loss(said: Some, targets: BatchTargets) -> float:
    wanted, weight = targets.wanted, targets.weight
    safe = np.clip(said[:, : CRISIS + 1], 1e-6, 1.0 - 1e-6)
    entropy = -wanted[:, : CRISIS + 1] * np.log(safe)
    binary = slice(RISK, CRISIS + 1)
    entropy[:, binary] -= (1.0 - wanted[:, binary]) * np.log(1.0 - safe[:, binary])
    squares = 0.5 * (said[:, CHANGE] - wanted[:, CHANGE]) ** 2 * weight[:, CHANGE]
    return float((entropy * weight[:, : CRISIS + 1]).sum() + squares.sum())


def outputs(network: Network, features: Some, before: Some) -> tuple[Some, Some]:
    """Raw outputs (n, N_OUTPUTS) and what is remembered after each row (n, units), of features (n, N_FEATURES) and
    what was remembered before each, `before` (n, units)."""
    x = (compressed(features) - network.mean) * network.scale
    if network.cell is None:
        return _through(network, x, None)[-1], before
    gates = Gates(network.cell, x)
    gates.before[:] = before
    gates.step(slice(None))
    return _through(network, x, gates)[-1], gates.after


@dataclass(frozen=True, slots=True)
class Along:
    """Of the n rows of one session: raw outputs (n, N_OUTPUTS), and what was remembered before each (n, units)."""

    outputs: Some
    before: Some


Session = tuple[NDArray[np.int64], Floats]
"""Times (n,) and features (n, N_FEATURES) of the rows of one session."""


def outputs_along(network: Network, sessions: Sequence[Session]) -> list[Along]:
    """What a network says along sessions, remembering as the service does."""
    found: list[Along] = []
    some: list[Session] = []
    rows = 0
    for session in sessions:
        if some and rows + len(session[0]) > _ROWS_AT_ONCE:
            found += _along(network, some)
            some, rows = [], 0
        some.append(session)
        rows += len(session[0])
    return [*found, *_along(network, some)]


def _along(network: Network, sessions: Sequence[Session]) -> list[Along]:
    edges = np.cumsum([0, *(len(times_ms) for times_ms, _ in sessions)]).tolist()
    said = np.zeros((edges[-1], N_OUTPUTS), network.mean.dtype)
    before = np.zeros((edges[-1], network.units), network.mean.dtype)
    each = [runs_of(times_ms) for times_ms, _ in sessions]
    runs = [run for some in each for run in some]
    if runs:
        firsts = [first for some, first in zip(each, edges, strict=False) for _ in some]
        order = packed(runs, firsts)
        x = (compressed(np.concatenate([features for _, features in sessions])) - network.mean) * network.scale
        x = x[order.rows]
        gates = None if network.cell is None else Gates(network.cell, x)
        if gates is not None:
            gates.run(order)
            before[order.rows] = gates.before
        said[order.rows] = _through(network, x, gates)[-1]
    return [Along(said[first:last], before[first:last]) for first, last in pairwise(edges)]
