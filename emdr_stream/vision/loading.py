"""Limits and files go in, what the face readers of a process share comes out; a second's imports and loading."""

from dataclasses import replace
from pathlib import Path

from emdr_stream.domain import Limits
from emdr_stream.errors import ModelFailed, ModelRefused
from emdr_stream.inference.manifest import default_models_dir
from emdr_stream.vision.expression import load_expression, load_picture_expression
from emdr_stream.vision.model_file import open_landmarker
from emdr_stream.vision.reader import Clock, Equipment
from emdr_stream.vision.reading import ExpressionReader
from emdr_stream.wire.values import ModelRef


def load_equipment(
    limits: Limits, landmarker_file: Path | None, models_dir: Path | None, clock: Clock
) -> tuple[Equipment, str | None]:
    """The equipment, and why it has no expression model, if it has none. `clock`: in seconds.

    Raises ModelRefused when the landmarker is missing or altered; ImportError when the extra `webcam` is missing.
    """
    finder = load_finder(limits, landmarker_file, clock)
    expression, reason = _load_expression(models_dir)
    return replace(finder, expression=expression), reason


def load_finder(limits: Limits, landmarker_file: Path | None, clock: Clock) -> Equipment:
    """What finds faces, without a model of expressions. Raises as `load_equipment` does."""
    return Equipment.load(open_landmarker(landmarker_file), None, limits, clock)


def load_reader(models_dir: Path | None, reader: ModelRef) -> ExpressionReader:
    """One version of the model that reads pictures; the package's own folder of models when None. Raises ModelRefused,
    ModelFailed."""
    return load_picture_expression(models_dir or default_models_dir(), reader)


def _load_expression(models_dir: Path | None) -> tuple[ExpressionReader | None, str | None]:
    """A model that is not fit for use is left out and named: the face itself can still be read."""
    try:
        expression = load_expression(models_dir)
    except (ModelRefused, ModelFailed) as problem:
        return None, str(problem)
    return expression, None if expression is not None else "no expression model among the models"
