"""Everything breaks in an order that a seed gives, and no alert is lost, no pause ends by itself, nobody waits long."""

import asyncio
import os
from pathlib import Path

import pytest

from tests.chaos.faults import SHORT
from tests.chaos.play import Played, Scenario, play
from tests.chaos.report import table, verdict, violations

pytestmark = [pytest.mark.alone, pytest.mark.system]

SEEDS = os.environ.get("EMDR_CHAOS_SEEDS", "one,two,three").split(",")
FAULTS = int(os.environ.get("EMDR_CHAOS_FAULTS", "22"))


def judged(played: Played, *, strict_delays: bool) -> None:
    """Print the figures; fail with the seed and the histories of what went wrong."""
    found = violations(played, strict_delays=strict_delays)
    print(f"\n{table(played, found)}")
    assert not found, verdict(played, found)


@pytest.mark.timeout(120)
def test_nothing_is_lost_when_each_part_breaks_once(plain_models: Path) -> None:
    scenario = Scenario(
        "short",
        faults=len(SHORT),
        kinds=SHORT,
        nodes=2,
        workers=2,
        clients=6,
        consoles=2,
        roams=False,
        wait_s=(0.8, 1.5),
    )
    judged(asyncio.run(play(scenario, plain_models)), strict_delays=False)


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_in_a_long_series_of_faults(plain_models: Path, seed: str) -> None:
    scenario = Scenario(seed, faults=FAULTS, watch_s=55.0)
    judged(asyncio.run(play(scenario, plain_models)), strict_delays=True)
