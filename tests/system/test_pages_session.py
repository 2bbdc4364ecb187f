"""A session as its two people see it: a client before a camera, a therapist at a console, each in a real browser.

The face is that of a video. The model of this service takes its smile for a crisis, so that one comes when it should.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.system.browser import filmed_browser, keep_picture
from tests.system.film import Film, Mood
from tests.system.pages import ClientPage, ConsolePage, opened, until
from tests.system.plain_model import add_shipped, write_plain_model
from tests.system.service import Service, service

pytestmark = [pytest.mark.alone, pytest.mark.system, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Iterator[Service]:
    models = tmp_path_factory.mktemp("joyful")
    write_plain_model(models, emotion="joy")
    add_shipped(models, repository / "models", "face_expression", "face_landmarks_expression")
    with service(model_dir=str(models), baseline_s="5") as running:
        yield running


@pytest.fixture(scope="module")
def filmed(test_data: Path) -> Iterator[tuple[Browser, Film]]:
    with filmed_browser(test_data / "video" / "single_face.mp4") as ready:
        yield ready


def test_a_crisis_before_the_camera_stops_the_light_and_a_therapist_and_then_the_client_go_on(
    clinic: Service, filmed: tuple[Browser, Film]
) -> None:
    browser, film = filmed
    with opened(browser) as one, opened(browser) as other:
        client = ClientPage.open(one, clinic, "on-film")
        client.go_through(camera=True, sound=True)
        console = ConsolePage.open(other, clinic, "t-film", ["on-film"])
        expect(other.locator("#sessions .session")).to_have_count(1)
        keep_picture(other, "console-normal")

        # Frames go, results come, and a baseline forms of the calm face.
        expect(one.locator("#panel .hint")).to_be_hidden()
        assert [m for m in client.wire.sent if m["type"] == "frame"]
        assert client.wire.got("result")[-1]["emotions"]["joy"] < 0.3
        client.begin_set()
        before_ms = client.half_pass_ms()
        until(one, "toneProbe.heard().filter(({ heardMs }) => lightProbe.reachAt(heardMs) !== null).length >= 6")
        sides = client.sides_of_tones()
        assert {side for side, _ in sides} == {-1.0, 1.0}
        assert all(side * reach > 0 for side, reach in sides), "each tone comes from the side where the light is"
        # The path is at its full width after a second.
        assert all(side * reach > 0.7 for side, reach in sides[-3:]), "each tone is heard with the light at its end"
        keep_picture(one, "client-moving")

        film.show(Mood.SMILING)
        client.expect_view("paused")
        assert client.wire.got("control.pause", reason="crisis")
        assert one.evaluate("toneProbe.ordered()") == 0
        one.evaluate("lightProbe.forget()")

        # The console: the alert and its evidence, the light's true rest, curves that are drawn.
        card = console.alert("Possible crisis")
        expect(card).to_contain_text("above the threshold of")
        expect(card).to_contain_text("Joy")
        expect(card).to_contain_text("Decided by model emotion_safety 1")
        expect(other.locator("#commands-note")).to_contain_text("light stopped at")
        assert _is_drawn(console)
        keep_picture(other, "console-alert")
        keep_picture(one, "client-crisis")
        assert one.evaluate("lightProbe.moves()") == 0

        # The advice is of the same occasion: one look answers both, and each is in the log.
        expect(card.locator(".alert-before")).to_contain_text("Same occasion: High risk")
        expect(other.locator("#alerts > li")).to_have_count(1)
        card.locator("[data-do=ack]").click()
        expect(card).to_contain_text("Acknowledged by t-film")
        expect(other.locator("#alerts-title")).to_have_text("Alerts")
        film.show(Mood.CALM)
        other.locator("[data-key=r]").click()
        other.locator("#resume-spoken").check()
        other.locator("[data-do=confirm]").click()

        # A resume lets the client begin; it begins nothing, and the next set is gentler.
        client.expect_view("ready")
        assert one.evaluate("lightProbe.moves()") == 0
        adapted = client.wire.got("pattern.adapt")[-1]
        assert adapted["effective"] == "next_set" and adapted["config"]["speed"] < 1.0
        client.begin_set()
        assert client.half_pass_ms() == pytest.approx(500 / adapted["config"]["speed"], rel=0.05)
        assert before_ms == pytest.approx(500, rel=0.05)
        expect(other.locator("#timeline")).to_contain_text("the next set begins gentler")


def _is_drawn(console: ConsolePage) -> bool:
    """Whether every curve's picture shows more than one colour."""
    drawn: bool = console.page.evaluate(
        """() => [...document.querySelectorAll('#lanes canvas')].every((canvas) => {
          const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          return new Set(new Uint32Array(data.buffer)).size > 2;
        })"""
    )
    return drawn
