"""Every page in every state is looked at by axe, light and dark, in both languages; and a picture of each is kept.

Two people's pages go through a session side by side; a look is taken at each state that they come to.
"""

import contextlib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.system.browser import keep_picture
from tests.system.dropping_line import dropping_line
from tests.system.pages import ClientPage, ConsolePage, opened
from tests.system.service import Service, service

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

_AXE: Final = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text()
_TABLET: Final = {"viewport": {"width": 820, "height": 1180}, "has_touch": True}
_DESK: Final = {"viewport": {"width": 1280, "height": 800}}
LOOKS: Final[dict[str, dict[str, Any]]] = {
    "light-en": {"color_scheme": "light", "locale": "en-GB", **_DESK},
    "dark-ru-tablet": {"color_scheme": "dark", "locale": "ru-RU", **_TABLET},
}


@pytest.fixture(scope="module")
def clinic(plain_models: Path) -> Iterator[Service]:
    with service(model_dir=str(plain_models), baseline_s="5") as running:
        yield running


class Eye:
    """Looks at pages, and remembers what was wrong with them."""

    def __init__(self, look: str) -> None:
        self._look = look
        self.seen: list[str] = []
        self.wrong: list[str] = []

    def look(self, page: Page, state: str) -> None:
        """Have axe check this state of the page, and keep a picture."""
        keep_picture(page, f"{state}-{self._look}")
        self.wrong += [f"{state}: {problem}" for problem in violations(page)]
        self.seen.append(state)


def violations(page: Page) -> list[str]:
    """What axe finds: the rule, and where."""
    if not page.evaluate("'axe' in globalThis"):
        page.evaluate(_AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{v['id']} at {[node['target'] for node in v['nodes']]}" for v in found["violations"]]


@contextlib.contextmanager
def eye(look: str, *states: str) -> Iterator[Eye]:
    """An eye that must have seen these states, and nothing wrong in them."""
    looking = Eye(look)
    yield looking
    assert looking.wrong == []
    assert tuple(looking.seen) == states


@pytest.mark.parametrize("look", LOOKS)
def test_the_clients_page_has_no_violation_in_any_state(chromium: Browser, clinic: Service, look: str) -> None:
    states = ["ticket", "welcome", "ready-check", "camera", "comfort", "rehearsal", "first", "moving", "paused"]
    states += ["rating", "next", "end-sure", "lost", "back", "ended", "refused"]
    with (
        eye(look, *[f"client-{state}" for state in states]) as eyes,
        dropping_line(clinic.port) as line,
        opened(chromium, **LOOKS[look]) as page,
        opened(chromium) as other,
    ):
        user = f"seen-{look}"
        page.goto(f"http://127.0.0.1:{line.port}/client")
        eyes.look(page, "client-ticket")
        token = clinic.token("client", user)
        page.locator("#ticket").fill(token)
        client = ClientPage.follow(page)
        client.leave("ticket")
        seen_as = {"welcome": "welcome", "ready": "ready-check", "source": "camera", "comfort": "comfort"}
        for step, state in seen_as.items():
            client.fill(step, camera=True)
            eyes.look(page, f"client-{state}")
            client.fill(step)
            client.leave(step)
        client.rehearse()
        eyes.look(page, "client-rehearsal")
        page.locator("#begin").click()
        client.expect_view("ready")
        eyes.look(page, "client-first")
        client.begin_set()
        eyes.look(page, "client-moving")
        page.keyboard.press("Escape")
        client.expect_view("paused")
        eyes.look(page, "client-paused")
        ConsolePage.open(other, clinic, "t-seen", [user]).set_fields({"duration": "8", "speed": "2"})
        client.go_on()
        client.begin_set()
        client.expect_view("rating")
        eyes.look(page, "client-rating")
        page.keyboard.press("7")
        page.keyboard.press("Enter")
        client.expect_view("ready")
        eyes.look(page, "client-next")
        page.locator("#panel .plain").last.click()
        eyes.look(page, "client-end-sure")
        line.drop()
        client.expect_view("lost")
        eyes.look(page, "client-lost")
        line.restore()
        client.expect_view("paused")
        eyes.look(page, "client-back")
        client.go_on()
        page.locator("#panel .plain").last.click()
        page.locator("#panel .button-danger").click()
        client.expect_view("ended")
        eyes.look(page, "client-ended")
        with opened(chromium, **LOOKS[look]) as second:
            stranger = ClientPage.open(second, clinic, user, token=f"{token[:-6]}AAAAAA")
            for step in ("welcome", "ready", "source", "comfort"):
                stranger.fill(step)
                stranger.leave(step)
            stranger.rehearse()
            second.locator("#begin").click()
            stranger.expect_view("refused")
            eyes.look(second, "client-refused")


@pytest.mark.parametrize("look", LOOKS)
def test_the_console_has_no_violation_in_any_state(chromium: Browser, clinic: Service, look: str) -> None:
    dialogs = {"f": "pattern", "t": "thresholds", "r": "resume", "e": "end", "?": "help"}
    states = ["gate", "gate-wrong", "empty", "live", "alert", "note", *dialogs.values(), "sound", "text"]
    states += ["acknowledged", "models", "disconnected"]
    user = f"watched-{look}"
    with (
        eye(look, *[f"console-{state}" for state in states]) as eyes,
        dropping_line(clinic.port) as line,
        opened(chromium, **LOOKS[look]) as page,
        opened(chromium) as other,
    ):
        console = ConsolePage.follow(page)
        page.goto(f"http://127.0.0.1:{line.port}/console")
        eyes.look(page, "console-gate")
        page.locator("#gate-form [type=submit]").click()
        eyes.look(page, "console-gate-wrong")
        page.locator("#gate-token").fill(clinic.token("therapist", "t-looks", clients=[user]))
        page.locator("#gate-form [type=submit]").click()
        console.expect_link("live")
        expect(page.locator("#sessions-empty")).to_be_visible()
        eyes.look(page, "console-empty")
        client = ClientPage.open(other, clinic, user)
        client.go_through(camera=False)
        expect(page.locator("#lanes tr")).to_have_count(5)
        console.until_judged()
        client.begin_set()
        eyes.look(page, "console-live")
        other.keyboard.press("Escape")
        expect(page.locator("#alerts .alert")).to_have_count(1)
        eyes.look(page, "console-alert")
        page.locator("#alerts [data-do=note]").click()
        eyes.look(page, "console-note")
        console.close_dialog()
        for key, name in dialogs.items():
            page.keyboard.press(key)
            expect(page.locator("dialog")).to_be_visible()
            eyes.look(page, f"console-{name}")
            console.close_dialog()
        page.locator("#sound-test").click()
        eyes.look(page, "console-sound")
        console.close_dialog()
        page.locator("#readings summary").click()
        expect(page.locator("#readings-body tr").first).to_be_visible()
        eyes.look(page, "console-text")
        page.locator("#alerts [data-do=ack]").click()
        expect(page.locator("#alerts [data-do=ack]")).to_be_hidden()
        eyes.look(page, "console-acknowledged")
        page.locator("#models summary").click()
        expect(page.locator("#models-versions tr").first).to_be_visible()
        eyes.look(page, "console-models")
        page.locator("#models summary").click()
        line.drop()
        console.expect_link("lost")
        eyes.look(page, "console-disconnected")
