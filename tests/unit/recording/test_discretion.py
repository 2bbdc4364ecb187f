"""What a recording keeps of a client's message: never a picture, a token or who somebody may be."""

import pytest

from emdr_stream.domain import Source
from emdr_stream.pipeline.morphcast import MorphcastAdapter
from emdr_stream.recording.discretion import kept, plain
from emdr_stream.recording.format import message_line
from emdr_stream.wire.stream import Auth, ClientMessage, Frame, Hello, Morphcast, MorphcastEvent, Observed, Ping
from tests.unit.pipeline.morphcast_events import SAD, TRACKED, arousal_valence, attention, detector, emotion, message

PICTURE = [[0, 255] * 64]


def morphcast(*events: tuple) -> Morphcast:
    recorded = kept(message(100.0, *events))
    assert isinstance(recorded, Morphcast)
    return recorded


@pytest.mark.parametrize("told", [Auth(token="secret"), Hello(source=Source.EMOTION, token="secret"), Ping(t0=1.0)])
def test_messages_for_the_connection_are_not_recorded(told: ClientMessage) -> None:
    assert kept(told) is None


def test_a_frame_is_recorded_without_its_picture() -> None:
    recorded = kept(Frame(id=4, ts=9.0, image=b"\xff\xd8picture"))
    assert recorded == Observed(id=4, ts=9.0)
    assert message_line(1, recorded).endswith(b'"msg":{"delay_ms":0,"face":null,"id":4,"ts":9.0,"type":"observation"}}')


@pytest.mark.parametrize(
    "event",
    [
        ("CY_FACE_AGE_RESULT", {"output": {"age": {"18-22": 0.9}, "numericAge": 21}}),
        ("FACE_GENDER", {"output": {"gender": {"Female": 0.9}}}),
        ("CY_FACE_FEATURES_RESULT", {"output": {"features": {"ArchedEyebrows": 0.9}}}),
        ("CY_CAMERA_RESULT", {"frame": PICTURE}),
        ("CY_SOMETHING_NEW_RESULT", {"output": {"wealth": 0.9}}),
    ],
)
def test_events_about_the_person_are_recorded_without_their_payload(event: tuple) -> None:
    (recorded,) = morphcast(event).events
    assert (recorded.type, recorded.detail) == (event[0], None)


def test_pictures_of_faces_are_left_out_of_the_detector() -> None:
    (recorded,) = morphcast(detector(TRACKED | {"faces": PICTURE})).events
    assert recorded.detail == TRACKED


def test_an_aggregate_keeps_its_emotions_and_loses_age_and_gender() -> None:
    detail = {"Emotion_Sad.avg": {"avg": 0.5}, "Age.avg": {"avg": 30}, "gender_female": {"avg": 1}, "Valence": 0.1}
    (recorded,) = morphcast(("CY_DATA_AGGREGATOR_RESULT", {"output": detail})).events
    assert recorded.detail == {"output": {"Emotion_Sad.avg": {"avg": 0.5}, "Valence": 0.1}}


def test_an_alarm_keeps_its_flag_whatever_its_name() -> None:
    (recorded,) = morphcast(("CY_ALARM_MORE_FACES_RESULT", {"output": {"facesAlarm": True}})).events
    assert recorded.detail == {"output": {"facesAlarm": True}}


def test_the_adapter_cannot_tell_what_was_left_out() -> None:
    private = ("CY_FACE_AGE_RESULT", {"output": {"numericAge": 30}})
    seen, replayed = MorphcastAdapter(), MorphcastAdapter()
    for at_ms in range(0, 3_000, 250):
        told = message(
            float(at_ms),
            detector(TRACKED | {"faces": PICTURE}),
            emotion(SAD),
            arousal_valence(0.1 + at_ms / 1e4, -0.2),
            attention(0.8),
            private,
            ("CY_UNKNOWN", {"x": 1}),
        )
        recorded = kept(told)
        assert isinstance(recorded, Morphcast)
        assert replayed.feed(recorded) == seen.feed(told) != None  # noqa: E711


def test_an_event_that_is_refused_live_is_refused_in_replay() -> None:
    (recorded,) = morphcast(("CY_FACE_AGE_RESULT", 30)).events
    assert recorded.detail is not None
    assert not isinstance(recorded.detail, dict)


def test_values_without_a_form_in_json_are_replaced() -> None:
    assert plain({"a": [1, (2.5, b"x")], 7: 1, "s": {1, 2}}) == {"a": [1, [2.5, "bytes"]], "s": "set"}


def test_very_deep_values_are_cut_off() -> None:
    deep: list = []
    for _ in range(5_000):
        deep = [deep]
    assert str(plain(deep)).count("[") < 50
    assert isinstance(morphcast(("CY_FACE_EMOTION_RESULT", {"output": deep})).events[0], MorphcastEvent)
