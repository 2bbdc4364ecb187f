"""A file of settings goes in, the recipe of one training comes out."""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

DEFAULT_PATH: Final = Path(__file__).with_name("config.toml")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one network is built and trained. Meanings stand in config.toml beside the values."""

    seed: int
    widths: list[int]
    first_stride: int
    second_stride: int
    feature_width: int
    dropout: float
    epochs: int
    steps: int
    batch: int
    rate: float
    decay: float
    averaging: float
    balance: float
    synthetic: float
    generated: float
    missing: float
    feature_noise: float
    smoothing: float
    intent: float
    affect: float
    alone: float


def load_recipes(path: Path = DEFAULT_PATH) -> dict[str, Recipe]:
    """By name: the table of each network over the table `common`. Raises OSError, and ValueError for a bad file."""
    with path.open("rb") as file:
        tables = tomllib.load(file)
    common = tables.pop("common", {})
    known = {field.name for field in fields(Recipe)}
    recipes = {}
    for name, table in tables.items():
        values = {**common, **table}
        if set(values) != known:
            raise ValueError(f"{path}, [{name}]: missing or unknown: {', '.join(sorted(known ^ set(values)))}")
        recipes[name] = Recipe(**values)
    return recipes
