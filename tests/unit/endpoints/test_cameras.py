"""Who may bring a camera, and what is said to who may not."""

import pytest
from prometheus_client import CollectorRegistry

from emdr_stream.domain import Limits, Source
from emdr_stream.endpoints.cameras import Cameras
from emdr_stream.errors import CloseCode, ErrorCode, FatalProtocolError
from emdr_stream.telemetry.metrics import Metrics
from emdr_stream.vision.pool import FacePool
from emdr_stream.vision.pool_settings import FaceSettings

pytestmark = pytest.mark.anyio


@pytest.fixture
async def cameras() -> Cameras:
    """With workers that are still to start."""
    metrics = Metrics(CollectorRegistry(), version="test")
    return Cameras(FacePool(FaceSettings()), None, Limits(), metrics, lambda: 0.0)


async def test_a_camera_is_let_in_while_workers_start(cameras: Cameras) -> None:
    cameras.check(Source.FRAME, resumes=False)


async def test_who_comes_back_finds_room_where_a_new_camera_does_not(cameras: Cameras) -> None:
    for _ in range(400):
        cameras.traffic.note_cost(0.4)
    with pytest.raises(FatalProtocolError) as refused:
        cameras.check(Source.FRAME, resumes=False)
    assert (refused.value.code, refused.value.close_code) == (ErrorCode.OVERLOADED, CloseCode.OVERLOADED)
    cameras.check(Source.FRAME, resumes=True)


async def test_face_scores_without_their_model_are_refused_by_name(cameras: Cameras) -> None:
    with pytest.raises(FatalProtocolError, match="its model is not installed") as refused:
        cameras.check(Source.LANDMARKS, resumes=False)
    assert refused.value.param == "source"
