"""How the progress predictor is fitted and scored: each step against what is known."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from emdr_stream.errors import ConfigurationError
from emdr_stream.inference.manifest import default_models_dir
from emdr_stream.inference.progress_priors import load_current_priors
from emdr_stream.progress.growth import belief_of
from emdr_stream.progress.measures import SCALES, Measure
from emdr_stream.progress.prior import GrowthPrior
from training.__main__ import main
from training.progress.fitting import fit, prior_of, table_of
from training.progress.priors import PCL5
from training.progress.protocol import dropout
from training.progress.rdata import read_frame
from training.progress.scoring import Said, coverage_of, forecasts, population_of, skill_of
from training.progress.series import BDI, Person, Series, real_series
from training.progress.simulator import Constants, invent

UNFITTED = GrowthPrior(start_mean=0.0, start_sd=1.0, slope_mean=0.0, slope_sd=1.0, residual_sd=1.0)


def _drawn(persons: int, wander: float) -> list[Person]:
    """Of start 40 (10), slope -6 (4), correlation -0.5, residual 3."""
    rng = np.random.default_rng(11)
    covariance = [[100.0, -20.0], [-20.0, 16.0]]
    found = []
    for number in range(persons):
        start, slope = rng.multivariate_normal([40.0, -6.0], covariance)
        seen = np.flatnonzero(rng.random(9) < 0.8)
        seen[0] = 0
        drift = np.cumsum(np.concatenate([[0.0], rng.normal(0.0, wander, 8)]))
        values = start + slope * np.log1p(np.arange(9)) + drift + rng.normal(0.0, 3.0, 9)
        found.append(Person(str(number), seen, values[seen]))
    return found


def test_a_population_is_found_again_from_its_courses_missing_ratings_or_not() -> None:
    prior = prior_of(fit(table_of(_drawn(400, 0.0), BDI), rounds=80, wanders=(0.0, 0.2)), UNFITTED)
    assert prior.start_mean == pytest.approx(40.0, abs=1.2)
    assert prior.start_sd == pytest.approx(10.0, abs=0.9)
    assert prior.slope_mean == pytest.approx(-6.0, abs=0.6)
    assert prior.slope_sd == pytest.approx(4.0, abs=0.6)
    assert prior.correlation == pytest.approx(-0.5, abs=0.12)
    assert prior.residual_sd == pytest.approx(3.0, abs=0.2)


def test_wander_is_found_where_there_is_some() -> None:
    prior = prior_of(fit(table_of(_drawn(200, 2.5), BDI), rounds=80, wanders=(0.0, 0.7, 3.2)), UNFITTED)
    assert prior.wander_sd == pytest.approx(2.5, abs=0.6)


def test_the_likelihood_of_the_fit_is_that_of_the_filter() -> None:
    persons = _drawn(30, 1.0)
    found = fit(table_of(persons, BDI), rounds=200, wanders=(0.1,))
    prior = msgspec.structs.replace(prior_of(found, UNFITTED), outlier_share=0.0)
    ratings = sum(len(person.values) for person in persons)
    filtered = sum(
        belief_of(prior, person.sessions.astype(np.float64), person.values).log_likelihood for person in persons
    )
    assert filtered == pytest.approx(found.log_likelihood - 0.5 * ratings * np.log(2 * np.pi), rel=1e-3)


def test_simulated_courses_are_those_of_their_constants() -> None:
    invented = invent(400, 5)
    starts = np.array([person.values[0] for person in invented.pcl5])
    assert starts.mean() == pytest.approx(50.0, abs=2.0)
    assert starts.std() == pytest.approx((12.0**2 + 6.0**2) ** 0.5, abs=1.5)
    assert 0.10 < np.mean([person.sessions[-1] < 10 for person in invented.pcl5]) < 0.40
    for measure, persons in zip(Measure, (invented.pcl5, invented.sud, invented.voc), strict=True):
        scale = SCALES[measure]
        assert all((person.values >= scale.low).all() and (person.values <= scale.high).all() for person in persons)
        assert all(person.sessions[0] == 0 and (np.diff(person.sessions) > 0).all() for person in persons)


def test_a_person_is_the_same_in_a_larger_crowd_and_constants_matter() -> None:
    few, many = invent(2, 9), invent(5, 9)
    np.testing.assert_array_equal(few.sud[1].values, many.sud[1].values)
    steep = invent(100, 9, Constants(slope=(-22.0, 1.0), dropout=0.0)).pcl5
    assert np.mean([person.values[-1] for person in steep]) < 8.0


def test_rivals_and_population_are_worked_out_by_hand() -> None:
    others = [
        Person("a", np.array([0, 1, 2]), np.array([40.0, 30.0, 20.0])),
        Person("b", np.array([0, 2]), np.array([20.0, 18.0])),
    ]
    population = population_of(others, BDI, PCL5, 3)
    assert population.means.tolist() == [30.0, 30.0, 19.0]
    assert population.changed.tolist() == [0.0, 1.0, 0.5]
    said = forecasts(Person("c", np.array([0, 2]), np.array([30.0, 10.0])), BDI, population)
    [one] = said
    assert (one.known, one.seen, one.session, one.carried, one.usual_mean) == (1, 0, 2, 30.0, 19.0)
    assert (one.usual, one.change) == (0.5, 1.0)


def _said(person: str, value: float, mean: float, chance: float, change: float) -> Said:
    return Said(
        person=person, known=2, seen=1, session=2, value=value, mean=mean, low90=mean - 4, low50=mean - 1,
        high50=mean + 1, high90=mean + 4, carried=20.0, usual_mean=10.0, chance=chance, usual=0.5, change=change,
    )  # fmt: skip


def test_skill_and_coverage_are_worked_out_by_hand() -> None:
    said = [_said("a", 12.0, 10.0, 0.9, 1.0), _said("b", 8.0, 8.0, 0.2, 0.0), _said("c", 5.0, 10.0, 0.5, 1.0)]
    skill = skill_of("x", said, lambda each: True)
    assert skill is not None
    assert skill.rmse == pytest.approx(((4 + 0 + 25) / 3) ** 0.5)
    assert skill.rmse_carried == pytest.approx(((64 + 144 + 225) / 3) ** 0.5)
    assert skill.over_mean.value == pytest.approx(1 - 29 / (4 + 4 + 25))
    assert skill.brier == pytest.approx((0.01 + 0.04 + 0.25) / 3)
    assert skill.brier_base == pytest.approx(0.25)
    cover = coverage_of(said)
    assert (cover.inside50.value, cover.inside90.value) == pytest.approx((1 / 3, 2 / 3))
    assert skill_of("none", said, lambda each: False) is None


def test_visits_after_which_nobody_came_are_counted_among_those_at_risk() -> None:
    persons = tuple(Person(str(n), np.arange(n + 1), np.zeros(n + 1)) for n in (0, 2, 4))
    # At risk after visits 0 to 3: 1 + 3 + 4; two ended.
    assert dropout(Series("s", "", BDI, persons, 4)) == pytest.approx(2 / 8)


def test_the_real_series_are_read_as_they_are(test_data: Path) -> None:
    btheb, gains = real_series(test_data)
    assert (len(btheb.persons), btheb.persons[1].values.tolist()) == (100, [32.0, 16.0, 24.0, 17.0, 20.0])
    assert sum(int(person.sessions[-1]) == 4 for person in btheb.persons) == 52
    assert "probably simulated" in gains.note
    assert all(person.values.max() <= 63 and len(person.values) <= 13 for person in gains.persons)


def test_what_is_no_data_frame_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.RData"
    path.write_bytes(b"RDX3\n")
    with pytest.raises(ConfigurationError, match="cannot be read as a data frame"):
        read_frame(path)
    with pytest.raises(ConfigurationError, match="no folder `outcomes`"):
        real_series(tmp_path)


def test_the_shipped_metrics_are_those_of_its_card_and_stay_within_the_targets() -> None:
    loaded = load_current_priors(default_models_dir())
    assert loaded.priors[Measure.PCL5] == PCL5
    folder = default_models_dir() / "progress" / loaded.version
    metrics = json.loads((folder / "manifest.json").read_text())["metrics"]
    card = (folder / "CARD.md").read_text()
    pcl5 = metrics["simulated"]["pcl5"]
    assert pcl5["start"]["r2"] >= 0.15 and pcl5["mid_course"]["r2"] >= 0.55
    assert 0.85 <= pcl5["coverage"]["inside90"]["value"] <= 0.95
    page = (default_models_dir().parent / "docs" / "progress.md").read_text()
    for name, scored in (metrics["simulated"] | metrics["real"]).items():
        for skill in (scored["start"], scored["mid_course"], scored["rating_before"]):
            row = f"| {name} | {skill['name']} | {skill['persons']} | {skill['rmse']:.2f} |"
            assert row in card and row in page


@pytest.mark.timeout(300)
def test_a_quick_run_writes_a_version_that_loads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["progress", "--quick", "--out", str(tmp_path), "--version", "7"]) == 0
    assert "inside 90 %" in capsys.readouterr().out
    assert load_current_priors(tmp_path).version == "7"
    card = (tmp_path / "progress" / "7" / "CARD.md").read_text()
    assert "`python -m training progress --quick --version 7`" in card and "simulated" in card
