"""A video becomes the script of a client that shows it to its webcam."""

from pathlib import Path

import pytest

from emdr_stream.cli.webcam_script import webcam_script
from emdr_stream.domain import Limits, Source
from emdr_stream.errors import ConfigurationError
from emdr_stream.vision.picture import picture_head


@pytest.mark.parametrize("fps", [5.0, 10.0, 30.0])
def test_a_video_is_shown_at_its_own_speed_and_again_from_the_beginning(test_data: Path, fps: float) -> None:
    script = webcam_script(test_data / "video" / "single_face.mp4", fps, duration_s=6.0)
    assert (script.source, script.duration_ms) == (Source.FRAME, 6_000)
    assert [timed.at_ms for timed in script.messages] == [round(n * 1_000 / fps) for n in range(round(6 * fps))]
    images = [timed.message["image"] for timed in script.messages]
    round_of = round(2.4 * fps)  # the video lasts 2.4 s
    assert images[0] == images[round_of]
    assert len(set(map(id, images))) == round_of


def test_a_large_video_is_made_to_fit_what_the_service_takes(test_data: Path) -> None:
    script = webcam_script(test_data / "video" / "no_face.mp4", 1.0, duration_s=2.0)
    head = picture_head(script.messages[0].message["image"], Limits())  # type: ignore[arg-type]
    assert (head.width, head.height) == (960, 540)


@pytest.mark.parametrize("name", ["speakers/clips.csv", "video/absent.mp4"])
def test_what_is_no_video_is_told_by_name(test_data: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match=Path(name).name):
        webcam_script(test_data / name, 10.0, duration_s=2.0)
