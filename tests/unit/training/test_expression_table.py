"""The figures of an evaluation as the manifest of the model holds them."""

from emdr_stream.evaluation.gates import gates
from emdr_stream.inference.manifest import CARD, current_versions, default_models_dir, read_manifest
from emdr_stream.inference.promotion import wanted_of
from emdr_stream.vision.expression import FACE_EXPRESSION
from training.expression.looks import CKPLUS, FERPLUS, PERFORMERS, SYNTHETIC
from training.expression.table import TARGETS, recorded
from training.package import Json


def report() -> dict[str, Json]:
    """One that reaches every target exactly, but for CK+."""
    faces: dict[str, Json] = {"accuracy": 0.8, "macro_f1": 0.66, "ece": 0.05}
    performers: dict[str, Json] = {
        "accuracy": 0.63,
        "ece": 0.1,
        "three_way": {"accuracy": 0.87, "distress_recall": 0.88},
    }
    return {
        FERPLUS: {"ours": faces, "fer": {"accuracy": 0.1}},
        PERFORMERS: {"ours": performers},
        CKPLUS: {"ours": {"accuracy": 0.79}},
        SYNTHETIC: {"affect": {"valence_ccc": 0.7, "arousal_ccc": 0.55}},
        "speed": {"ms": 0.6},
    }


def test_a_manifest_holds_every_target_with_the_figure_that_it_asks_for() -> None:
    metrics, targets = recorded(report())
    assert len(targets) == len(TARGETS)
    assert metrics == {
        "test": {
            FERPLUS: {"accuracy": 0.8, "macro_f1": 0.66, "ece": 0.05},
            PERFORMERS: {"accuracy": 0.63, "ece": 0.1, "three_way": {"accuracy": 0.87, "distress_recall": 0.88}},
            CKPLUS: {"accuracy": 0.79},
            SYNTHETIC: {"affect": {"valence_ccc": 0.7, "arousal_ccc": 0.55}},
            "speed": {"ms": 0.6},
        }
    }


def test_the_version_in_use_is_judged_by_its_manifest_and_its_card_says_the_same() -> None:
    folder = default_models_dir() / FACE_EXPRESSION / current_versions(default_models_dir())[FACE_EXPRESSION]
    manifest = read_manifest(folder)
    results = gates(manifest.metrics, wanted_of(FACE_EXPRESSION, manifest))
    assert len(results) == len(TARGETS)
    card = (folder / CARD).read_text(encoding="utf-8")
    for target, result in zip(TARGETS, results, strict=True):
        assert result.reached is not None
        [row] = [line for line in card.splitlines() if line.startswith(f"| {target.what} |")]
        assert f"| {result.reached:.3f} | {target.must:.2f} | {'reached' if result.passed else '**missed**'} |" in row
