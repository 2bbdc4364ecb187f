"""Adaptation: small, bounded, slow, with reasons; in a set only down, never beyond what the therapist set."""

from hypothesis import given, settings
from hypothesis import strategies as st

from emdr_stream.domain import SafetyLevel
from emdr_stream.pipeline.adaptation import Adaptation, AdaptationState, Change, Stimulus
from emdr_stream.settings import AdaptationSettings

SETTINGS = AdaptationSettings()
ADVISE = SafetyLevel.ADVISE
STIMULUS_FIELDS = Stimulus.__struct_fields__


def adaptation(speed: float = 1.0, intensity: float = 0.8, duration: float = 24.0) -> Adaptation:
    stimulus = Stimulus(speed, intensity, duration)
    return Adaptation(SETTINGS, AdaptationState(wished=stimulus, current=stimulus))


def a_set(adapting: Adaptation, risk: float, at_ms: int = 100_000) -> Change | None:
    adapting.set_started()
    adapting.in_set(SafetyLevel.NORMAL, risk, at_ms)
    return adapting.set_ended(at_ms + 20_000)


def test_risk_within_a_set_makes_the_stimulus_gentler_one_step_a_dwell_time() -> None:
    """Pitfall 4: a random pattern on every sample above a threshold."""
    adapting = adaptation()
    changes = {ms: adapting.in_set(ADVISE, 0.7, ms) for ms in range(0, 30_000, 100)}
    made = {ms: change for ms, change in changes.items() if change}
    assert list(made) == [0, 10_000, 20_000]
    assert [(c.stimulus.speed, c.stimulus.intensity) for c in made.values()] == [(0.8, 0.6), (0.6, 0.4), (0.4, 0.2)]
    assert all(c.effective == "now" and c.reasons and c.ramp_ms == 2_000 for c in made.values())


def test_below_that_level_a_set_is_left_alone() -> None:
    adapting = adaptation()
    for level in SafetyLevel:
        if level is not ADVISE:
            assert adapting.in_set(level, 0.9, 0) is None


def test_a_hard_set_is_followed_by_one_step_down() -> None:
    change = a_set(adaptation(), 0.55)
    assert change is not None and change.effective == "next_set"
    assert change.stimulus == Stimulus(0.9, 0.8, 20.0)


def test_a_calm_set_is_followed_by_one_step_back_towards_the_wish_and_never_beyond() -> None:
    adapting = adaptation()
    a_set(adapting, 0.9)
    a_set(adapting, 0.9)
    speeds = []
    for number in range(5):
        change = a_set(adapting, 0.1, number * 60_000)
        speeds += [change.stimulus.speed] if change else []
    assert speeds == [0.9, 1.0] and adapting.state.current == adapting.state.wished


def test_a_set_in_between_or_without_scores_changes_nothing() -> None:
    assert a_set(adaptation(), 0.4) is None
    assert a_set(adaptation(), 0.1) is None, "nothing to go back to"
    unscored = adaptation()
    unscored.set_started()
    assert unscored.set_ended(0) is None


def test_after_a_crisis_the_next_set_is_gentler() -> None:
    change = adaptation().after_crisis(0)
    assert change is not None and change.stimulus == Stimulus(0.9, 0.8, 20.0)


def test_at_the_bounds_there_is_nothing_left_to_change() -> None:
    lowest = adaptation(SETTINGS.speed_min_hz, SETTINGS.intensity_min, SETTINGS.duration_min_s)
    assert lowest.in_set(ADVISE, 0.9, 0) is None and lowest.after_crisis(0) is None


def test_what_a_therapist_set_below_the_bounds_stays_there() -> None:
    low = adaptation(0.2, 0.1, 8.0)
    assert low.in_set(ADVISE, 0.9, 0) is None and low.after_crisis(0) is None


STEPS = st.lists(
    st.tuples(st.sampled_from(["start", "end", "crisis", "wish"]), st.floats(0.0, 1.0), st.booleans()), max_size=30
)


@settings(max_examples=60)
@given(STEPS, st.floats(0.2, 2.0), st.floats(0.0, 1.0), st.floats(8.0, 90.0))
def test_no_order_of_events_leaves_the_bounds_or_speeds_a_set_up(
    steps: list[tuple[str, float, bool]], speed: float, intensity: float, duration: float
) -> None:
    adapting, at_ms = adaptation(speed, intensity, duration), 0
    for number, (what, risk, advised) in enumerate(steps):
        at_ms += 7_000
        if what == "wish":
            wished = {"speed": 0.2 + 1.8 * risk, "intensity": risk, "duration": 8 + 82 * risk}
            named = STIMULUS_FIELDS if advised else STIMULUS_FIELDS[number % 3 :][:1]
            adapting.wish(**{name: wished[name] for name in named})
        elif what == "crisis":
            adapting.after_crisis(at_ms)
        elif what == "end":
            adapting.set_ended(at_ms)
        else:
            before = adapting.state.current
            change = adapting.in_set(ADVISE if advised else SafetyLevel.NORMAL, risk, at_ms)
            assert change is None or (
                change.stimulus.speed <= before.speed and change.stimulus.intensity <= before.intensity
            )
        now, own = adapting.state.current, adapting.state.wished
        assert now.speed <= own.speed and now.intensity <= own.intensity and now.duration <= own.duration
        assert now.speed >= min(own.speed, SETTINGS.speed_min_hz)
        assert now.intensity >= min(own.intensity, SETTINGS.intensity_min)
        assert now.duration >= min(own.duration, SETTINGS.duration_min_s)
