"""The comparison with real recordings: its figures on streams whose figures are known, and on the real ones."""

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from emdr_stream.simulation.dynamics import wander
from training.__main__ import main
from training.compare.command import compare
from training.compare.plots import draw
from training.compare.statistics import autocorrelation, face_figures, heart_figures, rise_s
from training.compare.streams import CONTROL, FITTED, STEP_S


def windows(count: int = 200, length: int = 24, sd: float = 0.1) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    found = []
    for _ in range(count):
        window = np.empty((length, 9))
        window[:, :2] = wander(rng, length, np.array([sd, 2 * sd]), np.array([0.4, 0.4]), STEP_S)
        window[:, 2:] = rng.dirichlet(np.ones(7), length)
        found.append(window)
    return found


def test_spread_and_memory_of_a_known_stream_are_found() -> None:
    long = face_figures(windows(count=10, length=4_000), STEP_S)
    assert long.within[0] == pytest.approx(0.1, rel=0.1)
    assert long.within[1] == pytest.approx(0.2, rel=0.1)
    assert long.memory[0, 0] == pytest.approx(np.exp(-STEP_S / 0.4), abs=0.03)
    assert long.flips > 0.5


def test_frames_without_a_reading_are_counted_and_left_out() -> None:
    found = windows(4)
    found[0][:6] = np.nan
    assert face_figures(found, STEP_S).missing == pytest.approx(6 / 96)


def test_windows_that_are_too_short_are_refused() -> None:
    with pytest.raises(ValueError, match="long enough"):
        face_figures(windows(3, length=5), STEP_S)


@pytest.mark.parametrize(("steps", "seconds"), [(1, 0.08), (10, 0.64)])
def test_the_time_of_a_rise_is_from_a_tenth_to_nine_tenths(steps: int, seconds: float) -> None:
    path = np.concatenate([np.zeros(10), np.linspace(0.0, 0.5, steps + 1)[1:], np.full(10, 0.5)])
    assert rise_s(path, STEP_S) == pytest.approx(seconds, abs=0.09)


def test_a_path_that_hardly_rises_has_no_rise() -> None:
    assert rise_s(np.linspace(0.5, 0.0, 24), STEP_S) is None
    assert rise_s(np.full(24, 0.3), STEP_S) is None


def test_white_noise_has_no_memory() -> None:
    noise = [np.random.default_rng(n).standard_normal((500, 1)) for n in range(20)]
    assert autocorrelation(noise, 1)[0] == pytest.approx(0.0, abs=0.05)


def test_hearts_are_measured_by_person() -> None:
    paths = [np.full(400, 60.0 + 10 * n) + np.random.default_rng(n).standard_normal(400) for n in range(4)]
    paths[0][:40] = np.nan
    found = heart_figures(paths)
    assert found.within == pytest.approx(1.0, abs=0.1)
    assert found.between == pytest.approx(12.9, abs=0.5)
    assert found.missing == pytest.approx(0.025)


def test_no_clip_both_fits_and_checks() -> None:
    fitted, control = ({clip for clips in groups.values() for clip in clips} for groups in (FITTED, CONTROL))
    assert not fitted & control
    assert len(fitted | control) == 20


def test_simulated_talk_and_hearts_resemble_the_recordings_that_nothing_was_fitted_on(
    test_data: Path, tmp_path: Path
) -> None:
    found = compare(test_data, 5, video=False, note=Console().print, sessions=15)
    faces, hearts = found.face_figures(), found.heart_figures()
    simulated, control = faces["simulated"], faces["real, control"]
    assert np.all(np.abs(np.log(simulated.within / control.within)) < np.log(2.2))
    assert np.all(np.abs(simulated.memory[:, 0] - control.memory[:, 0]) < 0.1)
    heart, real = hearts["simulated"], hearts["real, control"]
    assert heart.within == pytest.approx(real.within, rel=0.3)
    assert heart.memory[0] == pytest.approx(real.memory[0], abs=0.08)
    assert heart.step == pytest.approx(real.step, abs=0.1)
    drawn = list(draw(found, tmp_path))
    assert all(path.stat().st_size > 5_000 for path in drawn)


def test_a_folder_without_recordings_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "--data", str(tmp_path)]) == 2
    assert "is not there" in capsys.readouterr().out


def test_a_held_out_set_is_written_with_its_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["heldout", "--out", str(tmp_path), "--set", "unseen", "--sessions", "2", "--seed", "3"]) == 0
    assert len(list(tmp_path.glob("*-3-*.jsonl"))) == 2
    assert (tmp_path / "labels.jsonl").is_file()
    assert "in 2 sessions" in " ".join(capsys.readouterr().out.split())
    assert main(["heldout", "--out", str(tmp_path), "--sessions", "0"]) == 2
