"""A dialog of the console hides what is behind it, from eyes and screen readers: but no alert, and not the pause."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.system.pages import until
from tests.system.played_console import pages_alone, played
from tests.system.service import eventually
from tests.system.test_pages_accessible import violations

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

_PAUSED = "player.of('control.pause').map(({ session_id }) => session_id).join()"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with pages_alone() as running:
        yield running


def heard(page: Page) -> str:
    """What the live regions that a screen reader has before it say: of the open dialog, where there is one."""
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    by_id = {node["nodeId"]: node for node in tree}
    told: list[str] = []

    def read(node: dict[str, object]) -> None:
        for child in node.get("childIds", []):  # type: ignore[attr-defined]
            inner = by_id[child]
            if inner.get("role", {}).get("value") == "StaticText":
                told.append(inner["name"]["value"])
            read(inner)

    for node in tree:
        if not node.get("ignored") and node.get("role", {}).get("value") == "alert":
            read(node)
    return " ".join(told)


def test_an_alert_is_heard_and_seen_while_a_question_is_open_which_stays(chromium: Browser, port: int) -> None:
    # The page's live regions stand outside of the dialog, where nothing is heard or seen.
    with played(chromium, port) as console:
        page = console.page
        console.open("a", "b")
        page.keyboard.press("f")
        page.locator("#field-speed").fill("0.9")
        line = page.locator("dialog .dialog-alert")
        expect(line).to_be_hidden()
        console.play("() => player.alert('b', 1)")
        expect(line).to_contain_text("Critical: Possible crisis, u-b · b")
        # What is said at once waits for what was said a moment ago.
        expect(page.locator("dialog .dialog-heard")).to_contain_text("Critical alert: Possible crisis, u-b")
        assert eventually(lambda: "Critical alert: Possible crisis, u-b" in heard(page), 5)
        assert violations(page) == []
        console.play("() => player.alert('a', 1, { severity: 'high', kind: 'client_stop' })")
        expect(line).to_contain_text("2 urgent alerts")
        expect(page.locator("#field-speed")).to_have_value("0.9")
        for alert in ("a.a1", "b.a1"):
            console.play("id => player.step(id, 'acknowledged', { by: 'other' })", alert)
        expect(line).to_be_hidden()


def test_what_is_only_read_gives_way_to_a_critical_alert_and_no_key_answers_it_by_chance(
    chromium: Browser, port: int
) -> None:
    with played(chromium, port) as console:
        page = console.page
        console.open("a", "b")
        console.play("() => player.alert('a', 1, { severity: 'high' })")
        cards = page.locator("#alerts .alert")
        for number, opener in enumerate(("#help", "#sound-test")):
            page.locator(opener).click()
            expect(page.locator("dialog")).to_be_visible()
            console.play("() => player.alert('b', player.alerts.size + 1, { severity: 'medium' })")
            expect(cards).to_have_count(2 + 2 * number)
            expect(page.locator("dialog")).to_be_visible()
            console.play("() => player.alert('b', player.alerts.size + 1)")
            expect(page.locator("dialog")).to_have_count(0)
            expect(page.locator("#alerts-title")).to_be_focused()
            page.keyboard.press("Enter")
        assert console.play("() => player.of('ack').length") == 0


def test_a_pause_is_in_reach_in_every_dialog_unless_a_letter_is_typed(chromium: Browser, port: int) -> None:
    with played(chromium, port) as console:
        page = console.page
        console.open("a")
        page.keyboard.press("?")
        page.keyboard.press("p")
        until(page, f"{_PAUSED} === 'a'")
        expect(page.locator("dialog")).to_have_count(0)
        page.keyboard.press("e")
        expect(page.locator("#end-reason")).to_be_focused()
        page.keyboard.press("p")
        expect(page.locator("#end-reason")).to_have_value("p")
        assert console.play(f"() => {_PAUSED}") == "a"
        page.locator("dialog [data-do=cancel]").focus()
        page.keyboard.press("p")
        until(page, f"{_PAUSED} === 'a,a'")
        expect(page.locator("dialog")).to_have_count(0)
        assert console.play("() => player.of('session.end').length") == 0
