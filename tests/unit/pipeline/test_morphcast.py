"""MorphCast events: shapes, the face, silence and time, missing and refused readings."""

import math
from typing import Any

import pytest

from emdr_stream.domain import DIMENSIONS, EMOTIONS
from emdr_stream.errors import ErrorCode, ProtocolError
from emdr_stream.pipeline.morphcast import MorphcastAdapter
from emdr_stream.wire.stream import Morphcast
from tests.unit.pipeline.morphcast_events import (
    LOST,
    SAD,
    T0,
    TRACKED,
    arousal_valence,
    attention,
    detector,
    emotion,
    message,
    seen,
    values,
)


@pytest.fixture
def adapter() -> MorphcastAdapter:
    return MorphcastAdapter()


def test_a_batch_of_modules_becomes_one_observation_in_our_order(adapter: MorphcastAdapter) -> None:
    observation = seen(adapter, 0, detector(TRACKED), emotion(SAD), arousal_valence(0.11, -0.14), attention(0.7))
    assert observation.ts_ms == T0
    assert (observation.face_present, observation.faces, observation.quality) == (True, 1, 1.0)
    assert values(observation) == {
        "valence": -0.14, "arousal": 0.11, "attention": 0.7,
        "joy": 0.02, "sadness": 0.51, "anger": 0.03, "fear": 0.12, "surprise": 0.04, "disgust": 0.01, "neutral": 0.27,
    }  # fmt: skip


def test_single_events_are_fused_over_messages(adapter: MorphcastAdapter) -> None:
    seen(adapter, 0, attention(0.7))
    observation = seen(adapter, 40, arousal_valence(0.1, 0.2))
    assert values(observation) == {"valence": 0.2, "arousal": 0.1, "attention": 0.7}
    assert (observation.face_present, observation.faces) == (None, None)


@pytest.mark.parametrize("name", ["CY_FACE_ATTENTION_RESULT", "CY_FACE_ATTENTION", "FACE_ATTENTION"])
def test_event_names_may_vary(adapter: MorphcastAdapter, name: str) -> None:
    assert values(seen(adapter, 0, (name, {"output": {"attention": 0.5}}))) == {"attention": 0.5}


def test_payloads_without_output_are_taken(adapter: MorphcastAdapter) -> None:
    assert values(seen(adapter, 0, ("FACE_ATTENTION", {"attention": 0.5}))) == {"attention": 0.5}


def test_both_shapes_of_arousal_and_valence_mean_the_same(adapter: MorphcastAdapter) -> None:
    old = ("CY_FACE_AROUSAL_VALENCE_RESULT", {"output": {"arousalvalence": {"arousal": 0.11, "valence": -0.14}}})
    assert seen(adapter, 0, old).values[:2] == seen(MorphcastAdapter(), 0, arousal_valence(0.11, -0.14)).values[:2]


@pytest.mark.parametrize(("name", "key"), [("FACE_WISH", "wish"), ("FACE_POSITIVITY", "positivity")])
def test_wish_and_positivity_are_known_but_no_signal_of_ours(adapter: MorphcastAdapter, name: str, key: str) -> None:
    assert values(seen(adapter, 0, (f"CY_{name}_RESULT", {"output": {key: 0.4}}))) == {}
    assert adapter.feed(message(1, (f"CY_{name}_RESULT", {"output": {key: 1.4}}))) is None
    assert (adapter.counters.unknown_events, adapter.counters.rejected_fields) == (0, 1)


def test_values_are_never_rescaled(adapter: MorphcastAdapter) -> None:
    assert values(seen(adapter, 0, arousal_valence(0.01, -0.13))) == {"arousal": 0.01, "valence": -0.13}


# The face


@pytest.mark.parametrize(
    "detail",
    [
        LOST,
        {"rects": [], "status": "TRACK_OK", "totalFaces": 1},
        {**TRACKED, "status": "RECOVERING"},
        {"totalFaces": 0},
    ],
)
def test_a_lost_face_hides_every_value_at_once(adapter: MorphcastAdapter, detail: dict[str, Any]) -> None:
    assert seen(adapter, 0, detector(TRACKED), emotion(SAD), attention(0.7)).usable
    lost = seen(adapter, 40, detector(detail), attention(0.7))
    assert (lost.face_present, lost.faces, lost.quality, lost.usable) == (False, 0, 0.0, False)
    assert values(lost) == {}


