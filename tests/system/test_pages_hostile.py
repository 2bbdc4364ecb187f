"""Pages whose texts, neighbours, tokens and tabs are not what they hope for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.system.pages import ClientPage, ConsolePage, opened
from tests.system.service import Service, service

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

_TOKEN_S: Final = 16.0
"""Long enough to come to a set with it, short enough to wait for its end."""
_HOSTILE: Final = (
    "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script> {user} $& \u202egnol\u202c"
)
_FORGED: Final = """() => {
  for (const type of ["control.resume", "resume", "alert", "state", "pattern.adapt"]) {
    const told = { type, control_epoch: 99, seq: 99, epoch: 99, id: 1, session_id: "x", config: { speed: 2 } };
    for (const data of [told, JSON.stringify(told)]) {
      postMessage(data, "*");
      dispatchEvent(new MessageEvent("message", { data, origin: location.origin, source: window }));
    }
    dispatchEvent(new CustomEvent(type, { detail: told }));
  }
}"""
"""As a window does that has this one in its hands."""
_WATCH: Final = """
globalThis.refused = [];
document.addEventListener("securitypolicyviolation", ({ violatedDirective }) => refused.push(violatedDirective));
"""


@pytest.fixture(scope="module")
def clinic(plain_models: Path) -> Iterator[Service]:
    with service(model_dir=str(plain_models), baseline_s="5", token_leeway_s="0") as running:
        yield running


def kept(page: Page) -> str:
    """All that a page leaves in the browser, and the address that others could read."""
    page.wait_for_timeout(0)
    left = page.evaluate(
        """async () => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href,
          history.length, (await indexedDB.databases()).length, (await caches.keys()).length])"""
    )
    return f"{left} {page.context.cookies()}"


def test_texts_of_others_are_texts_forged_messages_are_nothing_and_no_token_is_left_anywhere(
    chromium: Browser, clinic: Service
) -> None:
    with opened(chromium) as one, opened(chromium) as two, opened(chromium) as three:
        for page in (one, two, three):
            page.add_init_script(_WATCH)
        client = ClientPage.open(one, clinic, "texts")
        client.go_through(camera=False)
        console = ConsolePage.open(two, clinic, "t-texts", ["texts"])
        stranger = ConsolePage.open(three, clinic, "t-other", ["somebody-else"])
        client.begin_set()
        one.keyboard.press("Space")
        client.expect_view("paused")
        one.evaluate("lightProbe.forget()")
        card = console.alert("Client pressed stop")
        for page in (one, two):
            page.evaluate(_FORGED)
        card.locator("[data-do=note]").click()
        two.locator("#ack-note").fill(_HOSTILE)
        two.locator("[data-do=confirm]").click()
        expect(card.locator(".alert-note")).to_have_text(f"Note: {_HOSTILE}")
        client.expect_view("paused")
        assert one.evaluate("lightProbe.moves()") == 0
        expect(two.locator("#sessions .session")).to_have_count(1)
        expect(two.locator("#alerts .alert")).to_have_count(1)
        two.locator("[data-key=e]").click()
        two.locator("#end-reason").fill(_HOSTILE)
        two.locator("[data-do=confirm]").click()
        expect(two.locator("#detail-status")).to_contain_text(_HOSTILE)
        client.expect_view("ended")

        # Whoever has not this client among theirs has seen nothing of it.
        expect(three.locator("#sessions-empty")).to_be_visible()
        assert not [m for m in stranger.wire.received if "texts" in str(m)]

        for page in (one, two):
            assert "taken" not in page.title()
            assert page.locator("img").count() == 0
            assert page.evaluate("refused") == []
            assert "eyJ" not in kept(page), "a token, or part of one"
        assert "eyJ" not in clinic.log


def test_a_token_that_ends_stops_the_light_and_a_new_one_brings_both_pages_back(
    chromium: Browser, clinic: Service
) -> None:
    with opened(chromium) as one, opened(chromium) as two:
        token = clinic.token("client", "expiring", lifetime_s=_TOKEN_S)
        client = ClientPage.open(one, clinic, "expiring", token=token)
        client.go_through(camera=False)
        client.begin_set()
        console = ConsolePage.follow(two)
        short = clinic.token("therapist", "t-expiring", clients=["expiring"], lifetime_s=_TOKEN_S / 2)
        two.goto(f"http://127.0.0.1:{clinic.port}/console#token={short}")

        # Asked for in good time; until then everything goes on, keys included.
        expect(two.locator("#gate")).to_be_visible()
        console.expect_link("live")
        two.keyboard.press("s")
        expect(two.locator("#say, #say-now").filter(has_text="Arousal")).to_have_count(1)
        console.expect_link("lost")
        expect(two.locator("#link-note")).to_contain_text("access has expired")
        two.locator("#gate-token").fill(clinic.token("therapist", "t-expiring", clients=["expiring"]))
        two.locator("#gate-form [type=submit]").click()
        console.expect_link("live")
        expect(two.locator("#gate")).to_be_hidden()
        expect(two.locator("#detail-title")).to_contain_text("expiring")

        client.expect_view("ticket")
        moved_ms = client.last_moved_ms()
        one.locator("#ticket-again").fill(clinic.token("client", "expiring"))
        one.locator("#panel [type=submit]").click()
        client.expect_view("paused")
        assert client.wire.got("welcome")[-1]["resumed"] is True
        assert client.last_moved_ms() == moved_ms
        client.go_on()


def test_two_tabs_of_one_client_are_two_sessions_and_a_second_tab_of_a_named_session_is_told_why_it_is_not_let_in(
    chromium: Browser, clinic: Service
) -> None:
    with opened(chromium) as one, opened(chromium) as two, opened(chromium) as desk, opened(chromium) as three:
        ConsolePage.open(desk, clinic, "t-tabs", ["tabs"])
        named = clinic.token("client", "tabs", sid="tabs-1")
        first = ClientPage.open(one, clinic, "tabs", token=named)
        second = ClientPage.open(two, clinic, "tabs")
        third = ClientPage.open(three, clinic, "tabs", token=named)
        for tab in (first, second):
            tab.go_through(camera=False)
        third.go_through(camera=False, ends_at="refused")
        expect(three.locator("#panel p").first).to_contain_text("open already")
        expect(desk.locator("#sessions .session")).to_have_count(2)
