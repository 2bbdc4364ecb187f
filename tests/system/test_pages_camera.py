"""A camera that is pulled out during a session: the page says why the light rests, and the camera can be got back."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.system.browser import keep_picture
from tests.system.pages import ClientPage, opened
from tests.system.plain_model import add_shipped, write_plain_model
from tests.system.service import Service, service
from tests.system.test_pages_accessible import violations
from tests.system.test_pages_keyboard import tab_to

pytestmark = [pytest.mark.system, pytest.mark.timeout(180)]

_OWN_CAMERA = """() => {
  const devices = navigator.mediaDevices, ask = devices.getUserMedia.bind(devices);
  globalThis.camera = { refusal: null, stream: null, pull() {
    this.refusal = "NotReadableError";
    const [track] = this.stream.getVideoTracks();
    track.stop();
    track.dispatchEvent(new Event("ended"));
    devices.dispatchEvent(new Event("devicechange"));
  } };
  devices.getUserMedia = async (wish) => {
    if (camera.refusal) throw new DOMException("refused by the test", camera.refusal);
    return (camera.stream = await ask(wish));
  };
}"""
"""A camera that the test pulls out, and that is not given back before the test says so."""


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Iterator[Service]:
    models = tmp_path_factory.mktemp("models")
    write_plain_model(models)
    add_shipped(models, repository / "models", "face_expression", "face_landmarks_expression")
    with service(model_dir=str(models)) as running:
        yield running


def test_a_camera_that_was_lost_is_told_in_the_pause_that_follows_and_can_be_asked_for_again(
    clinic: Service, chromium: Browser
) -> None:
    with opened(chromium) as page:
        page.add_init_script(f"({_OWN_CAMERA})()")
        client = ClientPage.open(page, clinic, "lost-camera")
        client.go_through(camera=True)
        page.evaluate("camera.pull()")
        # The light rests: the sentence stands in the panel, where a whisper would be covered by it.
        trouble = page.locator("#panel .trouble")
        expect(trouble).to_contain_text("The camera was disconnected")
        client.expect_view("paused")
        assert client.wire.got("control.pause", reason="signal_lost")
        expect(trouble).to_contain_text("Another program is using the camera")
        keep_picture(page, "client-camera-lost")
        assert violations(page) == []

        # By keyboard; what is refused again is told again, and the button stays under the person's hands.
        page.evaluate("camera.refusal = 'NotFoundError'")
        tab_to(page, "#panel .trouble button")
        page.keyboard.press("Enter")
        expect(trouble).to_contain_text("No camera was found")
        page.evaluate("camera.refusal = null")
        sent = len(client.wire.sent)
        page.keyboard.press("Enter")
        expect(trouble).to_contain_text("The camera is on")
        client.wait_until_sent("frame", since=sent)
        client.expect_view("paused")
