"""A video file in, the script of a client that shows it to its webcam out; the pictures stay in memory."""

from itertools import cycle, islice
from pathlib import Path
from typing import Final

from emdr_stream.cli.simulated_client import Script, TimedFrame
from emdr_stream.domain import Limits, Source
from emdr_stream.errors import ConfigurationError

_TOLERANCE_MS: Final = 1.0


def webcam_script(path: Path, fps: float, duration_s: float) -> Script:
    """The video at its own speed, `fps` pictures a second, from the beginning again until `duration_s` is over.

    Raises ConfigurationError for a file that is no video, or where OpenCV is missing.
    """
    count = max(1, round(duration_s * fps))
    pictures = _pictures(path, fps, count)
    messages = tuple(
        _shown(number, round(number * 1_000 / fps), picture)
        for number, picture in enumerate(islice(cycle(pictures), count))
    )
    return Script("webcam", messages, round(duration_s * 1_000), Source.FRAME)


def _shown(number: int, at_ms: int, picture: bytes) -> TimedFrame:
    return TimedFrame(at_ms, {"type": "frame", "id": number, "ts": at_ms, "image": picture})


def _pictures(path: Path, fps: float, most: int) -> list[bytes]:
    """What the video shows each 1/fps seconds, at most so many: of a slower video a frame stands more than once."""
    try:
        from emdr_stream.vision.encode import jpeg
        from emdr_stream.vision.video import Video
    except ImportError as problem:
        raise ConfigurationError(f"{problem}: pip install 'emdr-stream[webcam]'") from None
    limits = Limits()
    pictures: list[bytes] = []
    with Video(path) as video:
        for frame in video.read():
            due = 1 + int((frame.ts_ms + _TOLERANCE_MS) * fps / 1_000)
            if due > len(pictures):
                # The pictures between were still of the frame before.
                pictures += pictures[-1:] * (due - 1 - len(pictures))
                pictures.append(jpeg(frame.rgb, limits))
            if len(pictures) >= most:
                break
    if not pictures:
        raise ConfigurationError(f"{path} shows nothing: name a video file")
    return pictures[:most]
