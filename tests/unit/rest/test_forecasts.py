"""Which priors of progress a forecast over REST begins with."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from emdr_stream.inference.manifest import default_models_dir
from emdr_stream.rest.forecasts import Forecasts
from emdr_stream.rest.problems import Problem, ProblemCode

pytestmark = pytest.mark.anyio


@dataclass
class Taken:
    taken_up: int = 0


def put_in_use(folder: Path, version: str) -> None:
    (folder / "current.json").write_text(json.dumps({"progress": version}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for version in ("1", "2", "3"):
        there = tmp_path / "progress" / version
        shutil.copytree(default_models_dir() / "progress" / "1", there)
        manifest = json.loads((there / "manifest.json").read_text()) | {"version": version}
        (there / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "progress" / "3" / "priors.json").write_text("{}")
    put_in_use(tmp_path, "1")
    return tmp_path


async def test_a_version_is_taken_up_with_the_other_models_and_a_refused_one_leaves_the_present(folder: Path) -> None:
    # The first version that was asked for stayed until the restart: one that was rolled back went on forecasting.
    models = Taken()
    forecasts = Forecasts(folder, models)
    assert (await forecasts.priors()).version == "1"
    put_in_use(folder, "2")
    assert (await forecasts.priors()).version == "1", "nobody has asked the service to take it up"
    models.taken_up += 1
    assert (await forecasts.priors()).version == "2"
    put_in_use(folder, "3")
    models.taken_up += 1
    assert (await forecasts.priors()).version == "2"


async def test_without_a_version_that_can_be_used_there_is_no_forecast_until_there_is_one(folder: Path) -> None:
    put_in_use(folder, "3")
    forecasts = Forecasts(folder, Taken())
    with pytest.raises(Problem) as refused:
        await forecasts.priors()
    assert refused.value.code is ProblemCode.UNAVAILABLE
    put_in_use(folder, "1")
    assert (await forecasts.priors()).version == "1"
