"""Running services for the system tests: one with the model that is shipped, one with a model that can be foreseen."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from emdr_stream.simulation import Family
from tests.speakers import GROUPS
from tests.system import scenes
from tests.system.browser import browser
from tests.system.faces import Mood
from tests.system.plain_model import write_plain_model
from tests.system.service import Service, service
from tests.system.sockets import JSON, MSGPACK

CRISES = (
    (Family.PANIC, 21, MSGPACK),
    (Family.PANIC, 11, JSON),
    (Family.SHUTDOWN, 6, MSGPACK),
    (Family.SHUTDOWN, 13, JSON),
)
"""Sessions whose crisis shows at once, and how they are sent."""
SPEAKING = tuple(
    (group, source, (MSGPACK, JSON)[(number + offset) % 2])
    for number, group in enumerate(GROUPS)
    for offset, source in enumerate(scenes.SHAPES)
)
"""Who speaks live, in which shape and encoding."""
MOODS = (Mood.PANIC, Mood.SHUTDOWN, Mood.NO_FACE)


@pytest.fixture(scope="session")
def shipped() -> Iterator[Service]:
    """A service as users start it, except for the shorter baseline."""
    with service(baseline_s=str(scenes.BASELINE_S)) as running:
        yield running


@pytest.fixture(scope="session")
def plain_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model whose scores can be foreseen."""
    folder = tmp_path_factory.mktemp("models")
    write_plain_model(folder)
    return folder


@pytest.fixture(scope="session")
def plain(plain_models: Path) -> Iterator[Service]:
    """A service whose model says crisis for fear and shutdown for lost attention, with times short enough for tests."""
    with service(
        model_dir=str(plain_models), baseline_s="5", lost_after_ms="3000", hello_timeout_s="1", grace_ms="5000"
    ) as running:
        yield running


@pytest.fixture(scope="session")
def stage(shipped: Service, plain: Service, test_data: Path) -> scenes.Stage:
    """All long scenes, played at once."""
    played: dict[str, scenes.Scene] = {
        "crisis and back": partial(scenes.crisis_and_back, plain),
        "calm again": partial(scenes.calm_again, plain),
    }
    for family, seed, subprotocol in CRISES:
        played[f"{family} {seed}"] = partial(scenes.simulated_crisis, shipped, family, seed, subprotocol)
    for group, source, subprotocol in SPEAKING:
        folder = test_data / "speakers"
        played[f"{group} {source}"] = partial(scenes.speaker, shipped, folder, group, source, subprotocol)
    for mood in MOODS:
        played[mood.value] = partial(scenes.cause, plain, mood)
    return scenes.play_all(played)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser for the tests of one file; its camera shows a test picture."""
    with browser() as running:
        yield running
