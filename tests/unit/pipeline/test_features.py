"""Features mean what their names say, and a row's features never depend on its neighbours."""

from math import nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emdr_stream.domain import N_SIGNALS, SIGNALS
from emdr_stream.pipeline.features import FEATURE_NAMES, N_FEATURES, ROW_LENGTH, Deriver, Row, recent_levels
from emdr_stream.pipeline.moments import Moments

MEAN, DEVIATION = 0.2, 0.1


def row_of(series: list[tuple[float, ...]], context: tuple[float, float, float] = (0.0, 0.0, 1.0)) -> np.ndarray:
    """The row after these values, one each 100 ms."""
    moments, row = Moments(), Row()
    for number, values in enumerate(series):
        moments.add(10 * number, values, 0.1, 0.1)
    row.set_baseline(np.full(N_SIGNALS, MEAN), np.full(N_SIGNALS, DEVIATION))
    return row.fill(moments.sums, context)


def named(features: np.ndarray) -> dict[str, float]:
    return dict(zip(FEATURE_NAMES, map(float, features), strict=True))


def constant(value: float, count: int = 12_000) -> list[tuple[float, ...]]:
    return [(value,) * N_SIGNALS] * count


def test_names_are_distinct_and_as_many_as_features() -> None:
    assert len(set(FEATURE_NAMES)) == N_FEATURES and all("_" in name for name in FEATURE_NAMES)


@pytest.mark.parametrize("value", [-0.3, 0.2, 0.7])
def test_a_constant_signal_has_its_level_and_no_slope_or_variability(value: float) -> None:
    features = named(Deriver(1)(row_of(constant(value))[None])[0])
    for window in ("5s", "20s", "60s", "180s"):
        assert features[f"level_valence_{window}"] == pytest.approx((value - MEAN) / DEVIATION, abs=1e-4)
        assert features[f"slope_valence_{window}"] == pytest.approx(0.0, abs=1e-4)
        assert features[f"variability_valence_{window}"] == pytest.approx(0.0, abs=2e-3)
        assert features[f"presence_valence_{window}"] == pytest.approx(1.0, abs=1e-4)


def test_a_rise_has_a_positive_slope_and_an_alternation_variability() -> None:
    rising = row_of([*constant(0.2), *constant(0.5, 20)])
    assert named(Deriver(1)(rising[None])[0])["slope_arousal_20s"] > 0.5
    swinging = row_of([((-1.0) ** n * 0.1 + MEAN,) * N_SIGNALS for n in range(3_000)])
    features = named(Deriver(1)(swinging[None])[0])
    assert features["variability_fear_20s"] == pytest.approx(1.0, abs=0.02)
    assert features["level_fear_20s"] == pytest.approx(0.0, abs=0.02)


def test_what_was_before_the_session_counts_as_calm() -> None:
    """Half a minute of something strong is a fifth of a window of three minutes that it has to fill."""
    features = named(Deriver(1)(row_of(constant(0.7, 300))[None])[0])
    assert features["level_fear_5s"] == pytest.approx(5.0, abs=1e-3)
    assert features["level_fear_180s"] == pytest.approx(5.0 * (1.0 - np.exp(-30.0 / 90.0)), rel=0.01)
    assert features["slope_fear_180s"] > 1.5
    assert features["presence_fear_180s"] == pytest.approx(1.0, abs=1e-4)


def test_a_missing_signal_reads_as_its_baseline_and_as_absent() -> None:
    series = [(nan, *[0.5] * (N_SIGNALS - 1))] * 200
    features = named(Deriver(1)(row_of(series)[None])[0])
    assert features["level_valence_5s"] == features["variability_valence_5s"] == features["presence_valence_5s"] == 0.0
    assert features["level_arousal_5s"] == pytest.approx(3.0, abs=1e-4)


def test_a_signal_without_a_baseline_reads_nothing() -> None:
    moments, row = Moments(), Row()
    moments.add(0, (0.5,) * N_SIGNALS, 0.1, 0.1)
    row.set_baseline(np.full(N_SIGNALS, nan), np.full(N_SIGNALS, DEVIATION))
    features = Deriver(1)(row.fill(moments.sums, (0.0, 0.0, 1.0))[None])[0]
    assert np.isfinite(features).all()
    assert not features[: 12 * len(SIGNALS)].any()


def test_context_is_handed_through() -> None:
    features = named(Deriver(1)(row_of(constant(0.2, 10), (1.0, 0.4, 0.7))[None])[0])
    assert (features["in_set"], features["set_time"], features["baseline_sureness"]) == pytest.approx((1.0, 0.4, 0.7))


@pytest.mark.parametrize("count", [1, 2, 7, 16])
def test_a_row_does_not_depend_on_its_neighbours_to_the_bit(count: int) -> None:
    chance = np.random.default_rng(count)
    values = chance.uniform(-1, 1, (count, 8, N_SIGNALS))
    values[chance.random(values.shape) < 0.1] = nan
    rows = np.stack([row_of([tuple(each) for each in series]) for series in values])
    together = Deriver(16)(rows).tobytes()
    alone = b"".join(Deriver(1)(rows[i : i + 1]).tobytes() for i in range(count))
    assert together == alone


@settings(max_examples=15)
@given(
    st.lists(
        st.lists(st.one_of(st.just(nan), st.floats(-1, 1)), min_size=N_SIGNALS, max_size=N_SIGNALS),
        min_size=1,
        max_size=4,
    )
)
def test_features_are_always_finite(series: list[list[float]]) -> None:
    row = row_of([tuple(values) for values in series])
    assert row.shape == (ROW_LENGTH,)
    assert np.isfinite(Deriver(1)(row[None])).all()


def test_a_result_is_good_until_the_next_call() -> None:
    deriver = Deriver(2)
    first = deriver(row_of(constant(0.2, 5))[None])
    kept = first.copy()
    deriver(row_of(constant(0.9, 5))[None])
    assert not (first == kept).all()


@pytest.mark.parametrize("gap", [(), (0, 3), tuple(range(N_SIGNALS))])
def test_the_levels_of_one_row_are_those_that_the_models_see(gap: tuple[int, ...]) -> None:
    rng = np.random.default_rng(3)
    series = [tuple(nan if i in gap else float(rng.normal(0.3, 0.2)) for i in range(N_SIGNALS)) for _ in range(90)]
    row = row_of(series)
    np.testing.assert_allclose(recent_levels(row), Deriver(1)(row[None])[0, :N_SIGNALS], rtol=1e-6, atol=1e-7)


def test_an_empty_row_has_levels_of_nothing() -> None:
    assert recent_levels(np.zeros(ROW_LENGTH)) == [0.0] * N_SIGNALS
