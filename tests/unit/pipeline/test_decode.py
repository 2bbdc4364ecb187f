"""A `sample` message becomes an observation, or is refused by name; missing is never 0."""

from math import inf, isnan, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emdr_stream.domain import SIGNALS
from emdr_stream.errors import ErrorCode, ProtocolError
from emdr_stream.pipeline.decode import decode_sample
from emdr_stream.wire.stream import Sample
from emdr_stream.wire.values import BodySignals, Dimensions, Emotions

SIX = {"joy": 0.1, "sadness": 0.1, "anger": 0.1, "fear": 0.1, "surprise": 0.1, "disgust": 0.1}


def decoded(**fields: object) -> dict[str, float]:
    return dict(zip(SIGNALS, decode_sample(Sample(ts=1.0, **fields)).values, strict=True))  # type: ignore[arg-type]


def refused(**fields: object) -> str | None:
    with pytest.raises(ProtocolError) as problem:
        decode_sample(Sample(**({"ts": 1.0, "id": 8} | fields)))  # type: ignore[arg-type]
    assert problem.value.code is ErrorCode.INVALID_FIELD and problem.value.re == 8
    return problem.value.param


def test_values_come_in_the_order_of_signals() -> None:
    values = decoded(
        emotions=Emotions(**SIX, neutral=0.4),
        dimensions=Dimensions(valence=-0.5, arousal=0.25, attention=0.75),
        signals=BodySignals(blink_rate=17, eye_closure=0.1, head_motion=0.2, heart_rate=72),
    )
    assert values["valence"] == -0.5 and values["joy"] == pytest.approx(0.1) and values["neutral"] == pytest.approx(0.4)
    assert values["heart_rate"] == 72 and not any(map(isnan, values.values()))


@pytest.mark.parametrize("nothing", [None, nan, inf, -inf])
def test_missing_is_missing(nothing: float | None) -> None:
    """Null, NaN, infinity and an absent key never become 0."""
    values = decoded(
        dimensions=Dimensions(valence=nothing, arousal=0.3),
        emotions=Emotions(**(SIX | {"fear": nothing})),
        signals=BodySignals(blink_rate=nothing),
    )
    assert values["arousal"] == 0.3
    assert {name for name, value in values.items() if isnan(value)} == set(SIGNALS) - {"arousal"}


@pytest.mark.parametrize("neutral", [None, nan])
def test_a_missing_neutral_is_the_rest(neutral: float | None) -> None:
    assert decoded(emotions=Emotions(**SIX, neutral=neutral))["neutral"] == pytest.approx(0.4)


@pytest.mark.parametrize("neutral", [0.351, 0.449])
def test_a_sum_near_one_is_renormalised(neutral: float) -> None:
    values = decoded(emotions=Emotions(**SIX, neutral=neutral))
    assert sum(values[name] for name in (*SIX, "neutral")) == pytest.approx(1.0)


@pytest.mark.parametrize("neutral", [0.3, 0.5, 0.0])
def test_another_sum_is_refused(neutral: float) -> None:
    assert refused(emotions=Emotions(**SIX, neutral=neutral)) == "emotions"


def test_six_that_are_too_much_are_refused() -> None:
    assert refused(emotions=Emotions(**dict.fromkeys(SIX, 0.5))) == "emotions"


@pytest.mark.parametrize(
    ("group", "name", "value"),
    [
        ("dimensions", "valence", 1.1),
        ("dimensions", "arousal", -1.1),
        ("dimensions", "attention", -0.1),
        ("signals", "blink_rate", 300.0),
        ("signals", "eye_closure", 1.5),
        ("signals", "head_motion", -1.0),
        ("signals", "heart_rate", 5.0),
        ("emotions", "fear", 1.2),
        ("emotions", "neutral", -0.4),
    ],
)
def test_what_is_out_of_its_range_is_refused_by_name(group: str, name: str, value: float) -> None:
    """Pitfall 10: arousal was 0..1 in one part and -1..1 in another; ranges are checked at the door."""
    kinds = {"dimensions": Dimensions, "signals": BodySignals, "emotions": Emotions}
    given_values = (SIX if group == "emotions" else {}) | {name: value}
    assert refused(**{group: kinds[group](**given_values)}) == f"{group}.{name}"


def test_a_rounding_error_is_no_fault() -> None:
    assert decoded(dimensions=Dimensions(valence=1.0000000001))["valence"] == 1.0


@pytest.mark.parametrize("ts", [nan, inf, -inf, 1e300, 8.65e15])
def test_a_time_that_is_none_is_refused(ts: float) -> None:
    assert refused(ts=ts) == "ts"


@pytest.mark.parametrize("face", [None, True, False])
def test_whether_a_face_is_there_is_handed_on(face: bool | None) -> None:
    assert decode_sample(Sample(ts=1.0, signals=BodySignals(face_present=face))).face_present is face


NUMBERS = st.one_of(st.none(), st.floats(), st.floats(-0.2, 1.2))


@settings(max_examples=50)
@given(
    st.builds(Emotions, **dict.fromkeys((*SIX, "neutral"), NUMBERS)),
    st.builds(Dimensions, valence=NUMBERS, arousal=NUMBERS, attention=NUMBERS),
    st.floats(),
)
def test_anything_is_an_observation_in_range_or_refused(emotions: Emotions, dimensions: Dimensions, ts: float) -> None:
    try:
        values = decode_sample(Sample(ts=ts, emotions=emotions, dimensions=dimensions)).values
    except ProtocolError:
        assert refused(ts=ts, emotions=emotions, dimensions=dimensions)
        return
    assert all(value != value or -1.0 <= value <= 1.0 for value in values)
    shares = values[3:10]
    assert all(value != value for value in shares) or sum(shares) == pytest.approx(1.0)
