"""In: the environment. Out: what a notebook runs with: how large it may be, where the public data are, how it draws."""

import os
from pathlib import Path
from typing import Final

SIZE_VARIABLE: Final = "EMDR_NOTEBOOK_SIZE"
DATA_VARIABLE: Final = "EMDR_TEST_DATA"
SMALL: Final = "small"
FULL: Final = "full"

BLUE: Final = "#24618f"
RED: Final = "#b3442e"
GREEN: Final = "#3c7d4e"
OCHRE: Final = "#c08a2b"
GREY: Final = "#8a949c"
STATES: Final = {
    "calm": "#dfe7ec",
    "processing": "#9fc3dd",
    "hyperarousal": "#d9735b",
    "hypoarousal": "#7f6ba8",
    "drowsy": "#d9c48a",
}


def by_size(small: int, full: int) -> int:
    """`full`, or `small` where EMDR_NOTEBOOK_SIZE asks for it. Raises ValueError for another word."""
    size = os.environ.get(SIZE_VARIABLE, FULL)
    if size not in {SMALL, FULL}:
        raise ValueError(f"{SIZE_VARIABLE} must be {SMALL} or {FULL}, not {size}")
    return small if size == SMALL else full


def data_folder() -> Path | None:
    """EMDR_TEST_DATA, or `shared/data` beside the checkout; None where that is no folder."""
    configured = os.environ.get(DATA_VARIABLE)
    folder = Path(configured) if configured else Path(__file__).resolve().parents[2] / "shared" / "data"
    return folder if folder.is_dir() else None


def left_out(what: str) -> None:
    """Say that a cell has nothing to show, and what it would need."""
    print(f"Left out: {what}. See CONTRIBUTING.md, Notebooks.")


def start_drawing() -> None:
    """Quiet axes, of a size that is read without zooming."""
    from matplotlib import pyplot as plt

    plt.rcParams.update(
        {
            "figure.figsize": (10.0, 3.6),
            "figure.dpi": 80,
            "figure.constrained_layout.use": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": 10,
            "axes.titlelocation": "left",
            "axes.labelsize": 9,
            "xtick.labelsize": 8,
            "ytick.labelsize": 8,
            "legend.frameon": False,
            "legend.fontsize": 8,
        }
    )
