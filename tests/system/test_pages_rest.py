"""A pause that lets the light come to rest shows it until then, and the stop still stops it; a hard one covers it."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.system.pages import PATIENCE_MS, ClientPage, ConsolePage, opened, until
from tests.system.service import Service, service

pytestmark = [pytest.mark.alone, pytest.mark.system, pytest.mark.timeout(180)]

_WATCH_VIEWS = """() => {
  globalThis.viewsMs = {};
  new MutationObserver(() => { viewsMs[document.body.dataset.view] = performance.timeOrigin + performance.now(); })
    .observe(document.body, { attributeFilter: ["data-view"] });
}"""
"""When the page came to each view, milliseconds since 1970."""
_AT_ONCE_MS = 100


@pytest.fixture(scope="module")
def clinic(plain_models: Path) -> Iterator[Service]:
    with service(model_dir=str(plain_models)) as running:
        yield running


def pause(client: ClientPage, console: ConsolePage, mode: str) -> float:
    """By the console; gives when the client's page was told, at the earliest, milliseconds since 1970."""
    told = len(client.wire.got("control.pause"))
    console.page.locator("#pause-mode").select_option(mode)
    pressed_ms = time.time() * 1_000
    console.page.locator("[data-key=p]").click()
    deadline = time.monotonic() + PATIENCE_MS / 1_000
    while len(client.wire.got("control.pause")) == told:
        assert time.monotonic() < deadline, "no pause came"
        client.page.wait_for_timeout(10)
    return pressed_ms


def when_at_rest(client: ClientPage) -> float:
    """As it was told to the service for the newest pause, milliseconds since 1970."""
    epoch = client.wire.got("control.pause")[-1]["control_epoch"]
    deadline = time.monotonic() + PATIENCE_MS / 1_000
    while True:
        applied = [m for m in client.wire.sent if m["type"] == "applied" and m["control_epoch"] == epoch]
        if any("stopped_ts" in message for message in applied):
            return float(next(message["stopped_ts"] for message in applied if "stopped_ts" in message))
        assert time.monotonic() < deadline, "the rest was not told"
        client.page.wait_for_timeout(20)


def resume(client: ClientPage, console: ConsolePage) -> None:
    console.page.locator("[data-key=r]").click()
    console.page.locator("dialog [data-do=confirm]").click()
    client.expect_view("ready")


def test_a_light_that_comes_to_rest_is_shown_until_it_does_and_can_still_be_stopped(
    chromium: Browser, clinic: Service
) -> None:
    with opened(chromium) as page, opened(chromium) as other:
        client = ClientPage.open(page, clinic, "to-rest")
        client.go_through(camera=False)
        console = ConsolePage.open(other, clinic, "t-rest", ["to-rest"])
        expect(other.locator("#detail-title")).to_contain_text("to-rest")
        page.evaluate(_WATCH_VIEWS)

        client.begin_set()
        paused_ms = pause(client, console, "ease_to_center")
        client.expect_view("paused")
        rested_ms = when_at_rest(client)
        assert rested_ms > paused_ms + 900, "it eases for a second"
        assert page.evaluate("viewsMs.paused") >= rested_ms - 1, "and is not covered while it does"
        resume(client, console)

        client.begin_set()
        pause(client, console, "ease_to_center")
        client.expect_view("moving")
        page.keyboard.press("Enter")
        page.keyboard.press("Space")
        client.expect_view("paused")
        until(page, "lightProbe.atKey().frames >= 10")
        assert client.at_key()["elsewhere"] == 0
        assert client.wait_until_sent("stop"), "the key stops what moves, and nothing else"
        resume(client, console)

        client.begin_set()
        pause(client, console, "hard")
        client.expect_view("paused")
        assert page.evaluate("viewsMs.paused") - when_at_rest(client) < _AT_ONCE_MS
