"""The personal baseline: the first calm minute, with a population behind it."""

from dataclasses import replace
from math import nan

import msgspec
import pytest

from emdr_stream.domain import N_SIGNALS
from emdr_stream.pipeline.baseline import PRIOR_DEVIATION, PRIOR_MEAN, Baseline, BaselinePrior, BaselineState
from emdr_stream.settings import BaselineSettings

SETTINGS = BaselineSettings()


def filled(values: tuple[float, ...], seconds: float = 60.0, prior: BaselinePrior | None = None) -> Baseline:
    baseline = Baseline(SETTINGS, prior)
    for _ in range(round(seconds * 10)):
        baseline.take(values, 0.1)
    return baseline


def test_it_stands_after_its_minute_and_says_so_once() -> None:
    baseline = Baseline(SETTINGS)
    told = [baseline.take((0.3,) * N_SIGNALS, 0.5) for _ in range(200)]
    assert told.index(True) == 119 and told.count(True) == 1


def test_sureness_grows_with_what_was_seen() -> None:
    assert Baseline(SETTINGS).sureness == 0.0
    assert filled((0.3,) * N_SIGNALS, 30.0).sureness == pytest.approx(0.5)
    assert filled((0.3,) * N_SIGNALS, 90.0).sureness == 1.0


def test_the_mean_is_the_persons_own() -> None:
    assert list(filled((0.37,) * N_SIGNALS, 61.0).mean) == pytest.approx([0.37] * N_SIGNALS)


def test_a_steady_face_is_not_taken_for_an_infinitely_steady_one() -> None:
    baseline = filled((0.37,) * N_SIGNALS, 61.0)
    for deviation, prior in zip(baseline.deviation, PRIOR_DEVIATION, strict=True):
        assert 0.25 * prior <= deviation < prior


def test_a_lively_face_has_its_own_spread() -> None:
    baseline = Baseline(SETTINGS)
    for number in range(700):
        baseline.take((0.3 + 0.3 * (-1) ** number,) * N_SIGNALS, 0.1)
    assert baseline.deviation[0] == pytest.approx((0.09 * 60 / 70 + 0.12**2 * 10 / 70) ** 0.5, rel=0.01)


def test_a_signal_that_was_hardly_seen_has_no_baseline() -> None:
    baseline = filled((nan, *[0.3] * (N_SIGNALS - 1)), 61.0)
    assert baseline.ready and baseline.mean[0] != baseline.mean[0] and baseline.mean[1] == pytest.approx(0.3)
    assert baseline.deviation[0] == PRIOR_DEVIATION[0]


def test_once_it_stands_it_stays() -> None:
    baseline = filled((0.3,) * N_SIGNALS, 61.0)
    before = baseline.mean.copy()
    baseline.take((0.9,) * N_SIGNALS, 30.0)
    assert (baseline.mean == before).all()


def test_earlier_sessions_of_the_client_may_be_the_prior() -> None:
    prior = BaselinePrior(mean=PRIOR_MEAN, deviation=tuple(2 * d for d in PRIOR_DEVIATION))
    wide, narrow = filled((0.3,) * N_SIGNALS, 61.0, prior), filled((0.3,) * N_SIGNALS, 61.0)
    assert (wide.deviation > narrow.deviation).all()


def test_it_goes_on_from_its_snapshot() -> None:
    half = filled((0.3,) * N_SIGNALS, 30.0)
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(half.state), type=BaselineState)
    resumed = Baseline(replace(SETTINGS), None, state)
    assert resumed.sureness == pytest.approx(0.5)
    for baseline in (half, resumed):
        for _ in range(400):
            baseline.take((0.5,) * N_SIGNALS, 0.1)
    assert resumed.ready and list(resumed.mean) == list(half.mean)
    assert Baseline(SETTINGS, None, resumed.state).ready
