"""The training of face_expression: which faces it may see, how its answers are corrected, what its figures mean."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is in no lock file: pip install torch")

from emdr_stream.domain import EMOTIONS
from emdr_stream.vision.expression import load_expression
from training.expression.calibration import (
    Answers,
    Calibration,
    Calibrations,
    calibrate,
    calibrate_camera,
    calibration_error,
    concordance,
    macro_f1,
    three_recalls,
    with_temperature,
)
from training.expression.config import load_recipes
from training.expression.dataset import in_padded, web_faces
from training.expression.export import Made, export_faces, export_landmarks
from training.expression.faces import TEST, TRAINED_ON, UNSURE, FerPlus, Picture, read_ferplus, read_pictures
from training.expression.figures import figures, three_way
from training.expression.landmarks import padded, plain_landmarks
from training.expression.plain import LandmarksNetwork
from training.expression.train import built

JOY, SADNESS, ANGER, FEAR, SURPRISE, DISGUST, NEUTRAL = range(7)


def test_half_of_the_synthetic_faces_may_never_train() -> None:
    """SHA-256 of `aksjlkjl_0.jpg` ends in f, of `a.jpg` in e."""
    assert not Picture(Path("x/aksjlkjl_0.jpg"), JOY).held_out
    assert Picture(Path("x/a.jpg"), JOY).held_out


def test_the_test_split_is_refused_to_the_training(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="evaluation alone"):
        web_faces(tmp_path, tmp_path, tmp_path, TEST, lambda done, count: None)


def test_only_two_sets_train() -> None:
    assert TRAINED_ON == ("ferplus", "synthetic")


def test_a_web_face_has_a_class_only_where_one_leads() -> None:
    votes = np.zeros((4, 7), np.float32)
    votes[0, JOY], votes[0, NEUTRAL] = 6, 4
    votes[1, SADNESS], votes[1, FEAR] = 5, 5
    votes[2, ANGER] = 4
    votes[3, DISGUST] = 4
    other, unsure = np.array([0, 0, 5, 0], np.float32), np.array([0, 0, 0, 6], np.float32)
    zeros = np.zeros(4, np.int64)
    web = FerPlus(np.zeros((4, 48, 48), np.uint8), votes, other, unsure, zeros, zeros)
    assert web.label().tolist() == [JOY, UNSURE, UNSURE, UNSURE]
    assert web.agreed().tolist() == [True, False, False, False]


def test_the_real_sets_are_what_their_page_says(test_data: Path) -> None:
    web = read_ferplus(test_data)
    assert [int((web.split == s).sum()) for s in range(3)] == [28_558, 3_579, 3_573]
    # The word by which a picture was found is mostly what raters see in it; a wrong order of classes would not be.
    both = (web.label() != UNSURE) & (web.intent != UNSURE)
    assert (web.label() == web.intent)[both].mean() > 0.6
    performers = read_pictures(test_data, "performers")
    assert (len(performers), len({p.person for p in performers})) == (651, 15)
    assert len({p.person for p in read_pictures(test_data, "ckplus")}) > 100
    synthetic = read_pictures(test_data, "synthetic")
    assert len(synthetic) == 1_289
    assert sum(p.affect is not None for p in synthetic) > 1_270


def test_a_small_picture_is_enlarged_and_framed() -> None:
    picture = np.full((48, 48), 200, np.uint8)
    large = padded(picture, 192, 64)
    assert large.shape == (320, 320, 3)
    assert large[0, 0].tolist() == [127, 127, 127]
    assert large[160, 160].tolist() == [200, 200, 200]
    centre = np.full((478, 3), 0.5, np.float32)
    assert in_padded(centre, 192, 64)[0, :2].tolist() == [0.5, 0.5]
    assert in_padded(plain_landmarks(), 192, 64)[33, 0] == pytest.approx((plain_landmarks()[33, 0] * 192 + 64) / 320)


def said_of(label: list[int], strength: float, intent: list[int] | None = None) -> Answers:
    """Answers that name `label` with some strength, and mean `intent`."""
    said = np.zeros((len(label), 16), np.float32)
    said[np.arange(len(label)), label] = strength
    said[np.arange(len(label)), 7 + np.array(intent or label)] = strength
    return Answers(said, np.array(label), np.array(intent or label))


def test_the_temperature_undoes_what_is_too_sure() -> None:
    draw = np.random.default_rng(5)
    true = draw.integers(0, 7, 4000)
    logits = np.zeros((4000, 16), np.float32)
    logits[np.arange(4000), true] = 1.5
    logits[:, :7] += draw.gumbel(size=(4000, 7))
    web = Answers(logits * 3, true, true)
    flat = Calibration(0.0, 0.0, 1.0, (0.0,) * 7)
    fitted = with_temperature(flat, web, 0.04)
    assert fitted.temperature > 2
    before, after = (calibration_error(c.chances(web.said), web.label) for c in (flat, fitted))
    assert after < before / 2


def test_a_rare_class_is_helped_as_far_as_the_floor_allows() -> None:
    """Fear is rare on the web, and half of it is read as neutral there: without a correction it stays so."""
    prior = np.array([0.25, 0.2, 0.1, 0.02, 0.1, 0.03, 0.3], np.float32)
    web = said_of([JOY] * 50 + [NEUTRAL] * 50 + [FEAR] * 4, 1.0)
    web.said[-2:, NEUTRAL] = 1.4
    web.said[50:60, FEAR] = 0.8  # neutral faces that a strong correction would lose
    flat = Calibration(0.0, 0.0, 1.0, (0.0,) * 7)
    assert (flat.logits(web.said)[-2:].argmax(1) == NEUTRAL).all()
    chosen = calibrate(web, prior, 0.95)
    assert chosen.prior_power > 0
    read = chosen.logits(web.said).argmax(1)
    assert (read[-4:] == FEAR).all()
    assert (read == web.label).mean() >= 0.95


def test_before_a_camera_distress_is_found_although_the_web_shows_little_of_it() -> None:
    """What half of the sad faces say is nearly neutral: on the web that is the better guess, before a camera not."""
    prior = np.array([0.25, 0.1, 0.08, 0.05, 0.1, 0.02, 0.4], np.float32)
    web = said_of([JOY] * 60 + [SADNESS] * 20 + [NEUTRAL] * 90, 4.0)
    web.said[60:70, NEUTRAL] = web.said[60:70, 7 + NEUTRAL] = 4.3
    flat = Calibration(0.0, 0.0, 1.0, (0.0,) * 7)
    assert three_recalls(flat.chances(web.said), web.label) == [1.0, 1.0, 0.5]
    camera = calibrate_camera(web, web, prior)
    assert camera.prior_power > 0
    assert three_recalls(camera.chances(web.said), web.label) == [1.0, 1.0, 1.0]


def test_the_figures_are_those_of_a_hand_calculation() -> None:
    chances = np.eye(7, dtype=np.float32)[[JOY, JOY, SADNESS, NEUTRAL]] * 0.8 + 0.2 / 7
    label = np.array([JOY, NEUTRAL, SADNESS, NEUTRAL])
    found = figures(chances, label)
    assert found.accuracy == 0.75
    assert found.recall == {"joy": 1.0, "sadness": 1.0, "neutral": 0.5}
    assert found.precision == {"joy": 0.5, "sadness": 1.0, "neutral": 1.0}
    assert found.macro_f1 == pytest.approx((2 / 3 + 1 + 2 / 3) / 3)
    assert found.calibration_error == pytest.approx(0.8 + 0.2 / 7 - 0.75, abs=1e-6)
    assert found.confusion[NEUTRAL][JOY] == 1


def test_distress_is_one_of_three() -> None:
    chances = np.zeros((4, 7), np.float32)
    chances[0, [JOY, SADNESS, ANGER]] = 0.4, 0.3, 0.3  # joy leads, distress has more
    chances[1, JOY] = chances[2, NEUTRAL] = chances[3, SURPRISE] = 1.0
    said = three_way(chances, np.array([SADNESS, JOY, NEUTRAL, SURPRISE]))
    assert said == {"n": 3, "accuracy": 1.0, "positive_recall": 1.0, "neutral_recall": 1.0, "distress_recall": 1.0}


def test_concordance_is_hurt_by_a_shift() -> None:
    true = np.linspace(-1, 1, 50).astype(np.float32)
    assert concordance(true, true) == pytest.approx(1.0, abs=1e-6)
    assert concordance(true + 0.5, true) == pytest.approx(2 * true.var() / (2 * true.var() + 0.25), abs=1e-5)


def test_macro_f1_is_of_the_classes_that_occur() -> None:
    assert macro_f1(np.array([JOY, FEAR]), np.array([JOY, JOY])) == pytest.approx(2 / 3)


def test_the_recipes_are_whole(tmp_path: Path) -> None:
    assert {"small", "landmarks"} <= set(load_recipes())
    (tmp_path / "bad.toml").write_text("[small]\nseed = 1\n")
    with pytest.raises(ValueError, match="missing or unknown"):
        load_recipes(tmp_path / "bad.toml")


def test_an_exported_network_says_what_torch_says(tmp_path: Path) -> None:
    made = Made("1", "a command", 1, "no data")
    camera = Calibration(0.5, 0.3, 1.2, (0.5, 0.0, -0.5, -1.0, 0.0, -1.0, 2.0))
    calibrations = Calibrations(camera, Calibration(0.0, 0.0, 0.7, (0.0,) * 7))
    # Loading compares with what torch said of the stored rows, within the tolerance.
    folder = export_faces(tmp_path, built(load_recipes()["small"]), calibrations, made)
    export_landmarks(tmp_path, LandmarksNetwork(16, 0.1), calibrations, made)
    reader, web = load_expression(tmp_path), load_expression(tmp_path, web=True)
    assert reader is not None
    assert web is not None
    crop = np.random.default_rng(2).integers(0, 255, (48, 48)).astype(np.uint8)
    # The web's answer has no correction here, the camera's holds neutral back.
    assert reader.read_crop(crop).emotions[NEUTRAL] < web.read_crop(crop).emotions[NEUTRAL]
    stored = json.loads((folder / "manifest.json").read_text())["calibration"]
    assert (stored["emotions"]["temperature"], stored["web_emotions"]["temperature"]) == (1.2, 0.7)
    assert len(stored["emotions"]["log_prior"]) == len(EMOTIONS)
