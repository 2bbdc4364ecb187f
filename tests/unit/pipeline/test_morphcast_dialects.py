"""MorphCast's head pose, the aggregator and other dialects, private data, the SDK's version."""

import math
import pickle
from typing import Any

import msgspec
import pytest

from emdr_stream.domain import DIMENSIONS, EMOTIONS
from emdr_stream.pipeline.morphcast import MorphcastAdapter
from tests.unit.pipeline.morphcast_events import (
    LOST,
    SAD,
    TRACKED,
    arousal_valence,
    detector,
    emotion,
    message,
    pose,
    seen,
    values,
)


@pytest.fixture
def adapter() -> MorphcastAdapter:
    return MorphcastAdapter()


# Head pose


def test_head_motion_is_the_rate_of_turning_whatever_the_event_rate() -> None:
    def motion_at(step_ms: float) -> float:
        adapter = MorphcastAdapter()
        for index in range(1, round(3_000 / step_ms)):
            angle = 0.25 * (index * step_ms / 1_000)  # 0.25 rad/s
            observation = seen(adapter, index * step_ms, pose(yaw=angle))
        return values(observation)["head_motion"]

    assert motion_at(33.0) == pytest.approx(0.25)
    assert motion_at(100.0) == pytest.approx(0.25)


def test_head_motion_follows_with_a_time_constant_of_one_second(adapter: MorphcastAdapter) -> None:
    assert "head_motion" not in values(seen(adapter, 0, pose()))
    assert values(seen(adapter, 500, pose()))["head_motion"] == 0.0
    turned = seen(adapter, 1_000, pose(yaw=0.2, pitch=0.2))
    speed = math.hypot(0.2, 0.2) / 0.5
    assert values(turned)["head_motion"] == pytest.approx((1 - math.exp(-0.5)) * speed)


def test_head_motion_is_missing_after_a_gap_or_without_an_angle(adapter: MorphcastAdapter) -> None:
    seen(adapter, 0, pose())
    seen(adapter, 40, pose())
    assert values(seen(adapter, 1_600, pose(yaw=0.5))) == {}
    assert values(seen(adapter, 1_640, pose(yaw=None))) == {}
    assert values(seen(adapter, 1_680, pose(yaw=2.0))) == {}
    assert adapter.counters.rejected_fields == 1


def test_head_motion_is_not_measured_across_a_lost_face(adapter: MorphcastAdapter) -> None:
    seen(adapter, 0, pose())
    seen(adapter, 40, detector(LOST))
    assert values(seen(adapter, 80, detector(TRACKED), pose(yaw=0.5))) == {}


def test_poses_a_moment_apart_are_no_sudden_motion(adapter: MorphcastAdapter) -> None:
    seen(adapter, 0, pose())
    seen(adapter, 500, pose(), pose(yaw=0.01))
    assert values(seen(adapter, 501, pose(yaw=0.02)))["head_motion"] == 0.0


def test_a_face_turned_away_is_trusted_less(adapter: MorphcastAdapter) -> None:
    frontal, turned, profile = (
        seen(adapter, at_ms, pose(yaw=yaw)).quality for at_ms, yaw in ((0, 0.3), (40, -0.8), (80, 1.5))
    )
    assert frontal == 1.0
    assert frontal > turned > profile == pytest.approx(0.2)


# The aggregator and other dialects


def test_an_aggregator_tick_is_an_observation(adapter: MorphcastAdapter) -> None:
    tick = {f"emotion_{name}": {"avg": value, "samples": 12} for name, value in SAD.items()}
    tick |= {"attention": {"avg": 0.7}, "arousal": {"avg": 0.1}, "valence.avg": -0.2, "totalFaces": {"avg": 1}}  # type: ignore[dict-item]
    tick |= {"affects38_Distressed": {"avg": 0.22}, "affects98_At Ease": {"avg": 0.1}}
    observation = seen(adapter, 0, ("CY_DATA_AGGREGATOR", tick))
    assert set(values(observation)) == {*DIMENSIONS, *EMOTIONS}
    assert values(observation)["sadness"] == 0.51
    assert (values(observation)["valence"], observation.face_present, observation.faces) == (-0.2, True, 1)
    assert adapter.counters.unknown_fields == 0


def test_an_aggregator_tick_touches_only_what_it_names(adapter: MorphcastAdapter) -> None:
    seen(adapter, 0, emotion(SAD), arousal_valence(0.1, 0.2))
    observation = seen(adapter, 500, ("CY_DATA_AGGREGATOR", {"attention": {"avg": 0.7}, "mystery": {"avg": 1}}))
    assert set(values(observation)) == {*DIMENSIONS, *EMOTIONS}
    assert adapter.counters.unknown_fields == 1
    partly = seen(adapter, 600, ("CY_DATA_AGGREGATOR", {"emotion_Fear": {"avg": 0.18}}))
    assert set(values(partly)) == set(DIMENSIONS)


def test_an_average_without_samples_is_missing(adapter: MorphcastAdapter) -> None:
    tick = {"attention": {"avg": 0, "samples": 0}, "totalFaces": {"avg": 0, "samples": 0}}
    observation = seen(adapter, 0, ("CY_DATA_AGGREGATOR", tick))
    assert (values(observation), observation.face_present) == ({}, None)


