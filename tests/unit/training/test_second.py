"""How version 2 of face_expression is made: who teaches it, what it is shown, how a camera's answer is chosen."""

import tomllib
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is in no lock file: pip install torch")

import torch

from emdr_stream.domain import EMOTIONS
from emdr_stream.inference.manifest import default_models_dir
from emdr_stream.vision.crop import SIDE
from emdr_stream.vision.expression import FACE_EXPRESSION, LANDMARKS_EXPRESSION
from emdr_stream.vision.geometry import N_FEATURES
from training.expression.calibration import DISTRESS, JOY, NEUTRAL, Answers, softmax, three_recalls
from training.expression.camera import MEAN_JOY, MOST_SMILES, Group, calibrate_third, grimaces, groups, holds
from training.expression.choice import State, apart, best
from training.expression.config import load_recipes
from training.expression.dataset import WIDE, Faces
from training.expression.distil import Class, distilled, distressed, halved, load_lesson, mixed, smiles
from training.expression.elders import LIST, YOUNGEST, Elders, begun, restored
from training.expression.faces import UNSURE
from training.expression.network import THIRD, TaughtNetwork
from training.expression.run import Material
from training.expression.second import Judge

NAME = "pixels.layers.0.0.weight"
SADNESS, ANGER, FEAR = (EMOTIONS.index(name) for name in ("sadness", "anger", "fear"))
FIRST = default_models_dir() / FACE_EXPRESSION / "1"
RECIPE = replace(load_recipes()["second"], epochs=1, steps=6, batch=6, rate=1e-3)


def faces(count: int = 12) -> Faces:
    """Noise that is called faces."""
    draw = np.random.default_rng(6)
    pixels = draw.integers(0, 255, (count, WIDE, WIDE)).astype(np.uint8)
    return Faces(
        pixels,
        pixels,
        draw.uniform(0, 0.5, (count, N_FEATURES)).astype(np.float32),
        np.arange(count) % 3 > 0,
        np.eye(7, dtype=np.float32)[np.arange(count) % 7],
        np.arange(count) % 7,
        np.full((count, 2), np.nan, np.float32),
        np.arange(count) % 4 == 0,
    )


def views() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = np.random.default_rng(2)
    return (
        torch.from_numpy(draw.uniform(0, 255, (5, 1, SIDE, SIDE)).astype(np.float32)),
        torch.from_numpy(draw.uniform(0, 0.5, (5, N_FEATURES)).astype(np.float32)),
        torch.tensor([[1.0], [1.0], [0.0], [1.0], [0.0]]),
    )


@pytest.fixture(scope="module")
def elders(tmp_path_factory: pytest.TempPathFactory) -> Elders:
    """Version 1, and three of the shapes that are listed, with weights that nobody trained: the trained ones are not in
    the repository."""
    folder = tmp_path_factory.mktemp("elders")
    torch.manual_seed(5)
    with LIST.open("rb") as file:
        listed = tomllib.load(file)
    for name, shape in listed.items():
        network = TaughtNetwork(tuple(shape["widths"]), RECIPE.feature_width, RECIPE.dropout, normed=shape["normed"])
        held = {key: value.numpy() for key, value in network.state_dict().items()}
        np.savez(folder / f"{name}.npz", **held)
    return Elders(RECIPE, FIRST, folder)


@pytest.fixture
def taught(elders: Elders) -> Class:
    some = faces()
    return Class(RECIPE, replace(load_lesson(), kept=2), some, np.zeros(len(some), np.float32), elders)


