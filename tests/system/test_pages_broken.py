"""A console that cannot draw a part of itself: the other parts live on, and nobody takes it for whole."""

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


def test_an_alert_without_evidence_is_drawn_as_any_other(chromium: Browser, port: int) -> None:
    # One exception within one drawing ended all drawing: the badge stayed green over a page that stood still.
    with played(chromium, port) as console:
        console.open("a")
        console.play("() => player.alert('a', 1, { evidence: undefined })")
        console.play("() => player.alert('a', 2, { kind: 'client_stop', severity: 'high' })")
        expect(console.page.locator("#alerts .alert")).to_have_count(2)
        expect(console.page.locator("#alerts-title")).to_contain_text("2 alerts wait")
        console.expect_link("live")


def test_what_cannot_be_drawn_leaves_every_other_part_alive_and_is_said_in_red(chromium: Browser, port: int) -> None:
    with played(chromium, port) as console:
        page = console.page
        console.open("a", "b")
        console.play("() => { player.sessions[0].hidden = true; player.state('a', { safety: {} }); }")
        expect(page.locator("#broken")).to_contain_text("could not be drawn")
        console.expect_link("failed")
        expect(page.locator("#link-text")).to_contain_text("RELOAD")
        assert page.title().startswith("⚠")

        # The alerts, the other session and the commands are as they were.
        console.play("() => player.alert('b', 1)")
        expect(page.locator("#alerts .alert")).to_have_count(1)
        page.locator("#alerts [data-do=ack]").click()
        expect(page.locator("#alerts .alert-state")).to_contain_text("Acknowledged by dr")
        page.keyboard.press("j")
        expect(page.locator("#detail-title")).to_contain_text("u-b")
        page.keyboard.press("p")
        until(page, "player.of('control.pause').some(({ session_id }) => session_id === 'b')")
        console.expect_link("failed")


def test_one_alert_that_cannot_be_drawn_hides_no_other(chromium: Browser, port: int) -> None:
    with played(chromium, port) as console:
        console.open("a")
        console.play("() => player.alert('a', 1, { evidence: [null] })")
        console.play("() => player.alert('a', 2, { severity: 'high' })")
        cards = console.page.locator("#alerts .alert")
        expect(cards).to_have_count(2)
        expect(cards.first).to_contain_text("Possible crisis")
        expect(cards.first.locator("[data-do=ack]")).to_be_visible()
        expect(cards.last).to_contain_text("High")
        expect(console.page.locator("#broken")).to_be_visible()


def test_an_answer_about_the_models_that_nobody_expects_is_told_and_leaves_the_page_whole(
    chromium: Browser, port: int
) -> None:
    with played(chromium, port) as console:
        page = console.page
        page.route("**/v1/analytics/models", lambda route: route.fulfill(json={"models": "all well"}))
        console.open("a")
        page.locator("#models summary").click()
        expect(page.locator("#models-problem")).to_contain_text("does not answer this now")
        expect(page.locator("#models-body")).to_be_hidden()
        console.expect_link("live")
        expect(page.locator("#broken")).to_be_hidden()
