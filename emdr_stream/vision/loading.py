"""Limits and files go in, what the face readers of a process share comes out; a second's imports and loading."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from emdr_stream.domain import Limits
from emdr_stream.errors import ModelFailed, ModelRefused
from emdr_stream.vision.model_file import open_landmarker
from emdr_stream.vision.reader import Clock, Equipment
from emdr_stream.vision.reading import ExpressionReader


def load_equipment(
    limits: Limits, landmarker_file: Path | None, models_dir: Path | None, clock: Clock
) -> tuple[Equipment, str | None]:
    """The equipment, and why it has no expression model, if it has none. `clock`: in seconds.

    Raises ModelRefused when the landmarker is missing or altered; ImportError when the extra `webcam` is missing.
    """
    landmarker = open_landmarker(landmarker_file)
    expression, reason = _load_expression(models_dir)
    return Equipment.load(landmarker, expression, limits, clock), reason


def _load_expression(models_dir: Path | None) -> tuple[ExpressionReader | None, str | None]:
    """A model that is not fit for use is left out and named: the face itself can still be read."""
    name = "emdr_stream.vision.expression"
    if find_spec(name) is None:
        return None, "this version has no expression model"
    try:
        expression: ExpressionReader | None = import_module(name).load_expression(models_dir)
    except (ModelRefused, ModelFailed) as problem:
        return None, str(problem)
    return expression, None if expression is not None else "no expression model among the models"
