"""Forecasts: the bounds of scales, what is refused, milestones, the expected band, and calibration on the model's own
courses."""

import json

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emdr_stream.inference.manifest import default_models_dir
from emdr_stream.inference.progress_priors import load_current_priors
from emdr_stream.progress.course import Course
from emdr_stream.progress.forecast import Forecast, NotEnoughData, Track, forecast
from emdr_stream.progress.growth import belief_of
from emdr_stream.progress.measures import SCALES, Measure
from emdr_stream.progress.paths import PATHS, paths_of
from emdr_stream.progress.prior import GrowthPrior

PRIORS = load_current_priors(default_models_dir()).priors


def _said(measure: Measure, sessions: tuple[int, ...], values: tuple[float, ...], horizon: int = 12) -> Forecast:
    said = forecast(Course(measure, "", sessions, values), SCALES[measure], PRIORS[measure], horizon)
    assert isinstance(said, Forecast)
    return said


@pytest.mark.parametrize("measure", Measure)
def test_one_point_is_not_enough_and_the_reason_is_named(measure: Measure) -> None:
    said = forecast(Course(measure, "", (3,), (5.0,)), SCALES[measure], PRIORS[measure])
    assert said == NotEnoughData(measure.value, "", have=1)
    assert (said.reason, said.need) == ("fewer_than_two_points", 2)


@given(st.sampled_from(Measure), st.data())
@settings(max_examples=30)
def test_no_forecast_leaves_its_scale_and_its_intervals_are_nested(measure: Measure, data: st.DataObject) -> None:
    scale = SCALES[measure]
    gaps = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    sessions = tuple(np.cumsum([0, *gaps]).tolist())
    values = tuple(float(data.draw(st.integers(int(scale.low), int(scale.high)))) for _ in sessions)
    for ahead in _said(measure, sessions, values, 4).trajectory:
        ordered = [scale.low, ahead.low90, ahead.low50, ahead.median, ahead.high50, ahead.high90, scale.high]
        assert ordered == sorted(ordered)


@pytest.mark.parametrize("measure", Measure)
def test_the_model_s_scale_is_left_as_it_was_entered(measure: Measure) -> None:
    scale = SCALES[measure]
    values = np.arange(scale.low, scale.high + 1)
    np.testing.assert_allclose(scale.from_model(scale.to_model(values)), values, atol=1e-9)


def test_the_same_course_gives_the_same_forecast_wherever_its_sessions_begin() -> None:
    first = _said(Measure.PCL5, (0, 1, 3), (52.0, 47.0, 40.0))
    assert _said(Measure.PCL5, (0, 1, 3), (52.0, 47.0, 40.0)) == first
    later = _said(Measure.PCL5, (4, 5, 7), (52.0, 47.0, 40.0))
    assert [each.median for each in later.trajectory] == [each.median for each in first.trajectory]
    assert later.trajectory[0].session == first.trajectory[0].session + 4


def test_the_median_of_a_plain_forecast_is_the_line_that_is_worked_out_by_hand() -> None:
    # As in test_growth, but log(1 + t) of the second rating is L = log 2: its variance is 0.5 + L² + 1, the gain
    # (0.5, L) / that, the surprise 3 - 1.
    prior = GrowthPrior(start_mean=0.0, start_sd=1.0, slope_mean=0.0, slope_sd=1.0, residual_sd=1.0, outlier_share=0.0)
    growth = np.log(2.0)
    spread = 0.5 + growth**2 + 1.0
    level, slope = 1.0 + 2.0 * 0.5 / spread, 2.0 * growth / spread
    ratings = paths_of(belief_of(prior, [0, 1], [2.0, 3.0]), prior, SCALES[Measure.PCL5], 1).ratings
    # Values below 0 are cut off on this scale; the median is not.
    assert float(np.median(ratings)) == pytest.approx(level + slope * np.log(3.0), abs=4.0 / PATHS**0.5)


def test_milestones_come_in_order_and_are_over_when_they_are_reached() -> None:
    begin = _said(Measure.PCL5, (0, 1), (60.0, 55.0))
    assert begin.next_milestone is not None
    assert begin.next_milestone.goal == "reliable change of 15"
    middle = _said(Measure.PCL5, (0, 1, 2), (60.0, 50.0, 40.0))
    assert middle.next_milestone is not None
    assert middle.next_milestone.goal == "28 or less"
    end = _said(Measure.PCL5, (0, 1, 2, 3), (60.0, 45.0, 30.0, 20.0))
    assert (end.next_milestone, end.completed) == (None, True)


def test_completion_needs_all_goals_and_its_interval_is_in_order() -> None:
    said = _said(Measure.PCL5, (0, 1, 2, 3), (52.0, 45.0, 41.0, 37.0)).completion
    given_sessions = [said.low90, said.low50, said.session, said.high50, said.high90]
    ordered = [each if each is not None else 99 for each in given_sessions]
    assert ordered == sorted(ordered)
    assert 0.0 < said.attended < said.within_horizon < 1.0
    low_start = _said(Measure.PCL5, (0, 1), (25.0, 24.0))
    assert not low_start.completed, "28 or less alone is no reliable change"


