"""How a face is placed, lit and turned goes in; how far its reading can be trusted comes out, and why it cannot; pure.

Each cause has two limits: at the first the reading is as good as it gets, at the second it is not to be used. Between
them trust falls from 1 to 0, and causes multiply. The limits were found by making real pictures (the stills, a video
and the performers of the test data) smaller, darker, brighter and more blurred, and watching the 52 scores drift:
`python -m benchmarks face-drift` does it again.
"""

from typing import Final

from emdr_stream.vision.found import FaceLight
from emdr_stream.wire.face import FaceProblem, HeadPose

Limit = tuple[float, float]
"""Where trust is 1, and where it is 0."""

HEIGHT_PX: Final[Limit] = (100.0, 40.0)
"""From chin to forehead. JPEG compression moves the scores by 0.002 in the mean at 250 pixels, by 0.008 at 90, by 0.012
at 70; smaller faces are hardly found in 640x480. The network itself looks at 256 pixels for a face and a half."""
BLUR: Final[Limit] = (0.70, 0.84)
"""Sharp faces have at most 0.67. Blurred by 3 % of the face's height, all have 0.84 or more; there scores have moved by
0.06 in the mean, and open eyes seem a quarter shut."""
BRIGHTNESS: Final[Limit] = (0.12, 0.04)
"""Mean luma. Landmarks and scores hold down to 0.03 without noise. The limit is low on purpose: dark skin in fair light
is not far above 0.12, and must not count as bad light."""
BURNT: Final[Limit] = (0.30, 0.70)
"""Part of the face that is white."""
YAW: Final[Limit] = (30.0, 55.0)
PITCH: Final[Limit] = (25.0, 45.0)
"""Degrees off the camera, either way. Beyond, one half of the face is guessed from the other."""


def face_quality(height_px: float, light: FaceLight, pose: HeadPose) -> tuple[float, FaceProblem | None]:
    """Trust in [0, 1], and the first cause that makes the face useless, or None."""
    causes = (
        (_trust(HEIGHT_PX, height_px), FaceProblem.TOO_SMALL),
        (_trust(BRIGHTNESS, light.brightness), FaceProblem.TOO_DARK),
        (_trust(BURNT, light.burnt), FaceProblem.TOO_BRIGHT),
        (_trust(YAW, abs(pose.yaw)), FaceProblem.TURNED_AWAY),
        (_trust(PITCH, abs(pose.pitch)), FaceProblem.TURNED_AWAY),
        (_trust(BLUR, light.blur), FaceProblem.BLURRED),
    )
    trust = 1.0
    for part, problem in causes:
        if part <= 0:
            return 0.0, problem
        trust *= part
    return trust, None


def _trust(limit: Limit, value: float) -> float:
    good, useless = limit
    return min(1.0, max(0.0, (value - useless) / (good - useless)))
