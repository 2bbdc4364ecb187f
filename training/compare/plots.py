"""In: a comparison. Out: figures of it, as PNG files: spreads and memory; no recording of anybody is drawn."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from training.compare.comparison import Comparison
from training.compare.statistics import Floats, autocorrelation
from training.compare.streams import STEP_S

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS: Final = {"simulated": "#8a8f98", "real, fitted on": "#1f77b4", "real, control": "#d62728"}
FACE_LAGS: Final = tuple(range(1, 13))
HEART_LAGS: Final = tuple(range(5, 185, 10))


def draw(found: Comparison, folder: Path) -> Iterator[Path]:
    """Write `faces.png` and `hearts.png` into `folder`, which is made where it is missing."""
    import matplotlib as mpl

    mpl.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    yield _faces(found, folder / "faces.png")
    yield _hearts(found, folder / "hearts.png")


def _faces(found: Comparison, path: Path) -> Path:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(10, 7), layout="constrained")
    for (spread, memory), (column, name) in zip(axes, ((0, "valence"), (1, "arousal")), strict=True):
        for kind, windows in found.faces.items():
            known = [window[:, :2] for window in windows if len(window) > FACE_LAGS[-1]]
            known = [window for window in known if not np.isnan(window).any()]
            _distribution(spread, kind, [window[:, column].std(ddof=1) for window in known])
            lags = [autocorrelation(known, lag)[column] for lag in FACE_LAGS]
            memory.plot(np.array(FACE_LAGS) * STEP_S, lags, color=COLOURS[kind], lw=2)
        spread.set(title=f"{name}: SD within two seconds of talk", xlabel="SD", ylabel="share of windows")
        memory.set(title=f"{name}: autocorrelation", xlabel="s")
        memory.axhline(0.0, color="#cccccc", lw=1)
    axes[0][0].legend(frameon=False)
    return _saved(figure, path)


def _hearts(found: Comparison, path: Path) -> Path:
    from matplotlib import pyplot as plt

    figure, (spread, memory) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
    for kind, paths in found.hearts.items():
        known: list[Floats] = [one[~np.isnan(one)] for one in paths]
        _distribution(spread, kind, [one.std(ddof=1) for one in known])
        columns = [one[:, None] for one in known]
        memory.plot(HEART_LAGS, [autocorrelation(columns, lag)[0] for lag in HEART_LAGS], color=COLOURS[kind], lw=2)
    spread.set(title="heart rate at rest: SD within a person", xlabel="beats a minute", ylabel="share of persons")
    memory.set(title="heart rate at rest: autocorrelation", xlabel="s")
    memory.axhline(0.0, color="#cccccc", lw=1)
    spread.legend(frameon=False)
    return _saved(figure, path)


def _distribution(axes: "Axes", kind: str, values: Sequence[float]) -> None:
    axes.plot(np.sort(values), (np.arange(len(values)) + 0.5) / len(values), label=kind, color=COLOURS[kind], lw=2)


def _saved(figure: "Figure", path: Path) -> Path:
    from matplotlib import pyplot as plt

    figure.savefig(path, dpi=90, metadata={"Software": None})
    plt.close(figure)
    return path