def test_what_was_read_before_the_face_came_back_is_gone(adapter: MorphcastAdapter) -> None:
    seen(adapter, 0, detector(TRACKED), emotion(SAD))
    seen(adapter, 40, detector(LOST))
    seen(adapter, 80, attention(0.9))
    back = seen(adapter, 120, detector(TRACKED), arousal_valence(0.1, 0.1))
    assert back.face_present is True
    assert values(back) == {"valence": 0.1, "arousal": 0.1}


@pytest.mark.parametrize(
    ("detail", "faces"),
    [
        ({**TRACKED, "rects": TRACKED["rects"] * 2}, 2),  # type: ignore[operator]
        ({**TRACKED, "totalFaces": 3}, 3),
        ({"status": "TRACK_OK"}, 1),
        ({"status": "TRACK_OK", "totalFaces": 2}, 2),
        ({"status": "INIT", "totalFaces": 1}, 1),
    ],
)
def test_faces_are_counted(adapter: MorphcastAdapter, detail: dict[str, Any], faces: int) -> None:
    observation = seen(adapter, 0, detector(detail))
    assert (observation.face_present, observation.faces) == (True, faces)


@pytest.mark.parametrize("output", [{"noFace": True}, {"whatever": True, "other": False}, True])
def test_a_no_face_alarm_is_a_lost_face(adapter: MorphcastAdapter, output: Any) -> None:
    seen(adapter, 0, detector(TRACKED), attention(0.7))
    assert seen(adapter, 40, ("CY_ALARM_NO_FACE_RESULT", {"output": output})).face_present is False


def test_the_end_of_a_no_face_alarm_proves_no_face(adapter: MorphcastAdapter) -> None:
    seen(adapter, 0, detector(LOST))
    assert adapter.feed(message(40, ("CY_ALARM_NO_FACE_RESULT", {"output": {"noFace": False}}))) is None
    assert seen(adapter, 41, attention(0.7)).face_present is False


def test_a_no_face_alarm_that_stays_up_does_not_hide_a_face_that_is_back(adapter: MorphcastAdapter) -> None:
    # Its window is of ten seconds: it is still up, event after event, when the face has been back for two.
    alarm = ("CY_ALARM_NO_FACE_RESULT", {"output": {"noFace": True}})
    seen(adapter, 0, detector(LOST), alarm)
    for at_ms in range(100, 2_000, 100):
        observation = seen(adapter, at_ms, detector(TRACKED), attention(0.7), alarm)
        assert (observation.face_present, values(observation)) == (True, {"attention": 0.7})


def test_a_no_face_alarm_that_stays_up_counts_where_no_detector_speaks(adapter: MorphcastAdapter) -> None:
    alarm = ("CY_ALARM_NO_FACE_RESULT", {"output": {"noFace": True}})
    for at_ms in range(0, 4_000, 1_000):
        assert seen(adapter, at_ms, attention(0.7), alarm).face_present is False


def test_a_more_faces_alarm_outlasts_a_detector_that_counts_to_one(adapter: MorphcastAdapter) -> None:
    assert seen(adapter, 0, ("CY_ALARM_MORE_FACES", {"output": {"moreFaces": True}})).faces == 2
    assert seen(adapter, 40, detector(TRACKED)).faces == 2
    assert adapter.feed(message(80, ("CY_ALARM_MORE_FACES", False))) is None
    assert seen(adapter, 120, detector(TRACKED)).faces == 1


def test_a_low_attention_alarm_changes_no_value(adapter: MorphcastAdapter) -> None:
    observation = seen(adapter, 0, ("CY_ALARM_LOW_ATTENTION_RESULT", {"output": {"isLowAttention": True}}))
    assert values(observation) == {}
    assert adapter.counters.unknown_events == 0


