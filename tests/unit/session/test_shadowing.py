"""What a shadow would have done is told by the second, beside what the version in use would have; neither acts."""

from emdr_stream.domain import Scores, Thresholds
from emdr_stream.session.shadowing import ShadowWatch
from emdr_stream.settings import SafetySettings
from emdr_stream.wire.values import ModelRef

ONE, TWO = (ModelRef(name="emotion_safety", version=version, sha256=version * 64) for version in "12")
CALM = Scores((0.9, 0.04, 0.03, 0.02, 0.01), 0.1, 0.05, (0.0, 0.0, 0.0))
CRISIS = Scores((0.05, 0.05, 0.85, 0.03, 0.02), 0.95, 0.9, (-0.1, 0.2, 0.0))


def watch() -> ShadowWatch:
    return ShadowWatch(SafetySettings(), Thresholds(), ONE, TWO)


def test_a_shadow_that_sees_a_crisis_is_told_with_its_moment() -> None:
    shadow = watch()
    for at_ms in range(0, 4_000, 100):
        shadow.take(CALM, CRISIS, Thresholds(), at_ms, 1_000_000 + at_ms)
    told = shadow.second()
    assert told is not None
    assert (told["model"], told["version"], told["beside"], told["rows"], told["failed"]) == (
        "emotion_safety",
        "2",
        "1",
        40,
        0,
    )
    assert "beside_alarms" not in told
    at_ms, pauses = told["alarms"][0]
    assert (at_ms - 1_000_000, pauses) == (1_000, 1)  # a very high score persists for one second before it counts
    assert (told["risk_apart"], told["agreed"]) == (0.85, 0.0)


def test_agreement_is_on_the_side_of_every_threshold() -> None:
    shadow = watch()
    shadow.take(CALM, CALM, Thresholds(), 0, 0)
    shadow.take(CALM, CRISIS, Thresholds(), 100, 100)
    told = shadow.second()
    assert told is not None
    assert told["agreed"] == 0.5
    assert shadow.second() is None


def test_a_shadow_that_fails_is_counted_and_compared_with_nothing() -> None:
    shadow = watch()
    shadow.take(CRISIS, None, Thresholds(), 0, 0)
    told = shadow.second()
    assert told is not None
    assert (told["rows"], told["failed"], told["risk_apart"]) == (1, 1, 0.0)


def test_a_therapists_thresholds_count_for_both() -> None:
    shadow, strict = watch(), Thresholds(risk=0.3, crisis_pause=0.3, crisis_immediate=0.4)
    middling = Scores(CALM.states, 0.35, 0.35, CALM.change)
    for at_ms in range(0, 4_000, 100):
        shadow.take(middling, middling, strict, at_ms, at_ms)
    told = shadow.second()
    assert told is not None
    assert [pauses for _, pauses in told["alarms"]] == [pauses for _, pauses in told["beside_alarms"]] == [1, 0]


def test_it_is_of_two_versions_and_of_no_others() -> None:
    assert watch().versions == (ONE, TWO)
