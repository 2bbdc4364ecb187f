"""The figures of every set go in, the table of targets comes out: must, aim, what was reached, how far off it is."""

from dataclasses import dataclass
from typing import Any, Final

from rich.table import Table

from emdr_stream.domain import EMOTIONS
from training.expression.looks import CKPLUS, FERPLUS, PERFORMERS, SYNTHETIC
from training.package import Json


@dataclass(frozen=True, slots=True)
class Target:
    """One figure with what it must and should reach. `path`: where it stands in the report, "{}" for the reader."""

    what: str
    path: tuple[str, ...]
    must: float
    aim: float
    least: bool = False
    """Whether smaller is better."""


TARGETS: Final = (
    Target("FER+ test, 7 classes: accuracy", (FERPLUS, "{}", "accuracy"), 0.80, 0.84),
    Target("FER+ test, 7 classes: macro F1", (FERPLUS, "{}", "macro_f1"), 0.66, 0.72),
    Target("performers, 7 classes as seen: accuracy", (PERFORMERS, "{}", "accuracy"), 0.63, 0.72),
    Target("CK+, 6 classes, read as one of 7: accuracy", (CKPLUS, "{}", "accuracy"), 0.80, 0.91),
    Target("performers, positive/neutral/distress", (PERFORMERS, "{}", "three_way", "accuracy"), 0.87, 0.92),
    Target("performers, recall of distress", (PERFORMERS, "{}", "three_way", "distress_recall"), 0.88, 0.93),
    Target("synthetic (held out), valence: CCC", (SYNTHETIC, "affect", "valence_ccc"), 0.70, 0.80),
    Target("synthetic (held out), arousal: CCC", (SYNTHETIC, "affect", "arousal_ccc"), 0.55, 0.75),
    Target("FER+ test: calibration error", (FERPLUS, "{}", "ece"), 0.05, 0.02, least=True),
    Target("performers: calibration error", (PERFORMERS, "{}", "ece"), 0.10, 0.05, least=True),
    Target("crop and expression, ms a frame", ("speed", "ms"), 0.6, 0.3, least=True),
)


def reached(report: dict[str, Json], target: Target, reader: str) -> float | None:
    """The figure of a reader ("ours", "fer", "blind"); None when it was not measured."""
    part: Any = report
    for step in target.path:
        key = step.format(reader)
        if key == step and reader != "ours" and step == target.path[-1] and "{}" not in target.path:
            return None
        part = part.get(key) if isinstance(part, dict) else None
    return None if part is None else float(part)


def recorded(report: dict[str, Json]) -> tuple[dict[str, Json], list[Json]]:
    """The figures of the model with pixels and their targets, as a manifest holds them."""
    metrics: dict[str, Any] = {"test": {}}
    targets: list[Json] = []
    for target in TARGETS:
        steps = [step for step in target.path if step != "{}"]
        place = metrics["test"]
        for step in steps[:-1]:
            place = place.setdefault(step, {})
        place[steps[-1]] = reached(report, target, "ours")
        name = ".".join(("test", *steps))
        bounds: dict[str, Json] = {"must": target.must, "ambitious": target.aim, "at_least": not target.least}
        targets.append({"name": name, "what": target.what, **bounds})
    return metrics, targets


def targets_table(report: dict[str, Json]) -> Table:
    """The table of the data's README, filled."""
    table = Table(title="face_expression against its targets, each set measured through the service's own code")
    for heading in ("", "fer", "no pixels", "ours", "must", "", "aim", "to the aim"):
        table.add_column(heading, justify="left" if not heading else "right")
    for target in TARGETS:
        ours = reached(report, target, "ours")
        others = [_shown(reached(report, target, reader)) for reader in ("fer", "blind")]
        if ours is None:
            table.add_row(target.what, *others, "-", _shown(target.must), "", _shown(target.aim), "")
            continue
        gap = target.aim - ours if not target.least else ours - target.aim
        met = ours <= target.must if target.least else ours >= target.must
        verdict = "[green]reached[/green]" if met else "[red]missed[/red]"
        left = "reached" if gap <= 0 else f"{gap:.3f}"
        table.add_row(target.what, *others, _shown(ours), f"{target.must:.2f}", verdict, f"{target.aim:.2f}", left)
    return table


def classes_table(report: dict[str, Json], name: str, reader: str) -> Table:
    """Precision, recall and confusion of one reader on one set."""
    part: Any = report[name]
    figures = part[reader]
    table = Table(title=f"{name}, {reader}: n {figures['n']}, accuracy {figures['accuracy']}; rows are true classes")
    for heading in ("class", "n", "recall", "precision", *EMOTIONS):
        table.add_column(heading, justify="right")
    for i, emotion in enumerate(EMOTIONS):
        row = figures["confusion"][i]
        if sum(row):
            shares = (f"{figures[kind][emotion]:.2f}" for kind in ("recall", "precision"))
            table.add_row(emotion, str(sum(row)), *shares, *(str(count) for count in row))
    return table


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