# Silence and time


def test_silent_modules_age_out_one_by_one(adapter: MorphcastAdapter) -> None:
    seen(adapter, 0, emotion(SAD), detector(TRACKED))
    seen(adapter, 1_000, attention(0.7))
    assert set(values(seen(adapter, 1_500, arousal_valence(0.1, 0.1)))) == {*DIMENSIONS, *EMOTIONS}
    aged = seen(adapter, 1_501, arousal_valence(0.1, 0.1))
    assert set(values(aged)) == set(DIMENSIONS)
    assert aged.face_present is None
    assert set(values(seen(adapter, 2_501, arousal_valence(0.1, 0.1)))) == {"valence", "arousal"}


def test_each_event_keeps_its_own_time(adapter: MorphcastAdapter) -> None:
    observation = seen(adapter, 2_000, (*attention(0.7), 400.0), (*arousal_valence(0.1, 0.2), 600.0))
    assert values(observation) == {"valence": 0.2, "arousal": 0.1}
    assert adapter.counters.old_readings == 1


def test_an_older_event_does_not_replace_a_newer_one(adapter: MorphcastAdapter) -> None:
    assert values(seen(adapter, 100, (*attention(0.7), 90.0), (*attention(0.2), 50.0))) == {"attention": 0.7}
    happy = {**dict.fromkeys(SAD, 0.0), "Happy": 1.0}
    assert values(seen(adapter, 200, (*emotion(SAD), 190.0), (*emotion(happy), 150.0)))["joy"] == SAD["Happy"]
    assert seen(adapter, 300, (*detector(LOST), 290.0), (*detector(TRACKED), 250.0)).face_present is False


@pytest.mark.parametrize("event_ms", [9e12, math.nan, math.inf, -math.inf])
def test_a_time_that_cannot_be_is_the_message_time(adapter: MorphcastAdapter, event_ms: float) -> None:
    seen(adapter, 0, (*attention(0.7), event_ms))
    assert values(seen(adapter, 1_501, arousal_valence(0.0, 0.0))) == {"valence": 0.0, "arousal": 0.0}


def test_a_late_message_speaks_for_itself_alone(adapter: MorphcastAdapter) -> None:
    seen(adapter, 1_000, attention(0.7))
    assert values(seen(adapter, 500, arousal_valence(0.3, 0.4))) == {"valence": 0.4, "arousal": 0.3}
    assert values(seen(adapter, 1_100, detector(TRACKED))) == {"attention": 0.7}
    assert adapter.counters.late_messages == 1


def test_a_clock_that_was_set_back_starts_anew(adapter: MorphcastAdapter) -> None:
    seen(adapter, 60_000, attention(0.7))
    seen(adapter, 0, arousal_valence(0.3, 0.4))
    assert values(seen(adapter, 40, detector(TRACKED))) == {"valence": 0.4, "arousal": 0.3}
    assert (adapter.counters.clock_resets, adapter.counters.late_messages) == (1, 0)


@pytest.mark.parametrize("ts", [math.nan, math.inf, -math.inf])
def test_a_message_without_a_finite_time_is_refused(adapter: MorphcastAdapter, ts: float) -> None:
    with pytest.raises(ProtocolError) as refused:
        adapter.feed(Morphcast(id=7, ts=ts, events=[]))
    assert (refused.value.code, refused.value.param, refused.value.re) == (ErrorCode.INVALID_FIELD, "ts", 7)


# Missing and refused


@pytest.mark.parametrize("nothing", [None, math.nan, math.inf, -math.inf])
def test_no_reading_is_missing_at_once_and_never_zero(adapter: MorphcastAdapter, nothing: float | None) -> None:
    seen(adapter, 0, emotion(SAD), arousal_valence(0.1, 0.2), attention(0.7))
    blind = seen(
        adapter, 40, emotion(dict.fromkeys(SAD, nothing)), arousal_valence(nothing, nothing), attention(nothing)
    )
    assert values(blind) == {}
    assert adapter.counters.rejected_fields == 0


