"""Fuzzers with a budget of time: seconds in `make test`, EMDR_FUZZ_SECONDS each (ten minutes) in `make verify`."""

import os
import time
from random import Random

import pytest

from tests.fuzz.targets import TARGETS, inputs

QUICK_S = 2.5
LONG_S = float(os.environ.get("EMDR_FUZZ_SECONDS", "600"))
_LOOK_EVERY = 50


def fuzz(target: str, seed: int, seconds: float) -> int:
    """Run a target for so long; gives how many inputs it took. A failure names the seed and the input."""
    draw, run = inputs(target, Random(f"{seed} {target}")), TARGETS[target]
    ends, count = time.monotonic() + seconds, 0
    while count % _LOOK_EVERY or time.monotonic() < ends:
        data = draw()
        count += 1
        try:
            run(data)
        except Exception as problem:
            raise AssertionError(
                f"{target}, seed {seed}, input {count}: {type(problem).__name__} {problem} on {data[:2_000]!r}"
            ) from problem
    print(f"{target}: seed {seed}, {count} inputs in {seconds:g} s")
    return count


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_no_input_of_a_few_seconds_breaks_it(target: str) -> None:
    assert fuzz(target, 7, QUICK_S) > 100


@pytest.mark.slow
@pytest.mark.timeout(LONG_S + 300)
@pytest.mark.parametrize("target", sorted(TARGETS))
def test_no_input_of_a_long_run_breaks_it(target: str) -> None:
    assert fuzz(target, time.time_ns(), LONG_S) > 100
