"""A models folder in, the priors of progress that are in use out: read when somebody asks for a forecast.

Read first when somebody first asks, and again by the first question after the models were to be taken up anew.
"""

import asyncio
import logging
from pathlib import Path
from typing import Final, Protocol

from emdr_stream.errors import ModelRefused
from emdr_stream.inference.progress_priors import LoadedPriors, load_current_priors
from emdr_stream.rest.problems import Problem, ProblemCode

_LOG: Final = logging.getLogger(__name__)


class InUse(Protocol):
    """What is asked of the models in use."""

    taken_up: int
    """How often they were to be taken up anew."""


class Forecasts:
    """For therapists and back ends alone: no client is told a forecast (docs/safety.md, H11)."""

    def __init__(self, models_dir: Path, models: InUse) -> None:
        self._models_dir = models_dir
        self._models = models
        self._loading = asyncio.Lock()
        self._priors: LoadedPriors | None = None
        self._looked_at = 0

    async def priors(self) -> LoadedPriors:
        """Those in use; what is refused leaves the ones before. Raises Problem(unavailable) where there are none."""
        async with self._loading:
            if self._priors is None or self._looked_at != self._models.taken_up:
                self._looked_at = self._models.taken_up
                try:
                    self._priors = await asyncio.to_thread(load_current_priors, self._models_dir)
                except ModelRefused:
                    _LOG.warning("the model `progress` cannot be used, `emdr-stream models verify` says why")
            if self._priors is None:
                raise Problem(ProblemCode.UNAVAILABLE, "no model of progress is in use here")
            return self._priors
