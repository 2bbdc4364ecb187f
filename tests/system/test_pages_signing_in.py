"""Who signs in again at a console goes on where they were; who is somebody else begins with nothing of theirs."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.system.played_console import PlayedConsole, pages_alone, played, token

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]

_RENEWS_S = 4
"""A token of so many seconds is renewed after half of them."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with pages_alone() as running:
        yield running


def refuse_and_ask(console: PlayedConsole, code: int = 4500) -> None:
    console.play("code => player.drop(code)", code)
    expect(console.page.locator("#gate")).to_be_visible()
    console.expect_link("closed")


def test_who_signs_in_again_is_told_of_every_alert_step_since_the_last_one(chromium: Browser, port: int) -> None:
    # A new connection began without a cursor, beside the old alerts: one acknowledged meanwhile waited for ever.
    with played(chromium, port) as console:
        console.open("a")
        console.play("() => player.alert('a', 1)")
        waiting = console.page.locator("#alerts [data-do=ack]:not([hidden])")
        expect(waiting).to_have_count(1)
        refuse_and_ask(console)
        console.play(
            """() => {
              const { hello } = player.answers;
              player.answers.hello = (message) => {
                const told = () => player.step("a.a1", "acknowledged", { by: "other" });
                if (message.resume_after === "a.a1:raised") setTimeout(told, 50);
                return hello(message);
              };
            }"""
        )
        console.sign_in(token())
        console.expect_link("live")
        expect(waiting).to_have_count(0)
        expect(console.page.locator("#alerts .alert-state")).to_contain_text("Acknowledged by other")
        expect(console.page.locator("#detail-title")).to_contain_text("u-a")


def test_who_is_somebody_else_sees_nothing_of_the_one_before(chromium: Browser, port: int) -> None:
    with played(chromium, port) as console:
        page = console.page
        console.open("a")
        console.play("() => player.alert('a', 1)")
        expect(page.locator("#alerts .alert")).to_have_count(1)
        refuse_and_ask(console)
        console.play("() => { player.user = 'other'; player.sessions = []; player.session('b'); }")
        console.sign_in(token("other"))
        console.expect_link("live")
        expect(page.locator("#who")).to_have_text("Signed in as other")
        expect(page.locator("#sessions .session")).to_have_count(1)
        expect(page.locator("#detail-title")).to_contain_text("u-b")
        expect(page.locator("#alerts .alert")).to_have_count(0)
        assert "u-a" not in page.locator("body").inner_text()
        assert "u-a" not in page.locator("#say, #say-now").all_inner_texts()
        assert console.play("() => player.of('hello').at(-1).resume_after ?? null") is None


def test_a_renewed_token_of_somebody_else_is_told_as_what_it_is(chromium: Browser, port: int) -> None:
    # The service closes with 4503, which was told as a token that is none of a therapist.
    with played(chromium, port) as console:
        page = console.page
        console.go("a", fragment=f"#token={token(lifetime_s=_RENEWS_S)}")
        console.expect_link("live")
        console.play(
            """() => {
              player.answers.auth = ({ id }) => {
                player.tell(player.refusal(id, "forbidden"));
                player.drop(4503);
              };
            }"""
        )
        expect(page.locator("#gate-problem")).to_contain_text("soon will")
        console.sign_in(token("other"))
        expect(page.locator("#gate-problem")).to_contain_text("another person")
        console.expect_link("closed")
        expect(page.locator("#sessions .session")).to_have_count(1)
        console.sign_in(token())
        console.expect_link("live")


def test_whether_a_token_has_expired_is_for_the_service_to_say(chromium: Browser, port: int) -> None:
    # A computer whose clock is an hour ahead refused every token, with the words that it had expired.
    with played(chromium, port) as console:
        console.go("a")
        console.sign_in(token(lifetime_s=-3_600))
        console.expect_link("live")
        expect(console.page.locator("#sessions .session")).to_have_count(1)


def test_a_token_that_the_service_says_has_expired_is_told_so(chromium: Browser, port: int) -> None:
    with played(chromium, port) as console:
        console.go("a")
        console.play("() => { player.answers.hello = () => { player.drop(4401); }; }")
        console.sign_in(token())
        expect(console.page.locator("#gate-problem")).to_contain_text("The service says that this token has expired")
