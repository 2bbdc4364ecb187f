"""In: what a model is asked and what it says, a row a second and session. Out: how far that is from its training.

The measure is the population stability index over the bins of the training: the sum of (share now - share then) times
the logarithm of their ratio; 0 is the same, and by custom 0.1 is a shift and 0.25 a large one. The custom is about
independent cases. Rows of one session are none, so the reference says what this measure comes to by chance alone, with
as many sessions as are asked for here, and that is the limit where it is higher.
"""

from collections.abc import Sequence
from typing import Annotated, Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from emdr_stream.domain import DIMENSIONS, MODEL_STATES, Scores
from emdr_stream.errors import ModelRefused
from emdr_stream.inference.batch import Batch, Floats
from emdr_stream.pipeline.classify import Scored

Counts: TypeAlias = npt.NDArray[np.float64]
Table: TypeAlias = npt.NDArray[np.float64]

CUSTOM: Final = 0.25
"""A large shift, by custom."""
OUTPUTS: Final = ("risk", "crisis", *MODEL_STATES, *(f"change_{name}" for name in DIMENSIONS))
EVERY: Final = 10
"""Of the ten rows a second that a session has scored, every tenth counts."""
_ROWS_A_LOOK: Final = 64
_HALF_LIFE_S: Final = 6 * 3_600.0
"""So much later what was seen weighs half: a clinic's day, not its year."""
_LEAST_COUNT: Final = 0.5
"""Stands for an empty bin: a share of zero has no logarithm."""

Share = Annotated[float, Meta(ge=0.0, le=1.0)]


class Bins(msgspec.Struct, frozen=True, kw_only=True):
    """Of one figure: the inner edges, ascending, and the share of the training's rows in each bin between them."""

    edges: Annotated[tuple[float, ...], Meta(min_length=1)]
    shares: Annotated[tuple[Share, ...], Meta(min_length=2)]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What `sessions` of the training's own population come to by chance: 95 of 100 times it is less."""

    sessions: Annotated[int, Meta(ge=1)]
    inputs: float
    outputs: float


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """What a version saw and said in training. `rows`, `sessions`: how much of it; `command` made this file."""

    command: str
    data: str
    rows: int
    sessions: int
    limits: Limits
    inputs: dict[str, Bins]
    outputs: dict[str, Bins]


def read_reference(data: bytes, feature_names: Sequence[str]) -> Reference:
    """Raises ModelRefused for bins of other features, or of none."""
    try:
        reference = msgspec.json.decode(data, type=Reference)
    except msgspec.DecodeError as problem:
        raise ModelRefused(
            f"the reference is malformed ({problem}): make it anew with `python -m training reference`"
        ) from None
    unknown = (set(reference.inputs) - set(feature_names)) | (set(reference.outputs) - set(OUTPUTS))
    broken = [
        n
        for part in (reference.inputs, reference.outputs)
        for n, b in part.items()
        if len(b.shares) != len(b.edges) + 1
    ]
    if unknown or broken or not reference.inputs or not reference.outputs:
        said = f"holds bins of {', '.join(sorted(unknown | set(broken))[:3]) or 'nothing'} that are not this model's"
        raise ModelRefused(f"the reference {said}: make it anew with `python -m training reference`")
    return reference


def stability_index(then: Counts, counts: Counts) -> Counts:
    """PSI of each figure, shape (K,). `then`: shares [K, B], 0 beyond a figure's own bins; `counts` [K, B]."""
    bins = np.maximum((then > 0.0).sum(axis=1, keepdims=True), 1)
    real = then > 0.0
    total = counts.sum(axis=1, keepdims=True) + _LEAST_COUNT * bins
    now = np.where(real, (counts + _LEAST_COUNT) / total, 1.0)
    before = np.where(real, then, 1.0)
    return np.asarray(np.where(real, (now - before) * np.log(now / before), 0.0).sum(axis=1))


def said(scores: Sequence[Scores]) -> Table:
    """What the model says, [n, len(OUTPUTS)], in their order."""
    return np.array([(each.risk, each.crisis, *each.states, *each.change) for each in scores])