def test_version_1_is_restored_as_it_was() -> None:
    """Its file's own graph, run by ONNX Runtime, says the same of the same crop without landmarks."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(FIRST / "model.onnx"))
    pixels, rows, present = views()
    inputs = {"pixels": pixels[:, 0].numpy(), "features": rows.numpy(), "present": present.numpy()}
    [affect] = session.run(["affect"], inputs)
    with torch.inference_mode():
        said = restored(RECIPE, FIRST)(pixels, rows, present)
    assert said.shape == (5, THIRD.stop)
    np.testing.assert_allclose(np.tanh(said[:, 14:16].numpy()), affect, atol=1e-5)
    assert not said[:, THIRD].any()


def test_what_version_1_teaches_is_what_its_file_says(elders: Elders) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(FIRST / "model.onnx"))
    pixels, rows, present = views()
    inputs = {"pixels": pixels[:, 0].numpy(), "features": rows.numpy(), "present": present.numpy()}
    [emotions] = session.run(["emotions"], inputs)
    # The elders speak in half precision.
    np.testing.assert_allclose(elders.first.said(pixels, rows, present).camera.exp().numpy(), emotions, atol=0.03)


def test_elders_teach_the_mean_of_what_they_say(elders: Elders) -> None:
    together = elders.said(*views())
    each = [elder.said(*views()) for elder in (elders.first, *elders.others.values())]
    assert len(each) == 4
    torch.testing.assert_close(together.camera, torch.stack([one.camera for one in each]).mean(0), atol=1e-5, rtol=1e-5)
    youngest = elders.others[YOUNGEST].said(*views())
    torch.testing.assert_close(together.seen, (each[0].seen + youngest.seen) / 2, atol=1e-5, rtol=1e-5)
    # They differ, or one of them would do.
    assert (each[0].camera - each[1].camera).abs().max() > 0.1


def test_the_start_is_half_way_and_answers_as_the_youngest_would(elders: Elders) -> None:
    start, youngest = begun(elders), elders.others[YOUNGEST]
    one, other = elders.first.network.state_dict(), youngest.network.state_dict()
    torch.testing.assert_close(start.state_dict()[NAME], (one[NAME] + other[NAME]) / 2)
    # On the youngest's own weights the third output is its camera's answer.
    heads = {k: v for k, v in other.items() if "_third" not in k}
    elders.first.network.load_state_dict({**one, **heads}, strict=False)
    try:
        said = begun(elders).eval()(*views())[:, THIRD].log_softmax(1)
    finally:
        elders.first.network.load_state_dict(one)
    with torch.no_grad():
        wanted = youngest.calibration.logits(youngest.network(*views()).numpy())
    np.testing.assert_allclose(said.exp().detach().numpy(), softmax(wanted), atol=1e-4)


def test_a_training_leaves_its_start_and_comes_out_the_same_again(elders: Elders, taught: Class) -> None:
    start = begun(elders)
    before = {name: value.clone() for name, value in start.state_dict().items()}
    runs = [[kept.state_dict() for kept in distilled(taught, start, lambda epoch, loss: None)] for _ in range(2)]
    for name, value in start.state_dict().items():
        assert torch.equal(value, before[name])
        assert all(torch.equal(one[name], again[name]) for one, again in zip(*runs, strict=True))
    weights = [before, *runs[0]]
    differ = [not torch.equal(a[NAME], b[NAME]) for a, b in pairwise(weights)]
    assert len(differ) >= 4 and all(differ)


def test_what_is_taught_is_learnt(elders: Elders, taught: Class) -> None:
    losses: list[float] = []
    recipe = replace(RECIPE, epochs=3, steps=15, batch=12)
    start: TaughtNetwork = begun(elders)
    with torch.no_grad():
        start.fused_third.bias += torch.arange(7.0)
    distilled(replace(taught, recipe=recipe), start, lambda epoch, loss: losses.append(loss))
    assert losses[-1] < losses[0] * 0.8


def test_distress_without_votes_for_joy_is_grieved() -> None:
    votes = np.zeros((3, 7), np.float32)
    votes[0, [SADNESS, ANGER, NEUTRAL]] = 0.3, 0.3, 0.4
    votes[1, [SADNESS, JOY]] = 0.8, 0.2
    votes[2, NEUTRAL] = 1.0
    assert distressed(votes).tolist() == [True, False, False]


def test_mixed_faces_are_between_two() -> None:
    share, order = torch.tensor([0.75, 0.5]), torch.tensor([1, 0])
    assert mixed(torch.tensor([[0.0], [1.0]]), share, order).tolist() == [[0.25], [0.5]]
    assert mixed(torch.tensor([[[4.0]], [[8.0]]]), share, order).tolist() == [[[5.0]], [[6.0]]]


def test_a_face_of_two_halves_has_one_light() -> None:
    draw = torch.Generator().manual_seed(3)
    upper, lower = (torch.randn(1, 1, SIDE, SIDE, generator=draw) * s + m for m, s in ((100.0, 10.0), (180.0, 20.0)))
    both = halved(upper, lower, torch.tensor([24.0]))
    torch.testing.assert_close(both[..., :12, :], upper[..., :12, :], atol=0.2, rtol=0)
    below = both[0, 0, 36:].flatten()
    assert abs(float(below.mean()) - 100) < 3
    assert torch.corrcoef(torch.stack([below, lower[0, 0, 36:].flatten()]))[0, 1] > 0.99


def test_faces_without_landmarks_do_not_smile() -> None:
    some = faces()
    said = smiles(some, default_models_dir() / LANDMARKS_EXPRESSION / "1")
    assert said[~some.found].tolist() == [0.0] * 4
    assert (said[some.found] > 0).all()


LEAN = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.3])


def said_of(true: np.ndarray[Any, Any], seed: int) -> np.ndarray[Any, Any]:
    """Noisy answers [n, 23] that name `true`, and lean to neutral."""
    said = np.zeros((len(true), THIRD.stop), np.float32)
    said[:, THIRD] = np.eye(7)[true] * 2.5 + LEAN + np.random.default_rng(seed).normal(0, 0.6, (len(true), 7))
    return said


def judged() -> list[Group]:
    return [Group(said_of(true, n), true) for n, true in enumerate((np.arange(140) % 7, np.arange(350) % 7))]


def test_neutral_is_held_back_until_distress_is_found() -> None:
    some = judged()
    chosen = calibrate_third(some, some[0].said[1:2])
    for group, must in zip(some, (0.979, 0.96), strict=True):
        plain = replace(chosen, calm=0.0)
        assert three_recalls(plain.chances(group.said), group.true)[DISTRESS] < must
        assert three_recalls(chosen.chances(group.said), group.true)[DISTRESS] >= must
    assert (chosen.seen, chosen.intent, chosen.third) == (0.0, 0.0, 1.0)


def test_joy_is_held_back_until_grimaces_are_none() -> None:
    grimacing = said_of(np.full(40, SADNESS), 9)
    plain = calibrate_third(judged(), grimacing)
    grimacing[:, THIRD][:, JOY] += 2.2
    held = calibrate_third(judged(), grimacing)
    assert held.glad > plain.glad
    said = held.chances(grimacing)
    assert (said.argmax(1) == JOY).mean() <= MOST_SMILES
    assert said[:, JOY].mean() <= MEAN_JOY


def test_grimaces_are_distressed_faces_that_smile_by_their_blendshapes() -> None:
    some = faces()
    web = Answers(np.arange(12 * 23, dtype=np.float32).reshape(12, 23), some.intent, some.intent)
    smiling = np.where(np.arange(12) < 6, 0.9, 0.1).astype(np.float32)
    grieved = [i for i in range(6) if i % 7 in {1, 2, 3, 5}]
    assert np.array_equal(grimaces(web, some, smiling), web.said[grieved])


def test_of_web_faces_those_count_of_which_it_is_known_what_was_meant() -> None:
    some = faces()
    intent = np.where(np.arange(12) < 4, UNSURE, some.intent)
    web = Answers(np.zeros((12, 23), np.float32), some.intent, intent)
    generated, meant = groups(web, Answers(web.said, some.intent, some.intent))
    assert (len(generated.true), len(meant.true)) == (12, 8)
    assert UNSURE not in meant.true.tolist()


def test_of_states_that_hold_the_one_nearest_to_the_elders_is_kept() -> None:
    far, near, broken = State((0.02, 0.03), True), State((0.02, 0.01), True), State((0.0, 0.01), False)
    assert best([far, near, broken]) == 1
    assert best([far, broken]) == 0
    assert best([broken, State((0.0, 0.005), False)]) == 1
    assert best([near, near]) == 1


def test_divergence_is_none_from_itself_and_grows() -> None:
    said = said_of(np.arange(14) % 7, 4)
    logs = np.log(softmax(said[:, THIRD]))
    assert apart(said, logs) == pytest.approx(0, abs=1e-6)
    moved = [said + step * np.eye(23, dtype=np.float32)[THIRD.start] for step in (0.5, 1.0)]
    near, far = (apart(one, logs) for one in moved)
    assert 0 < near < far


def test_a_rule_that_cannot_be_kept_is_noticed() -> None:
    some, grimacing = judged(), said_of(np.full(40, SADNESS), 9)
    assert holds(calibrate_third(some, grimacing), some, grimacing)
    grimacing[:, THIRD][:, JOY] += 50
    assert not holds(calibrate_third(some, grimacing), some, grimacing)


def test_a_state_is_judged_by_what_its_elders_say_of_faces_that_do_not_train(elders: Elders) -> None:
    some = faces(28)
    judge = Judge(Material(some, some, some, some.votes.mean(0)), np.full(28, 0.9, np.float32), elders)
    tried = judge.tried(begun(elders).eval())
    assert min(tried.state.apart) > 0
    assert tried.figures["apart_fold"] == tried.state.apart[1]
    assert tried.calibrations.camera.third == 1.0
    # Nobody trained the elders: what they say together finds no emotion in noise.
    assert not tried.state.holds
