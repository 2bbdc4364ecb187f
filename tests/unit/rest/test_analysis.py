"""Estimates without a session: the same as a session's own, and the loop is never held for long."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from emdr_stream.domain import Source, StateLabel
from emdr_stream.inference.manifest import default_models_dir
from emdr_stream.inference.models import LoadedModel, load_current
from emdr_stream.recording.format import encode
from emdr_stream.recording.replay import replay
from emdr_stream.rest.analysis import Analyst, Taken
from emdr_stream.rest.problems import Problem, ProblemCode
from emdr_stream.settings import SessionSettings
from emdr_stream.wire.stream import Sample
from emdr_stream.wire.values import Dimensions

pytestmark = pytest.mark.anyio
TS = 1_795_420_800_000


class InUse:
    """One version, as the service has it in use."""

    def __init__(self, model: LoadedModel) -> None:
        self.current = model


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return load_current(default_models_dir())


@pytest.fixture
def analyst(model: LoadedModel) -> Analyst:
    return Analyst(InUse(model), SessionSettings(), time.monotonic)


def samples(count: int) -> list[Taken]:
    """A calm person, ten times a second, with a slow wave in their arousal."""
    return [
        Sample(ts=TS + 100.0 * number, dimensions=Dimensions(0.1, 0.02 * (number % 11), 0.8)) for number in range(count)
    ]


def replayed(model: LoadedModel, taken: Sequence[Taken]) -> bytes:
    """The last result that a session which was recorded with these samples gives in replay, without its times."""
    lines = [encode({"emdr_recording": 1, "started_ts": TS, "source": "emotion"})]
    lines += [encode({"at_ms": int(each.ts - TS), "dir": "in", "msg": each}) for each in taken]
    out = replay(lines, model=model.graph, models=(model.reference,))
    return [line for line in out if b'"type":"result"' in line][-1]


async def test_the_estimate_is_the_one_that_a_session_would_have_given(analyst: Analyst, model: LoadedModel) -> None:
    taken = samples(800)
    result = (await analyst.read(Source.EMOTION, taken, "samples")).result
    assert result is not None and result.state.label is not StateLabel.UNKNOWN
    for part in (result.state, result.dimensions, result.predicted_changes, result.safety):
        assert encode(part) in replayed(model, taken)


async def test_the_loop_turns_again_and_again_while_samples_are_read(analyst: Analyst) -> None:
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        counting = group.create_task(count_turns())
        began = time.process_time()
        await analyst.read(Source.EMOTION, samples(1_200), "samples")
        spent_s = time.process_time() - began
        counting.cancel()
    # Some hundred milliseconds of work, a millisecond at a time.
    assert turns > 50, (turns, spent_s)


async def test_more_than_so_many_that_wait_are_told_to_come_back(analyst: Analyst) -> None:
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(outcome(analyst)) for _ in range(12)]
    told = [task.result() for task in asked]
    assert told.count(None) == 8 and told.count(ProblemCode.BUSY) == 4


async def test_samples_that_lie_too_far_apart_are_named(analyst: Analyst) -> None:
    taken: list[Taken] = [Sample(ts=float(TS)), Sample(ts=TS + 7_300_000.0)]
    with pytest.raises(Problem) as refused:
        await analyst.read(Source.EMOTION, taken, "samples")
    assert (refused.value.code, refused.value.field) == (ProblemCode.INVALID_FIELD, "samples[1].ts")


async def outcome(analyst: Analyst) -> ProblemCode | None:
    """None when it was read."""
    try:
        await analyst.read(Source.EMOTION, samples(100), "samples")
    except Problem as problem:
        return problem.code
    return None