def test_aggregated_names_may_vary_in_case_and_spaces(adapter: MorphcastAdapter) -> None:
    observation = seen(adapter, 0, ("CY_DATA_AGGREGATOR", {"Attention": {"avg": 0.7}, "total Faces": {"avg": 2}}))
    assert (values(observation), observation.faces) == ({"attention": 0.7}, 2)


def test_the_aggregator_does_not_speak_against_the_detector(adapter: MorphcastAdapter) -> None:
    seen(adapter, 0, detector(LOST))
    tick = ("CY_DATA_AGGREGATOR", {"totalFaces": {"avg": 1, "samples": 12}, "attention": {"avg": 0.7}})
    assert seen(adapter, 40, tick).face_present is False


def test_each_tick_of_the_aggregator_counts_anew(adapter: MorphcastAdapter) -> None:
    # A tick's own count passed for the detector's and hid the next tick's, a second later: a lost face was seen for a
    # second more, and one that was back for a second less.
    for at_ms, faces in enumerate((1, 0, 0, 1, 2)):
        tick = ("CY_DATA_AGGREGATOR", {"totalFaces": {"avg": faces, "samples": 12}, "attention": {"avg": 0.7}})
        observation = seen(adapter, at_ms * 1_000, tick)
        assert (observation.faces, observation.face_present) == (faces, faces > 0)
        assert bool(values(observation)) is (faces > 0)


def test_a_snapshot_without_any_confidence_is_no_sight_of_the_client(adapter: MorphcastAdapter) -> None:
    # Its zeros were a valence and an arousal of -1, and whoever had left the chair was still seen.
    nobody = dict.fromkeys(("stress", "engagement", "positivity", "arousal", "valence", "joy", "confidence"), 0.0)
    seen(adapter, 0, ("EMOTION_SNAPSHOT", nobody | {"arousal": 0.6, "valence": 0.4, "confidence": 0.9}))
    observation = seen(adapter, 1_000, ("EMOTION_SNAPSHOT", nobody))
    assert values(observation) == {} and not observation.usable


def test_emotion_data_is_taken_as_an_event(adapter: MorphcastAdapter) -> None:
    six = {"joy": 0.1, "sadness": 0.2, "anger": 0.1, "fear": 0.1, "surprise": 0.0, "disgust": 0.0}
    detail = {"emotions": six, "dimensions": {"valence": -0.5, "arousal": 0.5}}
    taken = values(seen(adapter, 0, ("EMOTION_DATA", detail)))
    assert taken.pop("neutral") == pytest.approx(0.5)
    assert taken == {**six, "valence": -0.5, "arousal": 0.5}


def test_an_emotion_snapshot_is_mapped_to_our_units(adapter: MorphcastAdapter) -> None:
    snapshot = {
        "arousal": 0.75,
        "valence": 0.25,
        "stress": 0.9,
        "engagement": 0.4,
        "positivity": 0.5,
        "confidence": 0.6,
    }
    intensities = {"joy": 0.9, "sadness": 0.8, "anger": 0.1, "fear": 0.4}
    observation = seen(adapter, 0, ("EMOTION_SNAPSHOT", snapshot | intensities))
    assert values(observation) == {"arousal": 0.5, "valence": -0.5}
    assert observation.quality == 0.6
    assert values(seen(adapter, 40, ("EMOTION_SNAPSHOT", {"arousal": -0.2, "valence": None}))) == {}
    assert adapter.counters.rejected_fields == 1


# Privacy and the SDK's version


SECRETS = {"Attractive": 0.918273, "BigNose": 0.564738}


@pytest.mark.parametrize(
    "event",
    [
        ("CY_CAMERA_RESULT", {"width": 640, "height": 480, "data": b"secret-pixels"}),
        ("CY_FACE_AGE_RESULT", {"output": {"age": {"18-35": 0.918273}, "numericAge": 564738}}),
        ("CY_FACE_GENDER_RESULT", {"output": {"gender": {"Female": 0.918273}, "mostConfident": "secret-gender"}}),
        ("CY_FACE_FEATURES_RESULT", {"output": {"features": SECRETS}}),
        ("CY_DATA_AGGREGATOR", {"age": {"avg": 564738}, "gender_mostConfident": {"distribution": {"secret": 1}}}),
    ],
)
def test_private_data_alone_says_nothing(adapter: MorphcastAdapter, event: tuple[str, Any]) -> None:
    assert adapter.feed(message(0, event)) is None
    assert adapter.counters.dropped_private >= 1
    _assert_no_secret(adapter)


def test_pictures_of_faces_never_get_past_the_door(adapter: MorphcastAdapter) -> None:
    observation = seen(adapter, 0, detector({**TRACKED, "faces": [{"data": b"secret-pixels"}]}), emotion(SAD))
    assert adapter.counters.dropped_private == 1
    _assert_no_secret(adapter)
    assert b"secret" not in msgspec.msgpack.encode(observation)


def _assert_no_secret(adapter: MorphcastAdapter) -> None:
    fusion = adapter._fusion
    state = repr([(name, getattr(fusion, name)) for name in fusion.__slots__]) + repr(adapter.counters)
    stored = pickle.dumps(adapter, protocol=5)
    for secret in ("secret", "918273", "564738", "Attractive", "Female"):
        assert secret not in state
        assert secret.encode() not in stored
