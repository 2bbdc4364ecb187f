"""Whoever works by keyboard keeps their place at the console while its lists change and its commands travel."""

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


def test_the_focus_stays_on_a_button_while_the_list_changes_around_it(chromium: Browser, port: int) -> None:
    # An element that is moved within its list loses the focus, and the next key goes nowhere.
    with played(chromium, port) as console:
        page = console.page
        console.open("a", "b", "c")
        console.play(
            "() => { player.alert('a', 1, { severity: 'medium' }); player.alert('b', 1, { severity: 'high' }); }"
        )
        mine = page.locator("#alerts > li[data-key='b.a1'] [data-do=ack]")
        mine.focus()
        keys = "[...document.querySelectorAll('#alerts > li')].map(({ dataset }) => dataset.key).join()"
        for deed, order in (
            ("player.alert('c', 1)", "c.a1,b.a1,a.a1"),
            ("player.step('c.a1', 'resolved')", "b.a1,a.a1"),
            ("player.step('a.a1', 'raised', { severity: 'critical', cursor: 'risen' })", "a.a1,b.a1"),
            ("player.step('a.a1', 'acknowledged', { by: 'other' })", "b.a1,a.a1"),
        ):
            console.play(f"() => {{ {deed}; }}")
            until(page, f"{keys} === '{order}'")
            expect(mine).to_be_focused()

        last = page.locator("#sessions li[data-key=b] .session")
        last.focus()
        console.play(
            """() => {
              player.sessions.shift();
              player.tell({ type: "session.closed", session_id: "a", user: "u-a", reason: "bye" });
            }"""
        )
        expect(page.locator("#sessions li").last).to_have_attribute("data-key", "a")
        expect(last).to_be_focused()


def test_after_an_acknowledgement_the_focus_is_at_the_next_alert_and_then_at_the_lists_heading(
    chromium: Browser, port: int
) -> None:
    with played(chromium, port) as console:
        page = console.page
        console.open("a", "b")
        console.play("() => { player.alert('a', 1); player.alert('b', 1, { severity: 'high' }); }")
        page.locator("#alerts [data-do=ack]").first.focus()
        page.keyboard.press("Enter")
        second = page.locator("#alerts > li[data-key='b.a1']")
        expect(second.locator(".alert")).to_be_focused()
        # A key that is held down acknowledges nothing that nobody has read.
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        expect(second.locator("[data-do=ack]")).to_be_focused()
        assert console.play("() => player.of('ack').map(({ alert_id }) => alert_id)") == ["a.a1"]
        page.keyboard.press("Enter")
        expect(page.locator("#alerts-title")).to_be_focused()
        assert console.play("() => player.of('ack').map(({ alert_id }) => alert_id)") == ["a.a1", "b.a1"]


def test_what_is_on_its_way_is_asked_once_and_keeps_the_focus(chromium: Browser, port: int) -> None:
    with played(chromium, port) as console:
        page = console.page
        console.open("a")
        console.play("() => { player.answers.ack = () => null; player.alert('a', 1); }")
        button = page.locator("#alerts [data-do=ack]")
        button.focus()
        for _ in range(3):
            page.keyboard.press("Enter")
            expect(button).to_have_attribute("aria-disabled", "true")
        expect(button).to_be_focused()
        assert console.play("() => player.of('ack').length") == 1


def test_a_short_silence_takes_no_focus_and_says_what_cannot_be_done(chromium: Browser, port: int) -> None:
    with played(chromium, port) as console:
        page = console.page
        console.open("a")
        pause = page.locator("[data-key=p]")
        pause.focus()
        console.play("() => { player.beats = false; player.answers.hello = () => null; }")
        console.expect_link("lost")
        expect(pause).to_be_disabled()
        expect(pause).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#say-now")).to_contain_text("Nothing was sent")
        assert console.play("() => player.of('control.pause').length") == 0
