"""The safety monitor: its levels enumerated, its alarms shown to fire and not to fire, its promises as properties."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emdr_stream.domain import AlertKind, SafetyLevel, Thresholds
from emdr_stream.pipeline.safety import Decision, LevelEvent, MonitorState, SafetyMonitor, next_level
from emdr_stream.settings import SafetySettings

N, W, A, P, E = SafetyLevel
SETTINGS = SafetySettings()
CALM = {"risk": 0.1, "crisis": 0.05, "numb": 0.02}
EXPECTED = {
    #              N  W  A  P  E
    "watch": (W, W, A, P, E),
    "advise": (A, A, A, P, E),
    "pause": (P, P, P, P, E),
    "unacknowledged": (N, W, A, E, E),
    "acknowledged": (N, W, A, P, P),
    "resumed": (N, W, A, W, W),
    "advice_over": (N, W, W, P, E),
    "calm": (N, N, A, P, E),
}
"""The level after each event, by the level before it: written from the design, not from the code."""


@pytest.mark.parametrize("event", LevelEvent)
@pytest.mark.parametrize("level", SafetyLevel)
def test_every_level_answers_every_event_as_designed(level: SafetyLevel, event: LevelEvent) -> None:
    assert next_level(level, event) is EXPECTED[event.value][list(SafetyLevel).index(level)]


@pytest.mark.parametrize("event", LevelEvent)
def test_only_an_authorised_event_lowers_a_pause(event: LevelEvent) -> None:
    lowered = next_level(P, event) in (N, W, A)
    assert lowered is (event is LevelEvent.RESUMED)


def monitor(**changes: float) -> SafetyMonitor:
    return SafetyMonitor(SETTINGS, Thresholds(**changes))


def fed(watch: SafetyMonitor, seconds: float, *, start_ms: float = 0, **values: float) -> list[tuple[int, Decision]]:
    """Decisions with their times, at ten evaluations a second."""
    scores = CALM | values
    found = []
    for ms in range(int(start_ms), int(start_ms) + round(seconds * 1_000) + 1, 100):
        decisions = watch.update(scores["risk"], scores["crisis"], scores["numb"], ms)
        found += [(ms - int(start_ms), decision) for decision in decisions]
    return found


@pytest.mark.parametrize(
    ("kind", "values", "after_ms"),
    [
        ("crisis", {"crisis": 0.75}, 2_000),
        ("crisis", {"crisis": 0.85}, 1_000),
        ("dissociation", {"numb": 0.8}, 5_000),
        ("high_risk", {"risk": 0.65}, 3_000),
    ],
)
def test_each_alarm_can_fire_and_fires_once(kind: str, values: dict[str, float], after_ms: int) -> None:
    """Pitfall 1: alarms at values that the signal could never reach."""
    decisions = fed(monitor(), 30.0, **values)
    assert [(ms, decision.kind) for ms, decision in decisions] == [(after_ms, kind)]


@pytest.mark.parametrize("values", [{"crisis": 0.7}, {"numb": 0.7}, {"risk": 0.6}, {"risk": 0.0, "crisis": 0.0}])
def test_no_alarm_fires_at_its_threshold_or_below(values: dict[str, float]) -> None:
    """Pitfall 2: calm itself raised an alarm."""
    watch = monitor()
    assert fed(watch, 60.0, **values) == []


@pytest.mark.parametrize("name", ["risk", "crisis", "numb"])
def test_a_number_that_is_none_raises_nothing_and_ends_nothing(name: str) -> None:
    watch = monitor()
    assert fed(watch, 10.0, **{name: float("nan")}) == []
    fed(watch, 3.0, crisis=0.9, start_ms=11_000)
    fed(watch, 10.0, crisis=float("nan"), start_ms=15_000)
    assert watch.state.pause.active and watch.level is P


def test_a_flicker_is_no_crisis_but_hesitation_near_the_threshold_does_not_start_anew() -> None:
    watch = monitor()
    for start in range(0, 20_000, 2_000):
        assert fed(watch, 0.9, crisis=0.75, start_ms=start) == []
        assert fed(watch, 0.9, crisis=0.3, start_ms=start + 1_000) == []
    hesitant = monitor()
    assert fed(hesitant, 1.5, crisis=0.75) == []
    assert fed(hesitant, 5.0, crisis=0.6, start_ms=1_600) == []
    assert fed(hesitant, 1.0, crisis=0.75, start_ms=6_700)[0][1].kind is AlertKind.CRISIS


def test_an_advice_ends_after_ten_calm_seconds() -> None:
    watch = monitor()
    fed(watch, 4.0, risk=0.65)
    assert watch.level is A
    decisions = fed(watch, 20.0, risk=0.3, start_ms=4_100)
    assert [(decision.kind, decision.over) for _, decision in decisions] == [("high_risk", True)]
    assert 10_000 <= decisions[0][0] + 100 <= 10_200 and watch.level is N


@pytest.mark.parametrize("limit", [0.2, 0.3, 0.95])
def test_an_advice_can_end_at_any_threshold_that_may_be_set(limit: float) -> None:
    """A hysteresis as large as the threshold would make the end unreachable."""
    watch = monitor(risk=limit)
    fed(watch, 4.0, risk=min(1.0, limit + 0.02))
    assert fed(watch, 20.0, risk=limit / 2 - 0.02, start_ms=5_000)[0][1].over and watch.level is N


@pytest.mark.parametrize(("pause", "immediate"), [(0.3, 0.3), (0.7, 0.3), (0.2, 0.95), (0.7, 0.7)])
def test_each_threshold_fires_just_above_itself_and_ends_below_itself_wherever_the_others_stand(
    pause: float, immediate: float
) -> None:
    # The end of the higher one was that of the pause: told as 0.3, it did not fire below 0.5.
    limits = {"crisis_pause": pause, "crisis_immediate": immediate}
    ((after_ms, urgent),) = fed(monitor(**limits), 10.0, crisis=immediate + 0.02)[-1:]
    assert (after_ms, urgent.immediate, urgent.threshold) == (1_000, True, immediate)
    lower = min(pause, immediate)
    ((_, first),) = fed(monitor(**limits), 10.0, crisis=lower + 0.02)[:1]
    assert first.threshold == lower
    for limit in {lower, immediate}:
        watch = monitor(**limits)
        fed(watch, 10.0, crisis=limit + 0.02)
        end = max(limit - 0.2, limit / 2)
        fed(watch, 1.0, crisis=end + 0.01, start_ms=10_100)
        state = watch.state.immediate if limit == immediate else watch.state.pause
        assert state.active
        fed(watch, 1.0, crisis=end, start_ms=11_200)
        assert not state.active


def test_after_a_resume_the_known_cause_is_silent_for_a_minute_at_most() -> None:
    watch = monitor()
    fed(watch, 4.0, crisis=0.75)
    watch.resumed(5_000)
    (again,) = fed(watch, 70.0, crisis=0.75, start_ms=5_000)
    assert 60_000 <= again[0] <= 63_000


def test_after_a_resume_a_rise_is_never_silent() -> None:
    watch = monitor()
    fed(watch, 4.0, crisis=0.75)
    watch.resumed(5_000)
    (rise,) = fed(watch, 5.0, crisis=0.85, start_ms=5_000)
    assert rise[1].immediate and rise[0] <= 1_100


def test_a_mute_ends_with_its_cause() -> None:
    watch = monitor()
    fed(watch, 4.0, numb=0.9)
    watch.resumed(6_000)
    watch.note(LevelEvent.CALM)
    fed(watch, 8.0, numb=0.9)
    watch.resumed(9_000)
    assert AlertKind.DISSOCIATION in watch.state.mutes
    fed(watch, 1.0, numb=0.1, start_ms=9_100)
    assert AlertKind.DISSOCIATION not in watch.state.mutes
    assert fed(watch, 6.0, numb=0.9, start_ms=11_000)


def test_risk_that_lasts_through_a_pause_is_still_advised_against_after_it() -> None:
    watch = monitor()
    fed(watch, 4.0, risk=0.9, crisis=0.75)
    assert watch.level is P
    watch.resumed(5_000)
    assert watch.level is A


def test_a_long_gap_counts_for_half_a_second() -> None:
    watch = monitor()
    assert watch.update(0.1, 0.75, 0.0, 0) == []
    assert watch.update(0.1, 0.75, 0.0, 60_000) == []
    assert watch.state.pause.held_ms == 500


PROBABILITY = st.sampled_from([0.0, 0.1, 0.35, 0.45, 0.55, 0.62, 0.68, 0.72, 0.78, 0.82, 0.9, 1.0])
EXACT = st.floats(0.0, 1.0)
SEQUENCE = st.lists(
    st.tuples(PROBABILITY | EXACT, PROBABILITY | EXACT, PROBABILITY | EXACT, st.integers(1, 12)), max_size=12
)
LIMITS = st.builds(
    Thresholds, risk=st.floats(0.2, 0.95), crisis_pause=st.floats(0.2, 0.95), crisis_immediate=st.floats(0.2, 0.95)
)
RANK = {AlertKind.HIGH_RISK: 0, AlertKind.DISSOCIATION: 1, AlertKind.CRISIS: 1}


def first_times(watch: SafetyMonitor, steps: list[tuple[float, float, float]]) -> dict[tuple[str, bool], int]:
    """When each kind of decision was first made; an immediate one counts as the milder one too."""
    found: dict[tuple[str, bool], int] = {}
    for number, (risk, crisis, numb) in enumerate(steps):
        for decision in watch.update(risk, crisis, numb, number * 250):
            if not decision.over:
                for immediate in {False, decision.immediate}:
                    found.setdefault((decision.kind.value, immediate), number)
    return found


def stretched(sequence: list[tuple[float, float, float, int]]) -> list[tuple[float, float, float]]:
    return [(risk, crisis, numb) for risk, crisis, numb, count in sequence for _ in range(count)]


@settings(max_examples=40)
@given(SEQUENCE, st.lists(st.tuples(EXACT, EXACT, EXACT), max_size=144), LIMITS)
def test_more_distress_never_relaxes_the_decision(
    sequence: list[tuple[float, float, float, int]], more: list[tuple[float, float, float]], limits: Thresholds
) -> None:
    """Scores that are higher at every point never give a later or a milder decision."""
    lower = stretched(sequence)
    more += [(0.0, 0.0, 0.0)] * (len(lower) - len(more))
    higher = [
        tuple(min(1.0, a + b) for a, b in zip(low, add, strict=True)) for low, add in zip(lower, more, strict=False)
    ]
    less, worse = SafetyMonitor(SETTINGS, limits), SafetyMonitor(SETTINGS, limits)
    at_less, at_worse = first_times(less, lower), first_times(worse, higher)  # type: ignore[arg-type]
    for decision, number in at_less.items():
        assert at_worse.get(decision, 10**9) <= number


@settings(max_examples=40)
@given(SEQUENCE, LIMITS, st.floats(0.001, 0.5))
def test_it_is_never_silent_above_the_threshold(
    sequence: list[tuple[float, float, float, int]], limits: Thresholds, above: float
) -> None:
    """Whatever came before: a crisis that lasts is decided on, or was and has not ended since."""
    watch = SafetyMonitor(SETTINGS, limits)
    steps = stretched(sequence)
    known = False
    for number, (risk, crisis, numb) in enumerate(steps):
        known |= any(d.kind is AlertKind.CRISIS for d in watch.update(risk, crisis, numb, number * 250))
        known &= watch.state.pause.active
    value = min(1.0, limits.crisis_pause + above)
    start = len(steps) * 250
    for ms in range(start, start + SETTINGS.pause_persist_ms + 251, 250):
        known |= any(d.kind is AlertKind.CRISIS for d in watch.update(0.0, value, 0.0, ms))
    assert known and watch.level in (P, E)


@settings(max_examples=40)
@given(SEQUENCE, st.integers(0, 40))
def test_the_short_way_of_quiet_times_changes_nothing(
    sequence: list[tuple[float, float, float, int]], resumed_at: int
) -> None:
    """Nearly every evaluation takes the short way; the long one must have come to the same."""
    quick, slow = monitor(), monitor()
    for number, values in enumerate(stretched(sequence)):
        slow._quiet = False
        if number == resumed_at:
            quick.resumed(number * 250)
            slow.resumed(number * 250)
        assert quick.update(*values, number * 250) == slow.update(*values, number * 250)
        assert quick.state == slow.state


def test_it_goes_on_from_its_state() -> None:
    one = monitor()
    fed(one, 1.5, crisis=0.75)
    other = SafetyMonitor(SETTINGS, Thresholds(), one.state)
    assert isinstance(other.state, MonitorState)
    assert fed(other, 1.0, crisis=0.75, start_ms=1_600)[0][1].kind is AlertKind.CRISIS
