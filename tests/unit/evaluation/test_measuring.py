"""Figures over many recordings: known values in simple cases, intervals over persons, baselines that score nothing."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emdr_stream.evaluation.bootstrap import Interval, Persons
from emdr_stream.evaluation.course import Pause
from emdr_stream.evaluation.figures import Figures
from emdr_stream.evaluation.labels import HardNegative, Seconds
from emdr_stream.evaluation.measuring import figures_of
from emdr_stream.evaluation.metrics import metrics_of
from emdr_stream.evaluation.probabilities import (
    area_under_curve,
    brier,
    calibration_error,
    confusion,
    crisis_truth,
    reliability,
)
from tests.unit.evaluation.courses import course, event


def test_never_alarming_scores_nothing_however_often_it_would_be_right() -> None:
    silent = figures_of([course([event(200, 220)], crisis=0.0) for _ in range(5)], "silent")
    assert silent.sensitivity.value == 0.0 and silent.false_alarms_per_hour.value == 0.0
    assert silent.precision is None and silent.median_time_to_alarm_s == Interval()
    assert len(silent.missed) == 5 and "0.00 at most" in silent.missed[0].why


def test_nothing_at_all_gives_null_and_no_error() -> None:
    nothing = figures_of([], "nothing")
    assert nothing.recordings == 0 and nothing.sensitivity == Interval() and nothing.coverage is None


def test_a_simple_set_has_the_figures_one_can_count() -> None:
    courses = [
        course([event(200, 220)], pauses_s=[205], person="a", pauses=[Pause(205_000, 235_000, "crisis")]),
        course([event(200, 220)], alarms_s=[210, 500], person="b"),
        course([event(200, 220)], person="c", pauses=[Pause(100_000, 110_000, "client_stop")]),
        course(person="d", pauses_s=[100], pauses=[Pause(100_000, 130_000, "crisis")]),
    ]
    scored = figures_of(courses, "simple")
    hours = 4 * 600 / 3_600
    assert scored.events == 3
    assert scored.sensitivity.value == pytest.approx(2 / 3)
    assert scored.pause_sensitivity.value == pytest.approx(1 / 3)
    assert scored.false_alarms_per_hour.value == pytest.approx(2 / hours)
    assert scored.false_pauses_per_hour.value == pytest.approx(1 / hours)
    assert scored.precision == pytest.approx(2 / 4)
    assert scored.prevalence == pytest.approx(60 / 2_400)
    assert scored.median_time_to_alarm_s.value == pytest.approx(7.5)
    assert scored.false_pause_share == pytest.approx(30 / 2_400)
    assert scored.other_pauses == {"client_stop": 1}
    assert scored.calm_recordings == 1
    assert scored.calm_pauses_per_hour.value == pytest.approx(6.0)
    assert [each.person for each in scored.missed] == ["c"]


def test_a_pause_that_no_model_asked_for_finds_no_event() -> None:
    stopped = course([event(200, 220)], pauses=[Pause(205_000, 235_000, "client_stop")])
    scored = figures_of([stopped], "stopped")
    assert scored.sensitivity.value == 0.0
    assert "client_stop" in scored.missed[0].why


def test_recordings_with_provoking_hard_negatives_have_a_rate_of_their_own_and_are_not_calm() -> None:
    laughter = HardNegative(kind="laughing", onset_ms=100_000, end_ms=130_000)
    smile = HardNegative(kind="laughing", onset_ms=100_000, end_ms=104_000)
    talk = HardNegative(kind="talking", onset_ms=100_000, end_ms=200_000)
    courses = [course(hard_negatives=[each], pauses_s=[102]) for each in (laughter, smile, talk)]
    scored = figures_of(courses, "hard")
    assert (scored.hard_negative_recordings, scored.calm_recordings) == (1, 2)
    assert scored.hard_negative_pauses_per_hour.value == pytest.approx(6.0)
    assert (scored.hard_negatives, scored.hard_negatives_paused) == (2, 2)


def test_where_events_are_rare_fewer_alarms_are_right() -> None:
    courses = [course([event(200, 220)], alarms_s=[205]), course(alarms_s=[100])]
    scored = figures_of(courses, "rare")
    assert scored.precision == 0.5
    assert scored.rare.precision == pytest.approx(0.05 / (0.05 + 0.95))
    assert scored.rare.false_alarms_per_hour == pytest.approx(0.95 * 6)


def test_families_and_groups_are_told_apart_and_a_gap_needs_enough_events() -> None:
    def of(person: str, expressivity: str, alarms_s: list[float]) -> list[object]:
        return [course([event(200, 220)], alarms_s, person=person, groups={"expressivity": expressivity})] * 10

    scored = figures_of([*of("a", "high", [205]), *of("b", "low", [])], "groups")  # type: ignore[list-item]
    [gap] = scored.gaps
    assert (gap.best, gap.worst, gap.sensitivity_gap) == ("high", "low", 1.0)
    assert [part.name for part in scored.groups["expressivity"]] == ["high", "low"]
    few = figures_of(scored_few := [course([event(200, 220)], groups={"x": name}) for name in "ab"], "few")
    assert len(scored_few) == 2 and few.gaps == []


def test_figures_survive_being_kept_and_metrics_are_rounded() -> None:
    scored = figures_of([course([event(200, 220)], [207.123456])], "kept")
    assert msgspec.json.decode(msgspec.json.encode(scored), type=Figures) == scored
    metrics = metrics_of(scored)
    assert metrics["sensitivity"]["value"] == 1.0 and metrics["median_time_to_alarm_s"]["value"] == 7.123


def test_an_interval_over_persons_is_wider_than_one_over_their_events() -> None:
    """Ten events each of four persons, all or none found: four independent facts, not forty."""
    persons = Persons([f"p{number}" for number in range(4)] * 10)
    names = [f"p{number % 4}" for number in range(40)]
    share = persons.share(persons.sums(names, [float(n % 4 < 2) for n in range(40)]), persons.sums(names, [1.0] * 40))
    assert share.value == 0.5 and share.low is not None and share.high is not None
    assert share.low <= 0.05 and share.high >= 0.95


def test_all_or_nothing_still_has_an_interval() -> None:
    persons = Persons(list("abcde"))
    ones, zeros = np.ones(5), np.zeros(5)
    everything, none = persons.share(ones, ones), persons.share(zeros, ones)
    assert everything.low == pytest.approx(0.478, abs=1e-3) and everything.high == 1.0
    assert none.low == 0.0 and none.high == pytest.approx(0.522, abs=1e-3)
    assert persons.rate(zeros, ones).high == pytest.approx(3.689 / 5, abs=1e-3)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_the_interval_of_a_share_is_in_order_and_holds_shares(rows: list[tuple[str, int, int]]) -> None:
    persons = Persons([who for who, _, _ in rows])
    names = [who for who, _, _ in rows]
    part = persons.sums(names, [float(found) for _, found, _ in rows])
    whole = persons.sums(names, [float(found + missed) for _, found, missed in rows])
    share = persons.share(part, whole)
    if share.value is None:
        assert not whole.any()
    else:
        assert share.low is not None and share.high is not None
        assert 0.0 <= share.low <= share.high <= 1.0
        assert (share.value > 0.0 or share.low == 0.0) and (share.value < 1.0 or share.high == 1.0)


def test_the_same_recordings_give_the_same_intervals() -> None:
    courses = [course([event(200, 220)], [205] if n % 3 else [], person=f"p{n}") for n in range(9)]
    assert figures_of(courses, "x") == figures_of(courses, "x")


def test_a_quantile_of_delays_has_an_interval_over_persons() -> None:
    persons = Persons(list("abcd"))
    median = persons.quantile(list("abcd") * 5, [1.0, 2.0, 3.0, 4.0] * 5, 0.5)
    assert median.value == 2.5
    assert median.low is not None and median.high is not None and median.low < 2.5 < median.high


# probabilities --------------------------------------------------------------------------------------------------------


def test_a_crisis_is_asked_for_from_fifteen_seconds_before_its_onset_and_a_marginal_one_is_not_known() -> None:
    crisis, known = crisis_truth(course([event(200, 220), event(400, 420, marginal=True)], from_s=60))
    assert np.flatnonzero(crisis).tolist() == list(range(185, 220))
    assert not known[:60].any() and not known[385:420].any() and known[60:385].all()


def test_scores_of_probabilities_have_their_known_values() -> None:
    said, true = np.array([0.9, 0.1, 0.9, 0.1]), np.array([1.0, 0.0, 1.0, 0.0])
    assert brier(said, true) == pytest.approx(0.01)
    assert calibration_error(said, true) == pytest.approx(0.1)
    assert area_under_curve(said, true) == 1.0
    assert area_under_curve(np.full(4, 0.5), true) == 0.5
    assert area_under_curve(said, np.zeros(4)) is None
    (low, none, first), (high, all_of_them, second) = reliability(said, true)
    assert low == pytest.approx(0.1) and high == pytest.approx(0.9)
    assert (none, all_of_them, first, second) == (0.0, 1.0, 2, 2)
    assert brier(np.zeros(0), np.zeros(0)) is None and calibration_error(np.zeros(0), np.zeros(0)) is None


def test_shuffled_truth_is_near_chance() -> None:
    rng = np.random.default_rng(3)
    said = rng.random(20_000)
    true = rng.permutation((said > 0.9).astype(np.float64))
    auc = area_under_curve(said, true)
    assert auc is not None and abs(auc - 0.5) < 0.02


def test_states_are_compared_only_where_somebody_was_there_and_something_was_said() -> None:
    seconds = Seconds(
        state=("calm", "calm", "drowsy", "calm"),
        observable=(True, False, True, True),
        present=(True, True, True, False),
        start_ms=100_000,
    )
    some = course(seconds=seconds, state=0)
    assert confusion([some]).tolist()[0][0] == 1 and int(confusion([some]).sum()) == 2
    assert int(confusion([some], observable_only=False).sum()) == 3
    some.watched.state[:] = -1
    assert not confusion([some]).any()
    assert figures_of([some], "unsaid").state_accuracy is None
