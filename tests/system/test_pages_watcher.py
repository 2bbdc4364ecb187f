"""A console whose page hangs for half a minute: the service does not grow for it, and it misses no alert."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.system.pages import ClientPage, ConsolePage, opened
from tests.system.service import Service, eventually, service

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

_HANGS_MS: Final = 30_000
_MOST_GROWTH_KIB: Final = 8 * 1024


@pytest.fixture(scope="module")
def clinic(plain_models: Path) -> Iterator[Service]:
    with service(model_dir=str(plain_models)) as running:
        yield running


def resident_kib(service: Service) -> int:
    assert service.process is not None
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")))


def shown(page: Page) -> list[str]:
    """The alerts on a console, open and past."""
    found: list[str] = page.evaluate("[...document.querySelectorAll('.alert-list > li')].map((li) => li.dataset.key)")
    return sorted(found)


def hang(page: Page) -> None:
    """From now on its only thread is busy; nothing of its sockets is read."""
    page.evaluate(
        """ms => {
          globalThis.hung = false;
          setTimeout(() => {
            const end = performance.now() + ms;
            while (performance.now() < end);
            globalThis.hung = true;
          });
        }""",
        _HANGS_MS,
    )


def stop_and_go(client: ClientPage) -> None:
    """An alert is raised, and resolved."""
    client.begin_set()
    client.page.keyboard.press("Space")
    client.expect_view("paused")
    client.go_on()


def test_a_console_that_hangs_for_half_a_minute_costs_no_memory_and_misses_no_alert(
    chromium: Browser, clinic: Service
) -> None:
    with opened(chromium) as one, opened(chromium) as hanging, opened(chromium) as attentive:
        client = ClientPage.open(one, clinic, "restless")
        client.go_through(camera=False)
        consoles = [ConsolePage.open(page, clinic, "t", ["restless"]) for page in (hanging, attentive)]
        stop_and_go(client)
        for console in consoles:
            expect(console.page.locator("#alerts-past-list > li")).to_have_count(1)
        before = resident_kib(clinic)
        began_ms: float = one.evaluate("performance.now()")
        hang(hanging)
        stops = 1
        while one.evaluate("performance.now()") - began_ms < _HANGS_MS:
            stop_and_go(client)
            stops += 1
            assert resident_kib(clinic) - before < _MOST_GROWTH_KIB
            one.wait_for_timeout(900)  # not longer than the console can list
        assert hanging.evaluate("globalThis.hung"), "an answer comes when the page is free again"
        consoles[0].expect_link("live")
        assert stops > 3
        assert eventually(lambda: stops <= len(shown(attentive)) and shown(hanging) == shown(attentive), 30)
