"""The light stops: by the key within a frame, and by itself when the service freezes, dies, or the network drops all.

What the light did is read from the page's pixels; both ends use this machine's clock.
"""

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.system.browser import keep_picture
from tests.system.dropping_line import dropping_line
from tests.system.pages import ClientPage, ConsolePage, opened, until
from tests.system.service import Service, service

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

_STOPPED_WITHIN_MS = 2_250


@pytest.fixture(scope="module")
def mortal(plain_models: Path) -> Iterator[Service]:
    """A service of this module's own: it is frozen and killed, and started again on the same folder."""
    with service(model_dir=str(plain_models)) as running:
        yield running


@pytest.fixture
def client(chromium: Browser, mortal: Service, request: pytest.FixtureRequest) -> Iterator[ClientPage]:
    """A client in the middle of a set; a test that failed may have left the service dead."""
    assert mortal.process is not None
    if mortal.process.poll() is not None:
        mortal.start()
    with opened(chromium) as page:
        client = ClientPage.open(page, mortal, f"client-{request.node.name[5:35]}")
        client.go_through(camera=False)
        client.begin_set()
        yield client


@contextlib.contextmanager
def frozen(service: Service) -> Iterator[float]:
    """While it is frozen; gives when it froze, milliseconds since 1970."""
    assert service.process is not None
    os.kill(service.process.pid, signal.SIGSTOP)
    try:
        yield time.time() * 1_000
    finally:
        os.kill(service.process.pid, signal.SIGCONT)


def stopped_in_time(client: ClientPage, fault_ms: float) -> None:
    client.expect_view("lost")
    assert client.last_moved_ms() - fault_ms <= _STOPPED_WITHIN_MS


def goes_on_only_by_a_person(client: ClientPage) -> None:
    """The session is there again, paused; nothing moves until somebody asks to go on, and then begins a set."""
    client.expect_view("paused")
    assert client.wire.got("welcome")[-1]["resumed"] is True
    moved_ms = client.last_moved_ms()
    expect(client.page.locator("#panel h1")).to_have_text("The connection is back")
    client.go_on()
    assert client.last_moved_ms() == moved_ms
    client.begin_set()


def test_a_service_that_freezes_stops_the_light_and_the_session_comes_back_paused(
    client: ClientPage, mortal: Service
) -> None:
    with frozen(mortal) as fault_ms:
        stopped_in_time(client, fault_ms)
        keep_picture(client.page, "client-disconnected")
    goes_on_only_by_a_person(client)


def test_a_service_that_is_killed_stops_the_light_and_the_session_comes_back_paused(
    client: ClientPage, mortal: Service, chromium: Browser
) -> None:
    with opened(chromium) as other:
        console = ConsolePage.open(other, mortal, "t-kill", ["*"])
        # Its link was live and no session had come when the service died, on a busy machine: nothing there was old.
        expect(other.locator("#detail-title")).to_have_text(re.compile("client-"))
        fault_ms = time.time() * 1_000
        mortal.kill()
        stopped_in_time(client, fault_ms)
        console.expect_link("lost")
        expect(other.locator("#detail-old")).to_contain_text("OLD DATA")
        expect(other.locator("[data-key=p]")).to_be_disabled()
        keep_picture(other, "console-disconnected")
        mortal.start()
        console.expect_link("live")
    goes_on_only_by_a_person(client)


def test_a_network_that_drops_everything_stops_the_light_and_the_session_comes_back_paused(
    chromium: Browser, mortal: Service
) -> None:
    with dropping_line(mortal.port) as line, opened(chromium) as page, opened(chromium) as other:
        client = ClientPage.open(page, mortal, "client-network", port=line.port)
        client.go_through(camera=False)
        console = ConsolePage.open(other, mortal, "t-network", ["client-network"], port=line.port)
        client.begin_set()
        fault_ms = time.time() * 1_000
        line.drop()
        stopped_in_time(client, fault_ms)
        console.expect_link("lost")
        line.restore()
        console.expect_link("live")
        goes_on_only_by_a_person(client)


@pytest.mark.parametrize("key", ["Space", "Escape"])
def test_the_stop_key_stops_the_light_within_a_frame(client: ClientPage, key: str) -> None:
    client.page.keyboard.press(key)
    client.expect_view("paused")
    assert_not_one_frame_elsewhere(client)
    expect(client.page.locator("#panel h1")).to_have_text("You stopped, and that is right")
    assert client.wire.got("control.pause", reason="client_stop")


@pytest.mark.parametrize("key", ["Space", "Escape"])
def test_the_stop_key_stops_the_light_within_a_frame_while_the_service_is_frozen(
    client: ClientPage, mortal: Service, key: str
) -> None:
    with frozen(mortal):
        client.page.keyboard.press(key)
        assert_not_one_frame_elsewhere(client)
        client.expect_view("lost")
    # The stop that nobody heard is told now.
    client.expect_view("paused")
    expect(client.page.locator("#panel h1")).to_have_text("You stopped, and that is right")


def assert_not_one_frame_elsewhere(client: ClientPage) -> None:
    """It moved when the key came, and all frames since show what was shown then."""
    until(client.page, "lightProbe.atKey().frames >= 10")
    seen = client.at_key()
    assert seen["moving"]
    assert seen["elsewhere"] == 0