@pytest.mark.parametrize("detail", [None, {}, {"output": {}}, {"output": None}])
def test_an_undefined_payload_is_no_reading(adapter: MorphcastAdapter, detail: Any) -> None:
    seen(adapter, 0, attention(0.7))
    assert values(seen(adapter, 40, ("CY_FACE_ATTENTION_RESULT", detail))) == {}


@pytest.mark.parametrize("value", [1.00001, -0.001, 10**400, "0.5", True, [0.5], {"avg": 0.5}])
def test_a_value_out_of_range_or_kind_is_refused_and_counted(adapter: MorphcastAdapter, value: Any) -> None:
    seen(adapter, 0, attention(0.7))
    assert values(seen(adapter, 40, attention(value))) == {}
    assert adapter.counters.rejected_fields == 1


@pytest.mark.parametrize(("value", "taken"), [(1 + 9e-7, 1.0), (-9e-7, 0.0), (1, 1.0), (0, 0.0)])
def test_rounding_errors_and_whole_numbers_are_taken(adapter: MorphcastAdapter, value: float, taken: float) -> None:
    observation = seen(adapter, 0, attention(value))
    assert values(observation) == {"attention": taken}
    assert adapter.counters.rejected_fields == 0


def test_one_missing_emotion_makes_all_missing(adapter: MorphcastAdapter) -> None:
    seen(adapter, 0, emotion(SAD))
    assert values(seen(adapter, 40, emotion({**SAD, "Fear": None}))) == {}
    assert values(seen(adapter, 80, emotion({k: v for k, v in SAD.items() if k != "Neutral"}))) == {}
    assert adapter.counters.partial_emotions == 2


def test_emotions_that_do_not_sum_to_one_are_renormalised_and_trusted_less(adapter: MorphcastAdapter) -> None:
    observation = seen(adapter, 0, emotion({name: value * 1.3 for name, value in SAD.items()}))
    assert sum(values(observation).values()) == pytest.approx(1.0)
    assert values(observation)["sadness"] == pytest.approx(0.51)
    assert observation.quality == 0.8
    assert adapter.counters.renormalised == 1


def test_a_sum_within_its_tolerance_is_left_as_it_is(adapter: MorphcastAdapter) -> None:
    observation = seen(adapter, 0, emotion({**SAD, "Sad": 0.525}))
    assert values(observation)["sadness"] == 0.525
    assert (observation.quality, adapter.counters.renormalised) == (1.0, 0)


@pytest.mark.parametrize("wrong", [{"Sad": 1.01, "Fear": 0.0}, {"Sad": -0.01, "Fear": 1.0}])
def test_one_emotion_out_of_range_makes_all_missing(adapter: MorphcastAdapter, wrong: dict[str, float]) -> None:
    assert values(seen(adapter, 0, emotion({**dict.fromkeys(SAD, 0.0), **wrong}))) == {}
    assert adapter.counters.rejected_fields == 1


@pytest.mark.parametrize("factor", [0.4, 1.6])
def test_emotions_far_from_a_distribution_are_refused(adapter: MorphcastAdapter, factor: float) -> None:
    assert values(seen(adapter, 0, emotion({name: value * factor for name, value in SAD.items()}))) == {}
    assert adapter.counters.rejected_fields == 1


@pytest.mark.parametrize("detail", ["text", 3, [1], True])
def test_a_detail_that_is_no_map_is_refused_by_name(adapter: MorphcastAdapter, detail: Any) -> None:
    with pytest.raises(ProtocolError) as refused:
        adapter.feed(message(0, attention(0.5), ("CY_FACE_EMOTION_RESULT", detail)))
    assert (refused.value.code, refused.value.param) == (ErrorCode.INVALID_FIELD, "events[1].detail")


def test_unknown_events_are_counted_and_ignored_whatever_they_hold(adapter: MorphcastAdapter) -> None:
    assert adapter.feed(message(0, ("CY_FACE_AURA_RESULT", "text"), ("", None))) is None
    assert adapter.counters.unknown_events == 2
