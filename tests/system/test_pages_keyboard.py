"""The whole work of a therapist at the console by keyboard alone, and the client's, too: no pointer is ever used."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.system.pages import ClientPage, ConsolePage, opened
from tests.system.service import Service, service

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

_MOST_TABS = 60
"""More than any page has stops."""
_SHOWS_FOCUS = """() => {
  const at = document.activeElement;
  const label = document.querySelector(`label[for="${at.id || "none"}"]`);
  const places = [at, at.closest("label"), at.nextElementSibling, label];
  return places.filter(Boolean).some((place) => {
    const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(place);
    return (outlineStyle !== "none" && parseFloat(outlineWidth) > 0) || boxShadow !== "none";
  });
}"""
"""On the element itself, or on the label that stands for it."""


@pytest.fixture(scope="module")
def clinic(plain_models: Path) -> Iterator[Service]:
    with service(model_dir=str(plain_models), baseline_s="5") as running:
        yield running


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until this element has the focus, as a person does; it must be reachable, and show that it has it."""
    for _ in range(_MOST_TABS):
        if page.evaluate("selector => document.activeElement?.matches(selector) ?? false", selector):
            ring = page.evaluate(_SHOWS_FOCUS)
            assert ring, f"{selector} does not show that it has the focus"
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{selector} cannot be reached by Tab")


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def client_by_keyboard(page: Page, service: Service, user: str) -> ClientPage:
    """Every step before the session, without a pointer."""
    client = ClientPage.open(page, service, user)
    tab_to(page, "#consent")
    press(page, "Space")
    for step in ("welcome", "ready"):
        tab_to(page, f"#step-{step} [type=submit]")
        press(page, "Enter")
    tab_to(page, "[name=source]")
    press(page, "ArrowDown")
    for step in ("source", "comfort"):
        tab_to(page, f"#step-{step} [type=submit]")
        press(page, "Enter")
    tab_to(page, "#rehearsal-start")
    press(page, "Enter", "Space")
    expect(page.locator("#rehearsal-told")).not_to_be_empty()
    tab_to(page, "#begin")
    press(page, "Enter")
    client.expect_view("ready")
    return client


def confirm(page: Page) -> None:
    tab_to(page, "dialog [data-do=confirm]")
    press(page, "Enter")
    expect(page.locator("dialog")).to_have_count(0)


def test_a_therapist_does_everything_at_the_console_by_keyboard(chromium: Browser, clinic: Service) -> None:
    users = ["keys-a", "keys-b"]
    with opened(chromium) as one, opened(chromium) as two, opened(chromium) as page:
        client_by_keyboard(one, clinic, users[0])
        client = client_by_keyboard(two, clinic, users[1])

        page.goto(f"http://127.0.0.1:{clinic.port}/console")
        expect(page.locator("#gate-token")).to_be_focused()
        page.keyboard.insert_text(clinic.token("therapist", "t-keys", clients=users))
        tab_to(page, "#gate-form [type=submit]")
        press(page, "Enter")
        console = ConsolePage(page)
        console.expect_link("live")
        choose(page, "keys-b")

        # The client begins, and stops: an alert, acknowledged with a note.
        press(two, "Enter")
        client.expect_view("moving")
        client.wait_until_it_moves()
        press(two, "Space")
        client.expect_view("paused")
        card = console.alert("Client pressed stop")
        expect(card).to_contain_text("The client stopped the light themselves.")
        press(page, "l")
        tab_to(page, "#alerts [data-do=note]")
        press(page, "Enter")
        expect(page.locator("#ack-note")).to_be_focused()
        page.keyboard.insert_text("spoke on the phone; calm")
        confirm(page)
        expect(card).to_contain_text("Acknowledged by t-keys")
        expect(card).to_contain_text("Note: spoke on the phone; calm")

        # Resume, with the question.
        press(page, "r")
        expect(page.locator("dialog h2")).to_be_visible()
        confirm(page)
        client.expect_view("ready")

        # Pause at once, and read it aloud.
        press(page, "p")
        client.expect_view("paused")
        expect(page.locator("#detail-status")).to_contain_text("Paused")
        press(page, "s")
        expect(page.locator("#say, #say-now").filter(has_text="Arousal")).to_have_count(1)

        # Pattern and limits; thresholds, once stricter and once laxer, which asks again.
        press(page, "f")
        tab_to(page, "#config-pattern")
        press(page, "ArrowDown")
        tab_to(page, "#field-speed")
        passes = page.locator("#config-passes").inner_text()
        assert re.search(r"about \d+ passes", passes)
        press(page, "ArrowDown")
        expect(page.locator("#config-passes")).not_to_have_text(passes)
        confirm(page)
        expect(page.locator("#sees-words")).to_contain_text("Hz")
        change_threshold(page, "ArrowDown", asks_again=False)
        change_threshold(page, "ArrowUp", asks_again=True)

        # Resume the pause, and end.
        press(page, "r")
        confirm(page)
        client.expect_view("ready")
        press(page, "e")
        expect(page.locator("#end-reason")).to_be_focused()
        page.keyboard.insert_text("done for today")
        confirm(page)
        client.expect_view("ended")
        expect(page.locator("#detail-status")).to_contain_text("Ended")


def choose(page: Page, user: str) -> None:
    """By the list, and by j and k, which give the same."""
    title = page.locator("#detail-title")
    expect(page.locator("#sessions .session")).to_have_count(2)
    press(page, "k", "k")
    first = page.locator("#sessions .session-user").first.inner_text()
    expect(title).to_contain_text(first)
    press(page, "j")
    expect(title).not_to_contain_text(first)
    place = page.locator("#sessions .session-user").all_inner_texts().index(user) + 1
    tab_to(page, f"#sessions li:nth-child({place}) .session")
    press(page, "Enter")
    expect(title).to_contain_text(user)


def change_threshold(page: Page, arrow: str, *, asks_again: bool) -> None:
    press(page, "t")
    field = page.locator("dialog input[inputmode=decimal]").first
    name = field.get_attribute("id")
    tab_to(page, f"#{name}")
    press(page, arrow)
    sure = page.locator("#thresholds-sure")
    expect(sure).to_be_visible(visible=asks_again)
    if asks_again:
        expect(page.locator("dialog [data-do=confirm]")).to_be_disabled()
        tab_to(page, "#thresholds-sure")
        press(page, "Space")
    confirm(page)
