"""The console's section about the models, by keyboard, against the real service."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.system.pages import ConsolePage, opened
from tests.system.service import Service, service

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def clinic(plain_models: Path) -> Iterator[Service]:
    with service(model_dir=str(plain_models), baseline_s="5") as running:
        yield running


def test_a_therapist_opens_the_models_by_keyboard_and_sees_which_decide(chromium: Browser, clinic: Service) -> None:
    with opened(chromium) as page:
        ConsolePage.open(page, clinic, "t-models", ["nobody"])
        expect(page.locator("#models-body")).to_be_hidden()
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.parentElement?.id") == "models":
                break
        page.keyboard.press("Enter")
        first = page.locator("#models-versions tr").first
        expect(first.locator("th")).to_have_text("emotion_safety")
        expect(page.locator("#models-latency tr")).to_have_count(3)
        expect(page.locator("#models-decisions tr")).to_have_count(3)
        expect(page.locator("#models-decided")).to_contain_text("0 sessions")
        page.keyboard.press("Enter")
        expect(page.locator("#models-body")).to_be_hidden()


def test_a_console_that_is_not_connected_shows_no_models(chromium: Browser, clinic: Service) -> None:
    with opened(chromium) as page:
        page.goto(f"http://127.0.0.1:{clinic.port}/console")
        expect(page.locator("#gate-token")).to_be_visible()
        expect(page.locator("#models-panel")).to_be_hidden()


def test_a_service_that_does_not_answer_this_is_told_and_asked_again(chromium: Browser, clinic: Service) -> None:
    with opened(chromium) as page:
        page.route("**/v1/analytics/models", lambda route: route.abort())
        ConsolePage.open(page, clinic, "t-models", ["nobody"])
        page.locator("#models summary").click()
        expect(page.locator("#models-problem")).to_contain_text("does not answer this now")
        page.unroute("**/v1/analytics/models")
        page.locator("#models summary").click()
        page.locator("#models summary").click()
        expect(page.locator("#models-versions tr").first).to_be_visible()
        expect(page.locator("#models-problem")).to_have_text("")