def test_a_longer_look_ahead_never_lowers_the_chance_of_completion() -> None:
    chances = [_said(Measure.SUD, (0, 1), (8.0, 5.0), horizon).completion.within_horizon for horizon in (2, 6, 12, 24)]
    assert chances == sorted(chances)


def test_the_next_session_is_forecast_the_same_however_far_one_looks() -> None:
    near, far = (_said(Measure.PCL5, (0, 2), (52.0, 47.0), horizon) for horizon in (1, 20))
    assert near.trajectory[0] == far.trajectory[0]


def test_the_chance_of_reliable_change_grows_along_an_improving_course() -> None:
    said = _said(Measure.PCL5, (0, 1, 2, 3), (52.0, 47.0, 43.0, 41.0))
    chances = [each.reliable_change or 0.0 for each in said.trajectory]
    assert chances[-1] > chances[0] > 0.2
    assert _said(Measure.VOC, (0, 1), (2.0, 3.0)).trajectory[0].reliable_change is None


def test_those_who_stay_are_fewer_each_session_as_the_hazard_says() -> None:
    said = _said(Measure.PCL5, (0, 1), (52.0, 47.0))
    assert [each.attends for each in said.trajectory[:2]] == pytest.approx([0.98, 0.98**2])


@pytest.mark.parametrize(
    ("values", "track"),
    [((50.0, 10.0), Track.AHEAD), ((50.0, 43.0), Track.ON_TRACK), ((50.0, 70.0), Track.BEHIND)],
)
def test_the_last_rating_is_held_against_the_80_per_cent_band(values: tuple[float, ...], track: Track) -> None:
    assert _said(Measure.PCL5, (0, 1), values).track is track


def test_better_is_upwards_for_voc() -> None:
    assert _said(Measure.VOC, (0, 1, 6), (3.0, 3.0, 1.0)).track is Track.BEHIND


def test_eighty_of_a_hundred_of_the_population_s_own_courses_are_on_track() -> None:
    prior = msgspec.structs.replace(PRIORS[Measure.PCL5], jump_chance=0.0, outlier_share=0.0)
    rng = np.random.default_rng(3)
    tracks = []
    for _ in range(100):
        start, slope = rng.normal(50.0, 12.0), rng.normal(-11.0, 8.0)
        levels = start + slope * np.log1p([0, 5])
        values = np.clip(levels + rng.normal(0.0, 6.0, 2), 0.0, 80.0)
        course = Course(Measure.PCL5, "", (0, 5), tuple(values.tolist()))
        said = forecast(course, SCALES[Measure.PCL5], prior, 1)
        assert isinstance(said, Forecast)
        tracks.append(said.track)
    # Within 2.5 standard errors of 100 persons.
    assert 0.70 <= tracks.count(Track.ON_TRACK) / 100 <= 0.90


def test_intervals_cover_what_they_promise_on_courses_of_the_prior() -> None:
    # A population that stays clear of the ends of the scale, where all ratings would lie inside.
    clear = {
        "start_mean": 50.0,
        "start_sd": 6.0,
        "slope_mean": -4.0,
        "slope_sd": 4.0,
        "jump_mean": -8.0,
        "jump_sd": 2.0,
    }
    prior, scale = msgspec.structs.replace(PRIORS[Measure.PCL5], **clear), SCALES[Measure.PCL5]
    rng = np.random.default_rng(7)
    below = []
    for _ in range(600):
        jumps = (rng.random(8) < prior.jump_chance) * rng.normal(prior.jump_mean, prior.jump_sd, 8)
        jumps[0] = 0.0
        levels = rng.normal(50.0, 6.0) + rng.normal(-4.0, 4.0) * np.log1p(np.arange(8)) + np.cumsum(jumps)
        width = np.where(rng.random(8) < prior.outlier_share, prior.outlier_scale, 1.0) * prior.inner_sd
        values = levels + rng.normal(size=8) * width
        ratings = paths_of(belief_of(prior, [0, 1, 2, 3], values[:4]), prior, scale, 4).ratings
        below.append(float((ratings[:, -1] < values[7]).mean()))
    share = np.array(below)
    # Within 2.5 standard errors of 600 persons.
    assert 0.45 <= ((share > 0.25) & (share < 0.75)).mean() <= 0.55
    assert 0.87 <= ((share > 0.05) & (share < 0.95)).mean() <= 0.93


def test_a_horizon_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="horizon is 0"):
        _said(Measure.SUD, (0, 1), (8.0, 6.0), 0)


def test_a_forecast_is_plain_json() -> None:
    said = json.loads(msgspec.json.encode(_said(Measure.SUD, (0, 1), (8.0, 6.0))))
    assert said["track"] in set(Track)
    assert len(said["trajectory"]) == 12