class Binned:
    """Counts of some figures in their bins. `columns`: which columns of the rows these figures are."""

    __slots__ = ("_columns", "_edges", "_then", "counts", "names")

    def __init__(self, bins: dict[str, Bins], order: Sequence[str]) -> None:
        self.names = tuple(bins)
        self._columns = np.array([order.index(name) for name in self.names])
        most = max(len(each.shares) for each in bins.values())
        # In single precision, as the features are: a value on an edge then is on it.
        self._edges: Floats = np.full((len(bins), most - 1), np.inf, np.float32)
        self._then: Counts = np.zeros((len(bins), most))
        for row, each in enumerate(bins.values()):
            self._edges[row, : len(each.edges)] = each.edges
            # A bin that the training hardly filled must not weigh without bound.
            self._then[row, : len(each.shares)] = np.maximum(each.shares, 1e-4)
        self._then /= self._then.sum(axis=1, keepdims=True)
        self.counts: Counts = np.zeros_like(self._then)

    def add(self, rows: npt.NDArray[np.floating]) -> None:
        """Count rows [n, all columns]."""
        values = rows.astype(np.float32, copy=False)[:, self._columns]
        bins = (values[:, :, None] > self._edges).sum(axis=2, dtype=np.int8)
        flat = bins + np.arange(len(self.names)) * self.counts.shape[1]
        self.counts += np.bincount(flat.ravel(), minlength=self.counts.size).reshape(self.counts.shape)

    def drift(self) -> Counts:
        """PSI of each figure, in the order of `names`."""
        return stability_index(self._then, self.counts)


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """How far a version has drifted. `inputs`: mean over features; `outputs`: the largest; None: too few sessions."""

    sessions: float
    least_sessions: int
    rows: float
    inputs: float | None
    outputs: float | None
    inputs_limit: float
    outputs_limit: float
    furthest: tuple[tuple[str, float], ...] = ()
    """The features and outputs that moved most."""


class DriftWatch:
    """Watches one version: `see` keeps a few rows, which costs a copy; `count` them about once a second."""

    __slots__ = ("_inputs", "_kept", "_outputs", "_passed_s", "_reference", "_rows", "_scores", "sessions")

    def __init__(self, reference: Reference, feature_names: Sequence[str]) -> None:
        self._reference = reference
        self._inputs = Binned(reference.inputs, feature_names)
        self._outputs = Binned(reference.outputs, OUTPUTS)
        self._kept: list[Floats] = []
        self._scores: list[Scores] = []
        self._rows = 0.0
        self.sessions = 0.0
        """That were seen to begin, fading as the counts do."""

    def see(self, batch: Batch, askers: Sequence[tuple[Scored, int]], scores: Sequence[Scores]) -> None:
        """As an Onlooker: every tenth row of a session, until there are enough for this second."""
        for index, (_, ticket) in enumerate(askers):
            if ticket % EVERY == 0:
                self.sessions += ticket == EVERY
                if len(self._kept) < _ROWS_A_LOOK:
                    self._kept.append(batch.features[index].copy())
                    self._scores.append(scores[index])

    def count(self, passed_s: float) -> None:
        """Count what was kept; `passed_s`: since this was last called."""
        fading = 0.5 ** (passed_s / _HALF_LIFE_S)
        for binned in (self._inputs, self._outputs):
            binned.counts *= fading
        self.sessions, self._rows = self.sessions * fading, self._rows * fading + len(self._kept)
        if self._kept:
            self._inputs.add(np.array(self._kept))
            self._outputs.add(said(self._scores))
            self._kept, self._scores = [], []

    def drift(self) -> Drift:
        """As of the last count."""
        limits = self._reference.limits
        inputs, outputs = self._inputs.drift(), self._outputs.drift()
        enough = self.sessions >= limits.sessions
        moved = [
            *zip(self._inputs.names, inputs.tolist(), strict=True),
            *zip(self._outputs.names, outputs.tolist(), strict=True),
        ]
        return Drift(
            sessions=round(self.sessions, 1),
            least_sessions=limits.sessions,
            rows=round(self._rows),
            inputs=round(float(inputs.mean()), 4) if enough else None,
            outputs=round(float(outputs.max()), 4) if enough else None,
            inputs_limit=max(CUSTOM, limits.inputs),
            outputs_limit=max(CUSTOM, limits.outputs),
            furthest=tuple((name, round(value, 3)) for name, value in sorted(moved, key=lambda each: -each[1])[:5])
            if enough
            else (),
        )


def bins_of(values: Table, most: int = 10) -> Bins | None:
    """Bins of equal share of `values` (n,); None for a figure that hardly varies, and so cannot drift in bins."""
    edges = np.unique(np.quantile(values, np.linspace(0.0, 1.0, most + 1)[1:-1]))
    edges = edges[edges < values.max()]
    if len(edges) == 0:
        return None
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    shares = counts / counts.sum()
    return Bins(edges=tuple(edges.tolist()), shares=tuple(round(float(share), 6) for share in shares))
