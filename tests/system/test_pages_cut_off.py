"""Sessions that ended, or moved to another worker, while a console was cut off: each is shown as what it is."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.system.pages import until
from tests.system.played_console import pages_alone, played

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with pages_alone() as running:
        yield running


def test_a_session_that_ended_in_a_gap_is_found_over_and_one_that_lives_elsewhere_is_not(
    chromium: Browser, port: int
) -> None:
    # Nobody tells of an end twice: it stood as silent, its data as old, for ever.
    with played(chromium, port) as console:
        page = console.page
        console.open("over", "elsewhere", "unknowable")
        console.play(
            """() => {
              const { subscribe } = player.answers;
              player.sessions.shift();
              for (const session of player.sessions) session.hidden = true;
              player.answers.subscribe = (message) =>
                message.sessions[0] === "unknowable" ? player.refusal(message.id, "internal") : subscribe(message);
              player.drop();
            }"""
        )
        console.expect_link("lost")
        console.expect_link("live")
        chip = page.locator("#sessions .session", has_text="u-over").locator(".chip")
        expect(chip).to_have_text("Silent")
        expect(chip).to_have_text("Ended")
        expect(page.locator("#detail-status")).to_have_text(
            "Ended while this page was not connected, or no longer yours"
        )
        expect(page.locator("#detail-old")).to_be_hidden()
        until(page, "player.of('subscribe').filter(({ sessions }) => sessions[0] === 'unknowable').length >= 2")
        console.play("() => player.state('elsewhere')")
        others = [
            page.locator("#sessions .session", has_text=name).locator(".chip") for name in ("u-elsewhere", "u-un")
        ]
        expect(others[0]).to_have_text("Running")
        expect(others[1]).to_have_text("Silent")
