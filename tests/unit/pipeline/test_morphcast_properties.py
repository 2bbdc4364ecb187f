"""Whatever a page sends as MorphCast events: an observation in range, nothing, or an error that names the field."""

from hypothesis import given
from hypothesis import strategies as st

from emdr_stream.domain import DIMENSIONS, EMOTIONS, Observation
from emdr_stream.errors import ErrorCode, ProtocolError
from emdr_stream.pipeline.morphcast import MorphcastAdapter
from emdr_stream.wire.stream import Morphcast, MorphcastEvent
from tests.observations import assert_in_range

_SDK_NAMES = ("Angry", "Disgust", "Fear", "Happy", "Sad", "Surprise", "Neutral")


_NUMBERS = st.floats() | st.integers() | st.floats(-1.0, 1.0)
_WORDS = (
    "output emotion arousalvalence pose yaw pitch roll rects status totalFaces emotions dimensions emotion_Sad avg "
    "samples confidence wish"
)
_KEYS = st.sampled_from([*_SDK_NAMES, *EMOTIONS, *DIMENSIONS, *_WORDS.split()])
_JSON = st.recursive(
    st.none() | st.booleans() | _NUMBERS | st.text(max_size=5) | st.sampled_from(["RECOVERING", "TRACK_OK"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS | st.text(max_size=8), inner, max_size=8),
    max_leaves=10,
)
_NAMES = st.sampled_from(
    [f"CY_FACE_{name}_RESULT" for name in ("DETECTOR", "EMOTION", "AROUSAL_VALENCE", "ATTENTION", "POSE", "WISH")]
    + ["CY_DATA_AGGREGATOR", "ALARM_NO_FACE", "ALARM_MORE_FACES", "EMOTION_DATA", "EMOTION_SNAPSHOT", "CAMERA", "?"]
)
_EVENTS = st.builds(
    MorphcastEvent,
    type=_NAMES,
    detail=st.dictionaries(_KEYS, _JSON, max_size=6) | _JSON,
    ts=st.none() | st.floats() | st.floats(-3_000, 9_000),
)
_MESSAGES = st.builds(
    Morphcast,
    ts=st.floats(0, 8_000) | st.floats(),
    events=st.lists(_EVENTS, max_size=4),
    context=st.none() | st.dictionaries(st.just("morphcast"), _JSON),
)


@given(st.lists(_MESSAGES, max_size=3))
def test_anything_gives_an_observation_in_range_or_none_or_a_protocol_error(messages: list[Morphcast]) -> None:
    adapter = MorphcastAdapter()
    for message in messages:
        answer = _fed(adapter, message)
        if isinstance(answer, ProtocolError):
            assert answer.code is ErrorCode.INVALID_FIELD
            assert answer.param is not None
        elif answer is not None:
            assert_in_range(answer)


_SEVEN = st.fixed_dictionaries({name: st.floats(0.0, 1.0) | st.none() | st.just(float("nan")) for name in _SDK_NAMES})


@given(st.builds(dict, output=st.builds(dict, emotion=_SEVEN)))
def test_seven_numbers_become_a_distribution_or_nothing(detail: dict[str, object]) -> None:
    observation = MorphcastAdapter().feed(
        Morphcast(ts=0.0, events=[MorphcastEvent(type="FACE_EMOTION", detail=detail)])
    )
    assert observation is not None
    assert_in_range(observation)


def _fed(adapter: MorphcastAdapter, message: Morphcast) -> Observation | ProtocolError | None:
    try:
        return adapter.feed(message)
    except ProtocolError as problem:
        return problem
