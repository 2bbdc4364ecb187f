"""A models folder in, the priors of progress that are in use out: read when somebody first asks for a forecast."""

import asyncio
import logging
from pathlib import Path
from typing import Final

from emdr_stream.errors import ModelRefused
from emdr_stream.inference.progress_priors import LoadedPriors, load_current_priors
from emdr_stream.rest.problems import Problem, ProblemCode

_LOG: Final = logging.getLogger(__name__)


class Forecasts:
    """For therapists and back ends alone: no client is told a forecast (docs/safety.md, H11)."""

    def __init__(self, models_dir: Path) -> None:
        self._models_dir = models_dir
        self._loading = asyncio.Lock()
        self._priors: LoadedPriors | None = None

    async def priors(self) -> LoadedPriors:
        """Raises Problem(unavailable) where no version may be used."""
        async with self._loading:
            if self._priors is None:
                try:
                    self._priors = await asyncio.to_thread(load_current_priors, self._models_dir)
                except ModelRefused:
                    _LOG.warning(
                        "no forecasts: the model `progress` cannot be used, `emdr-stream models verify` says why"
                    )
                    raise Problem(ProblemCode.UNAVAILABLE, "no model of progress is in use here") from None
            return self._priors
