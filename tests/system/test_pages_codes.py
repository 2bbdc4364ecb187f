"""A code that runs out while its session goes on: a new one is asked for in time, and a wrong one loses nothing."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.system.browser import keep_picture
from tests.system.pages import ClientPage, opened
from tests.system.service import Service, service
from tests.system.test_pages_accessible import violations
from tests.system.test_pages_keyboard import tab_to

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

_SHORT_S = 18
"""Long enough for the steps before a session on a busy machine, and shorter than they and a set together."""


@pytest.fixture(scope="module")
def clinic(plain_models: Path) -> Iterator[Service]:
    with service(model_dir=str(plain_models), token_leeway_s="0") as running:
        yield running


def paste(page: Page, code: str) -> None:
    """By keyboard."""
    tab_to(page, "#ticket-again")
    page.locator("#ticket-again").fill(code)
    tab_to(page, "#panel form [type=submit]")
    page.keyboard.press("Enter")


def forged(code: str) -> str:
    """Looks like a code, and is signed by nobody."""
    return f"{code[:-6]}AAAAAA"


def test_a_new_code_is_asked_for_at_rest_and_a_wrong_one_loses_nothing(chromium: Browser, clinic: Service) -> None:
    with opened(chromium) as page:
        code = clinic.token("client", "in-time", lifetime_s=_SHORT_S)
        client = ClientPage.open(page, clinic, "in-time", token=code)
        client.go_through(camera=False)
        folded = page.locator("#panel .code-again")
        expect(folded).to_contain_text("Your session code runs out at")
        tab_to(page, "#panel .code-again summary")
        page.keyboard.press("Enter")
        keep_picture(page, "client-code-soon")
        assert violations(page) == []
        client.expect_view("ready")

        # Somebody else's is not even sent; for one that the service refuses the old one opens the connection anew.
        paste(page, clinic.token("client", "somebody-else"))
        expect(folded).to_contain_text("made for somebody else")
        assert not [m for m in client.wire.sent if m["type"] == "auth"]
        paste(page, forged(code))
        client.expect_view("paused")
        expect(folded).to_contain_text("did not accept the new code")
        tab_to(page, "#panel .code-again summary")
        page.keyboard.press("Enter")
        newer = clinic.token("client", "in-time")
        sent = len(client.wire.sent)
        paste(page, newer)
        expect(folded).to_contain_text("Thank you")
        assert client.wait_until_sent("auth", since=sent)["token"] == newer
        client.go_on()
        expect(folded).to_be_hidden()
        assert len({m["session_id"] for m in client.wire.got("welcome")}) == 1


def test_a_code_that_runs_out_in_a_set_rests_the_light_and_the_next_one_goes_on(
    chromium: Browser, clinic: Service
) -> None:
    with opened(chromium) as page:
        code = clinic.token("client", "too-late", lifetime_s=_SHORT_S)
        client = ClientPage.open(page, clinic, "too-late", token=code)
        client.go_through(camera=False)
        client.begin_set()
        expect(page.locator("#panel")).to_be_hidden()  # also when the code is asked for: never over a running set
        client.expect_view("ticket")
        assert client.wire.got("error", code="token_expired")
        moved_ms = client.last_moved_ms()
        expect(page.locator("#panel h1")).to_have_text("Your session code has run out")
        expect(page.locator("#panel [role=timer]")).to_have_text(re.compile(r"waits for (5\d|60) more seconds"))
        keep_picture(page, "client-code-over")
        assert violations(page) == []

        paste(page, forged(code))
        expect(page.locator("#panel .problem")).to_contain_text("did not accept this code")
        client.expect_view("ticket")
        paste(page, clinic.token("client", "too-late"))
        client.expect_view("paused")
        assert client.wire.got("welcome")[-1]["resumed"] is True
        client.go_on()
        assert client.last_moved_ms() == moved_ms
